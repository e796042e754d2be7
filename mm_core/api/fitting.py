"""The contracts of what trains a model and what writes it in another form. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from mm_core.api.config import Config

if TYPE_CHECKING:
    from mm_core.api.nn import Topology
    from mm_core.api.processors import Table


class Batches(Protocol):
    """A frame as batches for one epoch; iterating gives :class:`mm_core.api.nn.Batch`."""

    @property
    def n_rows(self) -> int:
        """Rows of an epoch."""

    @property
    def sizes(self) -> Sequence[int]:
        """Rows of each batch of an epoch, the shares of all processes together."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Any: ...

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Reshuffle and re-augment for this epoch; the same epoch gives the same batches.

        Args:
            epoch: counted from 0.
            start: the batch to begin with, where an epoch is taken up again.
        """

    def with_batch_size(self, batch_size: int) -> Self:
        """The same rows in batches of another size."""

    def shard(self, rank: int, world_size: int) -> Self:
        """Of each batch the share of one of ``world_size`` processes.

        Raises:
            ConfigError: a batch has fewer rows than there are processes.
        """

    def costliest(self) -> Any:
        """The batch of the rows that cost most, without augmentation."""


@dataclass(frozen=True)
class FitRun:
    """What a fitter is given besides the model.

    Attributes:
        training: the recipe's ``training`` section.
        learning_rates: backbone name -> its own learning rate, or None: the section's.
        score: () -> validation score of the model as it stands; None without validation rows.
            Raises MetricError where the metric is not defined for that model's answers.
        metric: name of that score.
        higher_is_better: its direction.
        folder: for logs; exists.
        callbacks: the user's Lightning callbacks.
        loggers: the user's Lightning loggers.
        verbosity: 0 silent .. 3 chatty; a progress bar is shown from 2 on.
        deadline: ``time.monotonic()`` at which to stop, or None.
        mixable: input name -> names of its arrays whose rows may be blended: mixup.
        unfinished: folder where the state of the fit is kept until it ends, or None: not kept.
        resume: take up the state that stands there.
    """

    training: Any
    learning_rates: Mapping[str, float | None]
    score: Callable[[], float] | None
    metric: str
    higher_is_better: bool
    folder: Path
    callbacks: Sequence[Any] = ()
    loggers: Sequence[Any] = ()
    verbosity: int = 2
    deadline: float | None = None
    mixable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unfinished: Path | None = None
    resume: bool = False


TERMINATED = "SIGTERM after the last step"
"""Why a fit ended that the process was told to end, when all that was left was to finish it."""

HISTORY_COLUMNS = ("epoch", "step", "seconds", "loss")
"""What each record of a history holds beside the validation score."""


@dataclass(frozen=True)
class FitResult:
    """What came of fitting; the model holds the best weights.

    Attributes:
        history: one record per validation: epoch, step, seconds, loss, metric; without the last
            where it was not defined.
        best_score: best validation score, or None without validation rows.
        stopped: why it ended, in words; after ``TERMINATED`` the core saves the model, and the
            process exits with 143.
        calibrated_score: what ``data.eval_metric`` gives for the validation rows after calibration,
            or None; set by the core.
        log: CSV of losses, learning rates and scores by step; empty: none was written.
    """

    history: list[dict[str, float]]
    best_score: float | None
    stopped: str
    log: str = ""
    calibrated_score: float | None = None


class Fitter(ABC):
    """A way of fitting. The model is changed in place."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def fit(self, model: Topology, train: Batches, run: FitRun) -> FitResult:
        """Fit ``model`` and leave the best weights in it."""


@dataclass(frozen=True)
class ExportReport:
    """What an exporter wrote and how near it is to the original.

    Attributes:
        path: what was written.
        max_abs_diff: largest absolute difference of outputs on the sample; None if not comparable.
        label_agreement: share of equal answers on the sample, 0..1; None if not comparable.
        seconds: time it took.
    """

    path: Path
    max_abs_diff: float | None
    label_agreement: float | None
    seconds: float


class Exporter(ABC):
    """Writes a trained model in another form."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def check(self, model: Any) -> list[str]:
        """Reasons why this model cannot be exported; empty: it can."""

    @abstractmethod
    def export(self, model: Any, path: Path, sample: Table | None) -> ExportReport:
        """Write ``model`` (a :class:`mm_core.model.Model`) to ``path``."""
