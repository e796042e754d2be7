"""Labels written as columns of 0 and 1, or False and True."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from mm_core.api.errors import LabelError
from mm_core.builtin.tasks.labels import shown


class Indicators:
    """A column for each label.

    Attributes:
        names: the columns.
        dtypes: of the columns, by the names that pandas gives them.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.dtypes: tuple[str, ...] = ()

    def column_of(self, position: int) -> str:
        """The column that holds the label at this position."""
        return self.names[position]

    def filled(self, targets: pd.DataFrame) -> pd.DataFrame:
        """With 0 where a cell is missing."""
        return targets.apply(_filled)

    def learn(self, targets: pd.DataFrame) -> None:
        """Remember columns and dtypes.

        Raises:
            LabelError: a cell is neither 0 nor 1, or there are no rows.
        """
        if targets.empty:
            raise LabelError("there are no rows with labels", remedy="give some rows")
        self.encode(targets)
        self.names = tuple(map(str, targets.columns))
        self.dtypes = tuple(_dtype(targets[name]) for name in targets.columns)

    def extend(self, targets: pd.DataFrame) -> None:
        """The columns stay what they are."""

    def encode(self, targets: pd.DataFrame) -> np.ndarray:
        """int8 [N, L].

        Raises:
            LabelError: a cell is neither 0 nor 1.
        """
        columns = [_indicator(targets[name]) for name in targets.columns]
        return np.stack(columns, axis=1)

    def decode(self, labels: np.ndarray) -> pd.DataFrame:
        """The columns, in their dtypes, from int8 [N, L]."""
        return pd.DataFrame(
            {
                name: pd.Series(labels[:, position]).astype(dtype)  # type: ignore[call-overload]
                for position, (name, dtype) in enumerate(zip(self.names, self.dtypes, strict=True))
            }
        )

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"names": list(self.names), "dtypes": list(self.dtypes)}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was after :meth:`learn`.

        Raises:
            ValueError: it is no such state.
        """
        self.names, self.dtypes = tuple(state["names"]), tuple(state["dtypes"])
        for dtype in self.dtypes:
            found = pd.api.types.pandas_dtype(dtype)
            if not (types.is_bool_dtype(found) or types.is_numeric_dtype(found)):
                raise ValueError(f"{dtype!r} holds no 0 and 1")
        if len(self.names) != len(self.dtypes):
            raise ValueError(f"{len(self.names)} names and {len(self.dtypes)} dtypes")


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column.infer_objects()


def _dtype(column: pd.Series[Any]) -> str:
    found = _plain(column).dtype
    return str(found) if found.kind in "biuf" else "int64"


def _filled(column: pd.Series[Any]) -> pd.Series[Any]:
    """With 0 where missing; what can hold missing cells (Int64, boolean) keeps its dtype."""
    none = False if types.is_bool_dtype(column.dropna().infer_objects()) else 0
    if types.is_extension_array_dtype(column.dtype) and types.is_numeric_dtype(column.dtype):
        return column.fillna(none)
    return column.astype(object).where(column.notna(), none).infer_objects()


def _indicator(column: pd.Series[Any]) -> np.ndarray:
    """int8 [N] of a column without missing cells."""
    plain = _plain(column)
    there = plain.isin([0, 1]).to_numpy(dtype=bool) if plain.dtype.kind in "biufO" else None
    bad = np.arange(len(column)) if there is None else np.flatnonzero(~there)
    if len(bad):
        raise LabelError(
            f"label {column.name!r} is neither 0 nor 1 in {len(bad)} row(s): {shown(bad)}",
            column=str(column.name),
            rows=bad.tolist(),
            value=column.iloc[int(bad[0])],
            remedy="of several label columns each says yes (1, True) or no (0, False); one column "
            "of classes is a label of its own",
        )
    return plain.to_numpy(dtype=np.int8)
