"""Losses: how far outputs are from their targets, row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Loss(ABC):
    """A loss that tasks share. It has no parameters to learn.

    Args:
        config: validated settings.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, logits: torch.Tensor, target: Any) -> torch.Tensor:
        """The loss of each row, float32 [B], not yet weighted or averaged.

        Args:
            logits: float32 [B, D], the model's outputs.
            target: the target that ``LossSpec.needs`` names, as a tensor [B, ...].
        """


@dataclass(frozen=True)
class Criterion:
    """A loss and the target it reads; what a task is trained with.

    Attributes:
        loss: of each row.
        needs: name of the target.
    """

    loss: Loss
    needs: str

    def __call__(self, logits: torch.Tensor, targets: Mapping[str, Any]) -> torch.Tensor:
        """The loss of each row, float32 [B], of ``logits`` [B, D] of any float type."""
        return self.loss(logits.float(), targets[self.needs])
