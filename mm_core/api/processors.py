"""Cells -> arrays: the contract of processors. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mm_core.api.errors import BadCell

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mm_core.api.checkpoints import Checkpoint


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


@dataclass(frozen=True)
class Unlike:
    """How many cells of a column are read, but are unlike any that training saw.

    A processor that can tell reports each column that it watches, also where ``count`` is 0: the
    core adds up what the parts of a large table give, and warns once a call of those columns in
    which ``count`` is far more than was to be expected.

    Attributes:
        column: its name.
        what: of these cells, after a verb: ``"hold categories that training did not see"``.
        count: cells that are so.
        cells: cells that are there, these included.
        expected: share of such cells in new rows that are like those of training, 0..1.
        examples: texts of a few of them.
        hint: a clause on what they may have been meant to be, or empty.
    """

    column: str
    what: str
    count: int
    cells: int
    expected: float = 0.0
    examples: tuple[str, ...] = ()
    hint: str = ""


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
        unlike: how many cells are unlike those of training, by column, from processors that can
            tell at no cost; the core warns of what strikes.
    """

    arrays: dict[str, Any]
    present: np.ndarray
    lengths: np.ndarray | None = None
    bad: list[BadCell] = field(default_factory=list)
    unlike: list[Unlike] = field(default_factory=list)


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

    Attributes:
        needs: features that the task needs of backbones (``TaskSpec.needs``); set by the core
            before anything is encoded. For ``meta`` that only some tasks decode with: where
            ``"tokens"`` are needed, a text says where in it each of them stands.
    """

    needs: tuple[str, ...] = ()

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

        It changes nothing in the processor: other processes call it in training, and several
        threads at once where an engine leaves the CPU to it.

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
