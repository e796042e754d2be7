"""How several devices share the work of a fit."""

from __future__ import annotations

import sys

from lightning.pytorch.strategies import ModelParallelStrategy, Strategy

from mm_core.api.errors import ConfigError
from mm_core.recipe.training import TrainingConfig
from mm_core.training.devices import device_count


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
    if training.strategy == "auto" and device_count(training) == 1 and training.num_nodes == 1:
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
