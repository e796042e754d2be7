"""Pairs of ids: what the ids mean stands in tables of its own. Light but for what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import ColumnError, DataError, Table

if TYPE_CHECKING:
    import pandas as pd

_MOST_BYTES = 2**16
"""A file that only names others is smaller than this."""


@dataclass(frozen=True)
class ById:
    """Rows of ids, to be given wherever rows are: ``fit(ById(pairs, {"asked": questions}))``.

    A column of ids becomes what its table says of each; a table of several columns stands beside
    the others under the names that it has.

    Args:
        rows: pairs, whatever the core reads as rows: ids, a label.
        tables: column of ids -> what they mean: a Series by id, a dict, or rows whose first column
            holds the ids (a DataFrame with an index of its own: the index).
        candidates: columns of ids whose tables are of interest as a whole: what no pair names gets
            a row of its own, with nothing beside it, so that ``evaluate`` ranks it too.
    """

    rows: Any
    tables: Mapping[str, Any]
    candidates: tuple[str, ...] = ()


def claims(data: Any) -> bool:
    """A :class:`ById`, or a small .json that has ``rows`` and ``tables``."""
    if isinstance(data, ById):
        return True
    if not isinstance(data, str | Path) or Path(data).suffix.lower() != ".json":
        return False
    try:
        if Path(data).stat().st_size > _MOST_BYTES:
            return False
        said = json.loads(Path(data).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and "rows" in said and isinstance(said.get("tables"), dict)


def read(data: Any) -> Table:
    """Rows with what the ids mean in their place.

    Raises:
        DataError: an id that a table does not have, or has twice; tables of files in several
            folders; a .json that says something else.
        ColumnError: a column of ids that is not there, or a name that two tables give.
    """
    import pandas as pd

    given = data if isinstance(data, ById) else _of_file(Path(data))
    rows, folder = _frame(given.rows)
    folders = {_folder_of(one) for one in given.tables.values()}
    if len(folders) > 1:
        raise DataError(
            f"the tables lie in {len(folders)} folders: where do relative paths in them start?",
            value=sorted(map(str, folders)),
            remedy="keep them in one folder, or read them first: pandas.read_csv",
        )
    if not given.tables:
        raise DataError(
            "there are no tables of what ids mean", remedy="ById(rows, {'COLUMN': table})"
        )
    tables = {name: _table(name, one) for name, one in given.tables.items()}
    _check_names(rows, tables, given.candidates)
    parts = [
        _looked_up(name, rows[name], tables[name]) if name in tables else rows[[name]]
        for name in rows.columns
    ]
    found = pd.concat(parts, axis=1)
    more = [_unnamed(name, rows[name], tables[name]) for name in given.candidates]
    return Table(pd.concat([found, *more]) if more else found, folders.pop() or folder)


def _of_file(path: Path) -> ById:
    said = json.loads(path.read_text(encoding="utf-8"))
    odd = said.keys() - {"rows", "tables", "candidates"}
    files = [said["rows"], *said["tables"].values()]
    if odd or not all(isinstance(one, str) for one in files):
        raise DataError(
            f"{path.name} is no list of tables" + (f": {sorted(odd)[0]!r}" if odd else ""),
            value=str(path),
            remedy='{"rows": "pairs.csv", "tables": {"COLUMN": "items.csv"}, "candidates": []}',
        )
    tables = {name: path.parent / one for name, one in said["tables"].items()}
    return ById(path.parent / said["rows"], tables, tuple(said.get("candidates", ())))


def _frame(data: Any) -> tuple[pd.DataFrame, Path]:
    from mm_core.api.tools import installed, read_rows

    read = read_rows(data, installed())
    return read.table.frame.set_axis(read.index, axis=0), read.table.folder


def _folder_of(data: Any) -> Path | None:
    """Of a file; None: it is in memory."""
    return Path(data).parent if isinstance(data, str | Path) else None


def _table(name: str, data: Any) -> pd.DataFrame:
    """By id; a single column is named after the column of ids.

    Raises:
        DataError: an id stands there twice, or there is nothing but ids.
    """
    import pandas as pd

    if isinstance(data, Mapping) and not any(isinstance(one, list) for one in data.values()):
        data = pd.Series(dict(data), dtype=object)
    if isinstance(data, pd.Series):
        found = data.to_frame()
    else:
        found, _ = _frame(data)
        if not isinstance(data, pd.DataFrame) or _is_default(data.index):
            found = found.set_index(found.columns[0])
    if found.shape[1] == 0:
        raise DataError(
            f"the table of {name!r} has nothing but ids",
            column=name,
            remedy="give it a column of texts, or paths of pictures",
        )
    if found.shape[1] == 1:
        found.columns = pd.Index([name])
    twice = found.index[found.index.duplicated()]
    if len(twice):
        raise DataError(
            f"the id {twice[0]!r} stands twice in the table of {name!r}",
            column=name,
            value=twice[0],
            remedy="give each its own",
        )
    return found


def _is_default(index: pd.Index) -> bool:
    """Whether nobody gave the frame an index: a name or other numbers say that it holds ids."""
    import pandas as pd

    return isinstance(index, pd.RangeIndex) and index.name is None and index.start == 0


def _check_names(
    rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], candidates: tuple[str, ...]
) -> None:
    for name in tables:
        if name not in rows:
            raise ColumnError(
                f"there is no column {name!r} of ids",
                column=name,
                remedy=f"columns: {', '.join(map(str, rows.columns))}",
            )
    for name in candidates:
        if name not in tables:
            raise ColumnError(
                f"candidates names {name!r}, which has no table",
                column=name,
                remedy=f"tables: {', '.join(tables)}",
            )
    given = [str(one) for one in rows.columns if one not in tables]
    given += [str(one) for table in tables.values() for one in table.columns]
    twice = sorted({one for one in given if given.count(one) > 1})
    if twice:
        raise ColumnError(
            f"two tables have a column {twice[0]!r}",
            column=twice[0],
            remedy="rename one of them, and name it in query= or response=",
        )


def _looked_up(name: str, ids: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    """What each id means; nothing where there is no id.

    Raises:
        DataError: an id that the table does not have.
    """
    import numpy as np

    places = table.index.get_indexer(ids)
    unknown = np.flatnonzero((places < 0) & ids.notna().to_numpy())
    if len(unknown):
        value = ids.iloc[[unknown[0]]].tolist()[0]
        raise DataError(
            f"the table of {name!r} has no id {value!r}"
            + (f", nor {len(unknown) - 1} more" if len(unknown) > 1 else ""),
            column=name,
            rows=unknown.tolist(),
            value=value,
            remedy=f"it has ids such as {table.index[:1].tolist()[0]!r}: a number and a text are "
            "not the same",
        )
    found = table.iloc[places].set_axis(ids.index, axis=0)
    return found.where(ids.notna().to_numpy()[:, None], None) if ids.isna().any() else found


def _unnamed(name: str, ids: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    """What no pair names, by labels that no row has."""
    rest = table[~table.index.isin(ids)]
    return rest.set_axis([f"{name}={one}" for one in rest.index], axis=0)
