"""One run of the loop that trains a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from mm_core.api.batch import Batch
from mm_core.recipe.training import TrainingConfig


class Trainable(Protocol):
    """A ``nn.Module`` that can be trained: a topology, or a part of one."""

    def __call__(self, batch: Batch) -> Any: ...

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Scalar."""


@dataclass(frozen=True)
class Constant:
    """One answer for all rows, the best of them: what a network is to beat.

    Attributes:
        loss: on the training rows, as the task has it.
        score: () -> on the validation rows, by the metric that chooses the weights; NaN where that
            is not defined. A user's function is called only where the loss says that it must be.
    """

    loss: float
    score: Callable[[], float]


@dataclass(frozen=True)
class FitRun:
    """What the loop is given besides a network and its batches.

    Attributes:
        training: the recipe's ``training`` section.
        learning_rates: backbone name -> its own learning rate, or None: the section's.
        score: () -> validation score of the model as it stands; None without validation rows.
            Raises MetricError where the metric is not defined for that model's answers.
        held_out: validation rows.
        metric: name of that score.
        higher_is_better: its direction.
        folder: for logs; exists.
        callbacks: the user's Lightning callbacks.
        loggers: the user's Lightning loggers.
        verbosity: 0 silent .. 3 chatty; a progress is shown from 2 on.
        deadline: ``time.monotonic()`` at which to stop, or None.
        mixable: input name -> names of its arrays whose rows may be blended: mixup.
        unfinished: folder where the state of the fit is kept until it ends, or None: not kept.
        resume: take up the state that stands there.
        constant: () -> the answer that the network is to beat, worked out when it is first asked
            for; None: there is none.
        gives_up: stop a training that has come to nothing by it.
    """

    training: TrainingConfig
    learning_rates: Mapping[str, float | None]
    score: Callable[[], float] | None
    metric: str
    higher_is_better: bool
    folder: Path
    held_out: int = 0
    callbacks: Sequence[Any] = ()
    loggers: Sequence[Any] = ()
    verbosity: int = 2
    deadline: float | None = None
    mixable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unfinished: Path | None = None
    resume: bool = False
    constant: Callable[[], Constant | None] = lambda: None
    gives_up: bool = False
