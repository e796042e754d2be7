"""The contracts of what stands around a network: detectors, processors, tasks, metrics. No torch.

Networks (backbones, fusion heads, topologies) stand in :mod:`mm_core.api.nn`, what trains and
exports them in :mod:`mm_core.api.fitting`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from mm_core.api.errors import BadCell, LabelError, TrainingError
from mm_core.api.loss import Criterion

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from mm_core.api.specs import Checkpoint


# ---- columns -> modalities ---------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnSample:
    """What a detector sees of one column.

    Attributes:
        name: the column's name.
        dtype: ``"number"``, ``"boolean"``, ``"datetime"``, ``"string"``, ``"categorical"`` or
            ``"object"``.
        values: up to a few hundred cells that are not missing, spread over the column.
        null_share: share of missing cells, 0..1.
        n_rows: rows in the whole column.
        n_unique: distinct values in the whole column, missing ones not counted.
        folder: relative paths in cells start here.
    """

    name: str
    dtype: str
    values: tuple[Any, ...]
    null_share: float
    n_rows: int
    n_unique: int
    folder: Path

    def peek(self, value: Any, size: int = 32) -> bytes | None:
        """First ``size`` bytes of the file that ``value`` names; None if there is no such file."""
        try:
            with (self.folder / str(value)).open("rb") as file:
                return file.read(size)
        except (OSError, ValueError):  # ValueError: a NUL byte in the name
            return None


@dataclass(frozen=True)
class Detection:
    """A detector's claim on a column (or a task's claim on a label).

    Attributes:
        kind: one of the modality's kinds (for a task: its name).
        score: 1.0 proved by dtype or content, 0.9 strong, 0.5 plausible, 0.1 last resort.
        reason: one clause, shown to the user: "61% of 300 values are distinct, 12 words each".
    """

    kind: str
    score: float
    reason: str


@dataclass(frozen=True)
class LabelSample:
    """What a task's detector sees of the label columns; one :class:`ColumnSample` each."""

    columns: tuple[ColumnSample, ...]


# ---- cells -> arrays ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A column that an input reads, and the form of its cells (one of the modality's kinds)."""

    column: str
    kind: str


@dataclass(frozen=True)
class Table:
    """Rows on their way through the core.

    Attributes:
        frame: string column names, index 0..N-1; never changed by anyone.
        folder: relative paths in cells start here.
        positions: long [N], where the rows stood in the caller's data; None: at 0..N-1.
    """

    frame: pd.DataFrame
    folder: Path
    positions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Table:
        """The rows at these positions, renumbered from 0."""
        stood = rows if self.positions is None else self.positions[rows]
        return Table(self.frame.iloc[rows].reset_index(drop=True), self.folder, stood)


@dataclass
class Encoded:
    """One input of one frame, encoded once.

    Attributes:
        arrays: whatever :meth:`Processor.batch` picks rows from; nothing else reads it. With the
            batch that a processor has unless it overrides it: numpy arrays [N, ...].
        present: bool [N]; False where the row has nothing in this input.
        lengths: int [N], relative cost of a row, or None; rows of like length are batched together
            at prediction.
        bad: cells that are there but cannot be read; they are masked here, and the core decides
            whether that is an error.
    """

    arrays: dict[str, Any]
    present: np.ndarray
    lengths: np.ndarray | None = None
    bad: list[BadCell] = field(default_factory=list)


@dataclass
class InputBatch:
    """Some rows of one input, ready for a network.

    Attributes:
        arrays: numpy arrays (in training also CPU tensors), first axis = rows asked for.
        present: bool [B].
        bad: cells found unreadable only now; masked, and reported by the core.
        targets: the targets given to :meth:`Processor.batch`, moved as the pixels moved; None:
            unchanged.
        meta: what decoding needs of these rows (original sizes, offsets).
    """

    arrays: dict[str, Any]
    present: np.ndarray
    bad: list[BadCell] = field(default_factory=list)
    targets: dict[str, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass
class State:
    """What a fitted component needs to be built again: JSON, arrays, and small files by name."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    assets: dict[str, bytes] = field(default_factory=dict)


class Processor(ABC):
    """Turns the columns of one input into arrays. numpy (and PIL, tokenizers) only at evaluation.

    Args:
        config: validated settings.
        fields: the columns, in the order in which the user's frame held them at fit.
        checkpoint: the weights of the backbone that reads this input, which may bring a vocabulary
            or a normalisation; None when there are none, and when built by :meth:`from_state`.
    """

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        self.config = config
        self.fields = tuple(fields)
        self.checkpoint = checkpoint

    @abstractmethod
    def fit(self, table: Table) -> None:
        """Learn from training rows; what is learned goes into :meth:`state`."""

    @abstractmethod
    def encode(self, table: Table) -> Encoded:
        """Encode all rows at once; N rows in, N rows out, in order."""

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Arrays for the rows at these positions; ``augment`` is given in training only.

        Unless overridden: the rows of each of ``encoded.arrays``, which are numpy arrays then.
        """
        arrays = {name: array[rows] for name, array in encoded.arrays.items()}
        return InputBatch(arrays, encoded.present[rows])

    @property
    def info(self) -> Mapping[str, Any]:
        """JSON-able facts the backbone is built from: cardinalities, number of images, ..."""
        return {}

    def state(self) -> State:
        """What :meth:`from_state` needs; unless overridden: nothing."""
        return State()

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again, without the checkpoint.

        Unless overridden: a new one, which is right where ``fit`` learns nothing.
        """
        return cls(config, fields)


# ---- labels, losses, answers -------------------------------------------------------------------


@dataclass(frozen=True)
class Decoded:
    """A task's answers, one per row, in order.

    Attributes:
        answer: [N] rows, in label space; columns are the label columns.
        views: what metrics read, by the name in ``MetricSpec.needs``: ``"labels"`` int [N],
            ``"proba"`` float [N, C], ``"values"`` float [N], ...
        proba: probabilities as a frame with one column per class (or label), or None.
        exclusive: whether each row has one of the columns of ``proba``, whose rows sum to 1 then;
            the second of two is the positive class. False: labels that stand for themselves.
    """

    answer: pd.DataFrame
    views: Mapping[str, Any]
    proba: pd.DataFrame | None = None
    exclusive: bool = True


class Task(ABC):
    """What is predicted. ``decode`` uses numpy only; ``loss`` uses torch, imported inside.

    Args:
        config: validated settings.
        label: names of the label columns.

    Attributes:
        criterion: the loss that the recipe names (``training.loss``), given by the core before
            training; None at prediction, and for a task with a loss of its own
            (``TaskSpec.losses`` is empty).
    """

    criterion: Criterion | None = None

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        self.config = config
        self.label = tuple(label)

    def complete(self, targets: pd.DataFrame) -> pd.DataFrame:
        """The label columns, in the order of ``label``.

        Raises:
            LabelError: one is not there, or a label is missing.
        """
        for name in self.label:
            if name not in targets.columns:
                raise LabelError(
                    f"there is no label column {name!r}",
                    column=name,
                    remedy=f"columns are: {', '.join(map(str, targets.columns))}",
                )
            rows = targets[name].isna().to_numpy().nonzero()[0].tolist()
            if rows:
                shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
                raise LabelError(
                    f"label {name!r} is missing in {len(rows)} row(s): {shown}",
                    column=name,
                    rows=rows,
                    remedy=f"drop them: data.dropna(subset=[{name!r}])",
                )
        return targets[list(self.label)]

    @abstractmethod
    def learn(self, targets: pd.DataFrame) -> None:
        """Learn the classes, scale, ... from the label columns of the training rows.

        Raises:
            LabelError: missing or constant labels.
        """

    def extend(self, targets: pd.DataFrame) -> None:  # noqa: B027
        """Learn what is new in the labels of further training rows, such as more classes.

        What was learned before stays, and new outputs come after the old ones. Unless overridden:
        nothing is learned; :meth:`encode` refuses what it does not know.
        """

    @abstractmethod
    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Targets by name, each indexed by row: numpy arrays, or lists where rows are ragged.

        Raises:
            LabelError: a label that was not seen in training.
        """

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Width of the model's output vector."""

    @property
    def info(self) -> Mapping[str, Any]:
        """JSON-able facts a direct backbone is built from (names of classes, ...)."""
        return {"output_dim": self.output_dim}

    def loss(
        self, logits: torch.Tensor, targets: Mapping[str, Any], weight: torch.Tensor | None
    ) -> torch.Tensor:
        """Scalar loss. ``logits`` [B, output_dim]; ``weight`` [B] or None.

        Unless overridden: the mean over the rows of ``criterion`` times ``weight``.

        Raises:
            TrainingError: there is no criterion.
        """
        if self.criterion is None:
            raise TrainingError(
                f"{type(self).__name__} has neither a loss of its own nor a criterion",
                value=self.label,
                remedy="override loss(), or give the TaskSpec losses and a default_loss",
            )
        losses = self.criterion(logits, targets)
        return (losses if weight is None else losses * weight).mean()

    @abstractmethod
    def decode(self, outputs: Mapping[str, Any], meta: Mapping[str, Any]) -> Decoded:
        """Answers from the model's outputs (numpy, rows in order): ``outputs["logits"]`` [N, D]."""

    @abstractmethod
    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """The true counterpart of ``Decoded.views[needs]``, for metrics."""

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame | None:
        """The labels of these targets, written as ``Decoded.answer`` is.

        A metric that is a user's function is given both, so that equal labels are equal there.
        Unless overridden: None, the label columns as they were given.
        """
        return None

    def strata(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """Class of each row, for a stratified hold-out; None: split at random."""
        return None

    def essential(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """bool [N], rows that are not held out, such as the only one with a label; None: none."""
        return None

    def calibrate(  # noqa: B027, nothing is to be done by default
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        """Set right how outputs are decoded (temperature, thresholds), on the validation rows.

        Called once after training, with the final weights; what is learned goes into
        :meth:`state`. Unless overridden: nothing is done.

        Args:
            outputs: of the validation rows, as in :meth:`decode`.
            meta: as in :meth:`decode`.
            targets: of these rows, as :meth:`encode` gave them.
            score: of what :meth:`decode` gives for these rows by ``data.eval_metric``; greater is
                better. Raises MetricError where the metric is not defined on them. Anything else
                that it raises ends the calibration early (time limit, Ctrl-C): let it pass, and
                leave what was not found yet as it was.
        """

    @abstractmethod
    def state(self) -> State:
        """What :meth:`from_state` needs."""

    @classmethod
    @abstractmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was after :meth:`learn`."""


class Metric(Protocol):
    """A score over any number of updates (torchmetrics' shape)."""

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows."""

    def compute(self) -> float:
        """The score of all rows taken in."""

    def reset(self) -> None:
        """Forget all rows."""
