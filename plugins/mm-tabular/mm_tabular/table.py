"""``tabular:table``: all numbers, dates, categories and booleans of a frame as three arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import (
    BadCell,
    Checkpoint,
    ConfigError,
    Encoded,
    Field,
    InputBatch,
    Processor,
    State,
    Table,
    Unlike,
)
from mm_tabular.cells import BoolArray, CodeArray, FloatArray, is_plain, read_matrix
from mm_tabular.columns import (
    CATEGORICAL,
    MISSING,
    NUMERICAL,
    UNSEEN,
    CategoricalColumn,
    NumberColumn,
    NumericalColumn,
)
from mm_tabular.configs import TableConfig
from mm_tabular.scaling import SCALERS, Scaler
from mm_tabular.unlike import Ranges


class TableProcessor(Processor):
    """Encodes a whole frame at once; a batch is a selection of rows.

    Arrays, indexed by row:
        ``numerical``: float32 [N, n_numerical], scaled; 0 where missing.
        ``missing``: bool [N, n_numerical].
        ``categorical``: int64 [N, n_categorical]; 0 missing, 1 unseen, 2... categories.

    Numbers and dates come first in ``info["numerical_features"]`` (a date gives several), in the
    order of the fields; categories and booleans in ``info["categorical_features"]``.

    Raises:
        ConfigError: a field is of a kind that is none of the table's.
    """

    config: TableConfig

    _numerical: tuple[NumericalColumn, ...] = ()
    _categorical: tuple[CategoricalColumn, ...] = ()
    _ranges: Ranges
    _scaler: Scaler

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        known = (*NUMERICAL, *CATEGORICAL)
        for field in self.fields:
            if field.kind not in known:
                raise ConfigError(
                    f"column {field.column!r} is of kind {field.kind!r}, which a table cannot read",
                    plugin="tabular:table",
                    column=field.column,
                    value=field.kind,
                    remedy=f"kinds are {', '.join(known)}: "
                    f"column_types={{{field.column!r}: 'categorical'}} (--column-type COLUMN=KIND)",
                )

    def fit(self, table: Table) -> None:
        """Learn categories, date formats and scaling from training rows."""
        frame = table.frame
        self._numerical = tuple(
            NUMERICAL[f.kind].fit(f.column, frame[f.column], self.config)
            for f in self.fields
            if f.kind in NUMERICAL
        )
        self._categorical = tuple(
            CATEGORICAL[f.kind].fit(f.column, frame[f.column], self.config)
            for f in self.fields
            if f.kind in CATEGORICAL
        )
        matrix, _ = self._measure(frame)
        self._ranges = Ranges.fit(self._number_places, matrix, self._dates)
        self._scaler = SCALERS[self.config.scaling].fit(matrix, self.config.n_quantiles)

    def encode(self, table: Table) -> Encoded:
        """Three arrays (see the class); cells that cannot be read are missing, and reported."""
        matrix, bad = self._measure(table.frame)
        codes, bad_codes, strange = self._code(table.frame)
        missing = np.isnan(matrix)
        scaled = np.where(missing, 0.0, self._scaler.transform(matrix)).astype(np.float32)
        return Encoded(
            arrays={"numerical": scaled, "missing": missing, "categorical": codes},
            present=(~missing).any(axis=1) | (codes != MISSING).any(axis=1),
            bad=[*bad, *bad_codes],
            unlike=[*self._ranges.strange(matrix, missing), *strange],
        )

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Rows by position; in training a share ``mask_rate`` of cells is hidden."""
        arrays = {name: array[rows] for name, array in encoded.arrays.items()}
        if augment is not None and self.config.mask_rate:
            arrays = _mask(arrays, augment, self.config.mask_rate)
        return InputBatch(arrays=arrays, present=encoded.present[rows], targets=targets)

    @property
    def info(self) -> Mapping[str, Any]:
        """Names of the features; of each categorical one the training rows of codes 2, 3, ..."""
        return {
            "numerical_features": [name for c in self._numerical for name in c.features],
            "categorical_features": [column.name for column in self._categorical],
            "category_counts": [list(column.counts) for column in self._categorical],
        }

    def state(self) -> State:
        """What each column learned, and the arrays of the scaling."""
        columns = [*self._numerical, *self._categorical]
        return State(
            values={
                "columns": {column.name: column.state() for column in columns},
                "ranges": self._ranges.state(),
            },
            arrays=dict(self._scaler.arrays),
        )

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again.

        Raises:
            KeyError, TypeError, ValueError: the state is none that :meth:`state` gives.
        """
        processor = cls(config, fields)
        learned = state.values["columns"]
        if set(learned) != {field.column for field in fields}:
            raise ValueError(f"columns are {sorted(learned)}, not those of the fields")
        processor._numerical = tuple(
            NUMERICAL[f.kind].from_state(f.column, learned[f.column])
            for f in fields
            if f.kind in NUMERICAL
        )
        processor._categorical = tuple(
            CATEGORICAL[f.kind].from_state(f.column, learned[f.column])
            for f in fields
            if f.kind in CATEGORICAL
        )
        ranges = state.values.get("ranges", {})
        processor._ranges = Ranges.from_state(processor._number_places, ranges, processor._dates)
        processor._scaler = SCALERS[config.scaling].from_state(
            state.arrays, sum(len(column.features) for column in processor._numerical)
        )
        return processor

    @property
    def _number_places(self) -> dict[str, int]:
        """Numbers, and days of dates, and where they stand in the matrix."""
        starts = np.cumsum([0, *(len(column.features) for column in self._numerical)]).tolist()
        pairs = zip(self._numerical, starts[:-1], strict=True)
        return {column.name: at for column, at in pairs}

    @property
    def _dates(self) -> frozenset[str]:
        return frozenset(c.name for c in self._numerical if not isinstance(c, NumberColumn))

    def _measure(self, frame: pd.DataFrame) -> tuple[FloatArray, list[BadCell]]:
        """Unscaled numerical features [N, n], NaN where missing."""
        dtypes = dict(zip(frame.columns, frame.dtypes, strict=True))
        ends = np.cumsum([len(column.features) for column in self._numerical], dtype=np.int64)
        matrix = np.empty((len(frame), int(ends[-1]) if len(ends) else 0))
        bad: list[BadCell] = []
        plain: dict[str, int] = {}  # read together: hundreds of columns cost what one does
        for column, end in zip(self._numerical, ends.tolist(), strict=True):
            if isinstance(column, NumberColumn) and is_plain(dtypes[column.name]):
                plain[column.name] = end - 1
                continue
            measured = column.encode(frame[column.name])
            matrix[:, end - len(column.features) : end] = measured.values
            bad.extend(_bad(frame, column.name, measured.bad, column.complaint))
        if plain:
            matrix[:, list(plain.values())] = read_matrix(frame[list(plain)])
        return matrix, bad

    def _code(self, frame: pd.DataFrame) -> tuple[CodeArray, list[BadCell], list[Unlike]]:
        """Category codes [N, n]; bad cells; how many are unlike those of training."""
        read = [(column, column.encode(frame[column.name])) for column in self._categorical]
        bad = [cell for c, m in read for cell in _bad(frame, c.name, m.bad, c.complaint)]
        codes = np.empty((len(frame), len(read)), dtype=np.int64)
        for index, (_, coded) in enumerate(read):
            codes[:, index] = coded.codes
        return codes, bad, [coded.unlike for _, coded in read if coded.unlike is not None]


def _bad(frame: pd.DataFrame, column: str, bad: BoolArray, reason: str) -> Iterator[BadCell]:
    for row in np.flatnonzero(bad).tolist():
        yield BadCell(row, column, repr(frame[column].iloc[row])[:80], reason)


def _mask(
    arrays: dict[str, np.ndarray], generator: np.random.Generator, rate: float
) -> dict[str, np.ndarray]:
    """Numbers become missing; categories missing or unseen, half and half."""
    hidden = generator.random(arrays["missing"].shape) < rate
    chance = generator.random(arrays["categorical"].shape)
    codes = np.where(chance < rate, UNSEEN, arrays["categorical"])
    codes = np.where(chance < rate / 2, MISSING, codes)
    return {
        "numerical": np.where(hidden, np.float32(0), arrays["numerical"]),
        "missing": arrays["missing"] | hidden,
        "categorical": codes,
    }
