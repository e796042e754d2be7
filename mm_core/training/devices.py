"""Where a fit runs: precision, devices, and how they share the work."""

from __future__ import annotations

import sys
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy

from mm_core.api.errors import ConfigError
from mm_core.recipe.training import TrainingConfig


def accelerator() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def precision(training: TrainingConfig) -> Any:
    """``auto``: bf16 where the GPU has it, else full precision, which CPUs are fastest with.

    Raises:
        ConfigError: 16-mixed without a GPU.
    """
    wanted = training.precision
    if wanted == "16-mixed" and not torch.cuda.is_available():
        raise ConfigError(
            "training.precision=16-mixed needs a GPU, and there is none",
            value=wanted,
            remedy="set training.precision to auto, 32 or bf16-mixed",
        )
    if wanted != "auto":
        return wanted
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if bf16 else "32-true"


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


def strategy(training: TrainingConfig) -> Strategy | str:
    """Lightning's strategy.

    A batch may lack a modality whose backbone then gets no gradient: such parameters are looked
    for in each step.

    Raises:
        ConfigError: fsdp with 16-mixed, which Lightning does not have.
    """
    if training.strategy == "fsdp":
        if training.precision == "16-mixed":
            raise ConfigError(
                "training.strategy=fsdp has no precision 16-mixed",
                value=training.precision,
                remedy="set training.precision=bf16-mixed",
            )
        return _FSDP(tensor_parallel_size=1, save_distributed_checkpoint=False)
    one = training.devices in (1, "auto") or (
        isinstance(training.devices, tuple) and len(training.devices) == 1
    )
    if training.strategy == "auto" and one and training.num_nodes == 1:
        return "auto"
    fork = training.strategy == "ddp_fork" or (training.strategy == "auto" and _in_a_notebook())
    kind = "ddp_fork" if fork else "ddp"
    return f"{kind}_find_unused_parameters_true"


class _FSDP(ModelParallelStrategy):
    """Shares the weights over all processes there are."""

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_processes * self.num_nodes
        super().setup_environment()


def _in_a_notebook() -> bool:
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules
