"""The learning rate over time, as a factor on every group's own rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from mm_core.recipe.training import TrainingConfig

Shape = Callable[[float, TrainingConfig], float]
"""(share 0..1 of the steps that are done, settings) -> factor."""


def _cosine(done: float, training: TrainingConfig) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def _linear(done: float, training: TrainingConfig) -> float:
    return 1 - done


def _constant(done: float, training: TrainingConfig) -> float:
    return 1.0


def _polynomial(done: float, training: TrainingConfig) -> float:
    return float((1 - done) ** training.power)


def _multistep(done: float, training: TrainingConfig) -> float:
    passed = sum(done >= share for share in training.milestones)
    return float(training.milestone_factor**passed)


def _coslog4(done: float, training: TrainingConfig) -> float:
    """Four waves from 0 to 1 and back, each twice as long as the last (arXiv 2407.04491)."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * done)))


SHAPES: dict[str, Shape] = {
    "cosine": _cosine,
    "linear": _linear,
    "constant": _constant,
    "polynomial": _polynomial,
    "multistep": _multistep,
    "coslog4": _coslog4,
}


def learning_rate_factor(training: TrainingConfig, total_steps: int) -> Callable[[float], float]:
    """Step -> factor: a linear warm-up, then the schedule over the steps that are left.

    Steps need not be whole: those of a fit that is short of time stand further apart.
    """
    warmup = round(training.warmup * total_steps)

    def factor(step: float) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return SHAPES[training.schedule](done, training)

    return factor
