"""How several devices share the work of a fit."""

from __future__ import annotations

import sys

import torch
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy

from mm_core.api.errors import ConfigError
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.devices import process_count


def strategy(training: TrainingConfig) -> Strategy | str:
    """Lightning's strategy.

    A batch may lack a modality whose backbone then gets no gradient: such parameters are looked
    for in each step.

    Raises:
        ConfigError: fsdp with 16-mixed, which Lightning does not have; or forked processes on GPUs,
            which CUDA does not survive.
    """
    if training.strategy == "fsdp":
        if training.precision == "16-mixed":
            raise ConfigError(
                "training.strategy=fsdp has no precision 16-mixed",
                value=training.precision,
                remedy="set training.precision=bf16-mixed",
            )
        return _FSDP(tensor_parallel_size=1, save_distributed_checkpoint=False)
    if training.strategy == "auto" and process_count(training) == 1:
        return "auto"
    fork = training.strategy == "ddp_fork" or (training.strategy == "auto" and _in_a_notebook())
    if fork and torch.cuda.is_available():
        raise ConfigError(
            "forked processes (training.strategy=ddp_fork, in notebooks also auto) cannot use GPUs",
            value=training.strategy,
            remedy="set training.devices=1, or run a script with training.strategy=ddp",
        )
    kind = "ddp_fork" if fork else "ddp"
    return f"{kind}_find_unused_parameters_true"


class _FSDP(ModelParallelStrategy):
    """Shares the weights over all processes there are."""

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_processes * self.num_nodes
        super().setup_environment()


def _in_a_notebook() -> bool:
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules
