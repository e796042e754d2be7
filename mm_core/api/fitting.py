"""The contracts of what trains a model and what writes it in another form. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from mm_core.api.config import Config

if TYPE_CHECKING:
    from mm_core.api.batch import Batch
    from mm_core.api.engine import Engine
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
class FitRows:
    """Rows of a fit, encoded and as they came.

    Attributes:
        encoded: :class:`mm_core.data.encoded.EncodedFrame`: ``inputs`` by name (``Encoded``),
            ``targets`` by name, ``weight`` float32 [N] or None, ``n_rows``.
        table: the columns that the recipe reads, and the label's.
    """

    encoded: Any
    table: Table

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class Fitted:
    """A model, and what came of fitting it.

    Attributes:
        model: :class:`mm_core.model.Model`, ready to answer.
        result: of its fit.
    """

    model: Any
    result: FitResult


class FitJob(ABC):
    """What a fitter is given: the model to fit, the rows, and the core's own ways to fit.

    Attributes:
        model: :class:`mm_core.model.Model`: recipe, fitted processors, learned task; and with
            ``FitterSpec.reads`` = "network" its ``topology``, to be trained in place.
        train: training rows.
        validation: rows that are held out; None: the fitter splits ``train`` itself.
        metric: name of the validation score.
        higher_is_better: its direction.
        folder: for files meanwhile; exists, and is gone afterwards.
        deadline: ``time.monotonic()`` at which to stop, or None.
        verbosity: 0 silent .. 3 chatty.
    """

    model: Any
    train: FitRows
    validation: FitRows | None
    metric: str
    higher_is_better: bool
    folder: Path
    deadline: float | None
    verbosity: int

    @abstractmethod
    def batches(self) -> Batches:
        """The training rows for a network: shuffled, augmented, tensors."""

    @abstractmethod
    def plain(self, rows: FitRows, batch_size: int | None = None) -> Iterator[Batch]:
        """Rows in order, without augmentation: numpy arrays, with targets and weights."""

    @abstractmethod
    def score(
        self,
        outputs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        rows: FitRows | None = None,
    ) -> float:
        """The validation score.

        Args:
            outputs: of all validation rows, in order, as ``Task.decode`` reads them; None: of the
                model as it stands.
            meta: as in ``Task.decode``.
            rows: what the outputs are of instead, such as ``job.train`` for outputs of models that
                did not learn from these rows.

        Raises:
            MetricError: the metric is not defined for these answers.
        """

    @abstractmethod
    def train_network(
        self,
        network: Any,
        batches: Batches,
        *,
        score: Callable[[], float] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> FitResult:
        """Train a network with the core's own loop, and leave the best weights in it.

        Each call is a phase of the fit. Where the fit is resumed, a phase that was done before is
        taken up without training: the same calls are to come in the same order.

        Args:
            network: a ``nn.Module`` that is called with a batch and has ``loss(outputs, batch)``:
                a topology, or a part of one.
            batches: to train on, such as :meth:`batches`.
            score: () -> validation score of the network as it stands; None: :meth:`score`, or no
                validation where there are no validation rows.
            training: values of the recipe's section ``training`` to be replaced.
        """

    @abstractmethod
    def train_new_first(self) -> Mapping[str, float]:
        """Train the network's new backbones by themselves, and leave their weights in it.

        What the setting ``training.new_first`` asks for, to be called before the network itself is
        trained: each backbone that has a pace of its own and stands beside others is trained as a
        model of its inputs alone, on the labels. Nothing is done where the setting is off, the fit
        is taken up or goes on from an earlier one, several processes fit, or there are no
        validation rows. Where Ctrl-C ends it, :attr:`deadline` has passed afterwards.

        Returns:
            Backbone name -> its best validation score alone; empty: nothing was trained.

        Raises:
            PluginError: a network was trained before: it would be overwritten.
        """

    @abstractmethod
    def plan(self, settings: Mapping[str, Any]) -> Any:
        """The recipe of :meth:`submodel`, without fitting: wrong settings are told at once.

        Args:
            settings: as there.

        Raises:
            ConfigError: a setting is wrong, or not the submodel's own to choose.
        """

    @abstractmethod
    def submodel(
        self,
        settings: Mapping[str, Any],
        train: Table | None = None,
        validation: Table | None = None,
        deadline: float | None = None,
    ) -> Fitted:
        """Another complete model of the same columns, label and classes.

        Args:
            settings: of its recipe, as ``hyperparameters``, over what the user set in this fit's
                section ``training``, and ``presets``, over those that the user chose; the
                task and the metrics are those of this fit.
            train: its training rows, such as ``job.train.table.take(rows)``; None: all.
            validation: its validation rows; None: those of this fit, or else some are held out.
            deadline: ``time.monotonic()`` at which it is to stop; None: that of this fit.
        """


INTERRUPTED = "interrupted"
"""Why a fit ended that Ctrl-C was pressed in."""

TERMINATED = "SIGTERM after the last step"
"""Why a fit ended that the process was told to end, when all that was left was to finish it."""

HISTORY_COLUMNS = ("attempt", "epoch", "step", "seconds", "loss")
"""What a record of a history holds beside the validation score; ``attempt``, 1 or 2, where the
training came to nothing and began again."""


@dataclass(frozen=True)
class FitResult:
    """What came of fitting; the model holds the best weights.

    Attributes:
        history: one record per validation: epoch, step, seconds, loss, metric; without the last
            where it was not defined; with ``attempt`` where the training began again.
        best_score: best validation score, or None without validation rows.
        stopped: why it ended, in words; after ``TERMINATED`` the core saves the model, and the
            process exits with 143.
        calibrated_score: what ``data.eval_metric`` gives for the validation rows after calibration,
            or None; set by the core.
        log: CSV of losses, learning rates and scores by step; empty: none was written.
        engine: what answers from now on; None: the network that was trained in place.
        known_rows: whether a model was trained further and its validation rows were held out of the
            rows given, which it may have been trained on before; set by the core.
    """

    history: list[dict[str, float]]
    best_score: float | None
    stopped: str
    log: str = ""
    calibrated_score: float | None = None
    engine: Engine | None = None
    known_rows: bool = False


class Fitter(ABC):
    """A way of fitting."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def fit(self, job: FitJob) -> FitResult:
        """Fit the job's model: train its network in place, or give the engine that answers."""


@dataclass(frozen=True)
class ExportJob:
    """What an exporter is given.

    Attributes:
        model: :class:`mm_core.model.Model`, ready to answer; not to be changed.
        path: what to write.
        sample: rows to try it on, the columns that the recipe reads; None: there are none.
        result: of the model's fit, for :func:`mm_core.api.tools.save_model`.
        registry: what is installed, with the predictor's one-file plugins.
    """

    model: Any
    path: Path
    sample: Table | None
    result: FitResult
    registry: Any


@dataclass(frozen=True)
class ExportReport:
    """What an exporter wrote and how near it is to the original.

    Attributes:
        path: what was written.
        max_abs_diff: largest absolute difference of outputs on the sample; None if not comparable.
        label_agreement: share of equal answers on the sample, 0..1; None if not comparable.
        seconds: time it took.
        details: figures of the exporter's own by name, such as times of both, for people to read:
            JSON values.
    """

    path: Path
    max_abs_diff: float | None
    label_agreement: float | None
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)


class Exporter(ABC):
    """Writes a trained model in another form."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def check(self, model: Any) -> list[str]:
        """Reasons why this model cannot be exported; empty: it can."""

    @abstractmethod
    def export(self, job: ExportJob) -> ExportReport:
        """Write ``job.model`` to ``job.path``."""
