"""Where a fit runs, and with which precision."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.fabric.plugins.environments.lsf import LSFEnvironment
from lightning.fabric.plugins.environments.mpi import MPIEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from mm_core.api.errors import ConfigError
from mm_core.network.precision import FULL, chosen
from mm_core.recipe.training import TrainingConfig


def accelerator() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def precision(training: TrainingConfig) -> Any:
    """As Lightning calls it; see :func:`mm_core.network.precision.chosen`.

    Raises:
        ConfigError: 16-mixed without a GPU.
    """
    found = chosen(training.precision)
    return "32-true" if found == FULL else found


def devices(training: TrainingConfig) -> Any:
    """As Lightning counts them; CPU processes have no indices.

    Raises:
        ConfigError: indices, and no GPU.
    """
    wanted = training.devices
    if isinstance(wanted, tuple):
        if not torch.cuda.is_available():
            raise ConfigError(
                f"training.devices={list(wanted)} are indices of GPUs, and there is none",
                value=wanted,
                remedy="give a number of CPU processes, such as training.devices=2",
            )
        return list(wanted)
    if wanted == "auto" and not torch.cuda.is_available():
        return 1
    return wanted


def check_processes(training: TrainingConfig) -> None:
    """Whether so many processes were started as the settings say.

    Raises:
        ConfigError: torchrun started another number, which would each fit alone or wait for ever;
            or there are to be several machines, and nothing says where the first one is.
    """
    wanted = process_count(training)
    asked = f"training.devices={training.devices} and training.num_nodes={training.num_nodes}"
    if TorchElasticEnvironment.detect():
        started = int(os.environ["WORLD_SIZE"])
        if started != wanted:
            raise ConfigError(
                f"torchrun started {started} process(es), and {asked} ask for {wanted}",
                value=wanted,
                remedy="set training.devices to torchrun's --nproc-per-node and "
                "training.num_nodes to its --nnodes",
            )
    elif training.num_nodes > 1 and not _cluster():
        raise ConfigError(
            f"{asked}, and nothing tells where the first machine is",
            value=training.num_nodes,
            remedy=f"on each machine, start the script with torchrun --nnodes {training.num_nodes}",
        )


def _cluster() -> bool:
    """Whether Lightning can find the other machines; a user may tell by MASTER_ADDR."""
    managed = (SLURMEnvironment, LSFEnvironment, MPIEnvironment)
    return "MASTER_ADDR" in os.environ or any(kind.detect() for kind in managed)


def process_count(training: TrainingConfig) -> int:
    """Processes of a fit, on all machines: one for each device."""
    return device_count(training) * training.num_nodes


def device_count(training: TrainingConfig) -> int:
    """Devices of this machine that a fit runs on."""
    wanted = training.devices
    if wanted == "auto":
        return max(1, torch.cuda.device_count())
    return len(wanted) if isinstance(wanted, tuple) else wanted
