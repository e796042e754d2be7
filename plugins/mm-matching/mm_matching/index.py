"""``Index``: vectors of items, with their ids and columns, on disk without code or pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import ArtifactError, ColumnError, ConfigError, DataError, suggest
from mm_core.api.tools import Model
from mm_matching.nearest import nearest

FORMAT = 1
HEAD, VECTORS, COLUMNS = "index.json", "vectors.npy", "columns.parquet"
ID = "id"

Filter = Mapping[str, Any] | Callable[[pd.DataFrame], Any]


@dataclass
class Index:
    """What can be found.

    Attributes:
        vectors: float32 [N, D], of length 1.
        ids: of the items, each once.
        columns: what is kept of them, shown beside what is found, and filtered by; N rows.
        side: whose vectors they are.
        model: fingerprint of the network that gave them.
        links: faiss's graph over the vectors; None: all are compared.
    """

    vectors: np.ndarray
    ids: pd.Index
    columns: pd.DataFrame
    side: str
    model: str
    links: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        kept = f", keeps {', '.join(map(str, self.columns))}" if len(self.columns.columns) else ""
        kind = "exact" if self.links is None else "faiss"
        width = self.vectors.shape[1]
        return f"<Index of {len(self)} items of width {width}, side {self.side}, {kind}{kept}>"

    def __post_init__(self) -> None:
        check_ids(self.ids)

    def add(self, vectors: np.ndarray, ids: pd.Index, columns: pd.DataFrame) -> None:
        """Take in more items.

        Raises:
            DataError: an id is there already.
        """
        check_ids(self.ids.append(ids))
        self.vectors = np.concatenate([self.vectors, vectors])
        self.ids = self.ids.append(ids)
        kept = columns.reindex(columns=self.columns.columns)
        self.columns = pd.concat([self.columns, kept], ignore_index=True)
        if self.links is not None:
            self.links.add(np.ascontiguousarray(vectors))

    def delete(self, ids: Iterable[Hashable]) -> None:
        """Forget items.

        Raises:
            DataError: an id is not there.
        """
        gone = pd.Index(list(ids))
        unknown = gone[~gone.isin(self.ids)]
        if len(unknown):
            near = suggest(str(unknown[0]), [str(one) for one in self.ids[:1000]])
            raise DataError(
                f"there is no item {unknown[0]!r} in the index",
                value=unknown[0],
                remedy=f"did you mean {near!r}?" if near else "index.ids has those that there are",
            )
        kept = ~self.ids.isin(gone)
        self.vectors, self.ids = self.vectors[kept], self.ids[kept]
        self.columns = self.columns[kept].reset_index(drop=True)
        if self.links is not None:
            from mm_matching.faiss_links import linked

            self.links = linked(self.vectors)

    def nearest(
        self, queries: np.ndarray, top_k: int, where: Filter | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places and cosines, [Q, k] each, of the nearest items that pass the filter."""
        if where is None:
            if self.links is not None:
                from mm_matching.faiss_links import followed

                found = followed(self.links, queries, top_k)
                return found[0], found[1]
            return nearest(queries, self.vectors, top_k)
        some = np.flatnonzero(passing(self.columns, where))
        places, cosines = nearest(queries, self.vectors[some], top_k)
        return some[places], cosines

    # ---- on disk

    def save(self, path: str | Path) -> Path:
        """Write it to a folder, which is new, or holds an index that is replaced.

        Raises:
            ArtifactError: the folder holds something else.
        """
        folder = Path(path)
        if folder.exists() and (not folder.is_dir() or _strangers(folder)):
            raise ArtifactError(
                f"{str(folder)!r} is there and is no index",
                value=str(folder),
                remedy="choose another folder",
            )
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / VECTORS, self.vectors, allow_pickle=False)
        table = self.columns.copy()
        table.insert(0, _free(ID, self.columns), self.ids)
        table.to_parquet(folder / COLUMNS, index=False)
        head = {
            "format": FORMAT,
            "side": self.side,
            "model": self.model,
            "items": len(self),
            "width": int(self.vectors.shape[1]),
            "faiss": self.links is not None,
            "sha256": {name: _sha256(folder / name) for name in (VECTORS, COLUMNS)},
        }
        (folder / HEAD).write_text(json.dumps(head, indent=2), encoding="utf-8")
        return folder

    @classmethod
    def read(cls, path: str | Path, model: str) -> Self:
        """The index of a folder. Nothing in it is executed.

        Args:
            path: of the folder.
            model: fingerprint of the model that is to search it.

        Raises:
            ArtifactError: it is none, or damaged, or of another model.
        """
        folder = Path(path)
        head = _head(folder)
        if head["model"] != model:
            raise ArtifactError(
                f"the index {str(folder)!r} was built with another model: its vectors mean "
                "something else",
                value=str(folder),
                remedy="load the model that it was built with, or build it anew: "
                "mm index MODEL ITEMS --out INDEX",
            )
        for name, wanted in head["sha256"].items():
            if not (folder / name).is_file() or _sha256(folder / name) != wanted:
                raise ArtifactError(
                    f"{name} of the index {str(folder)!r} is missing or was changed",
                    value=name,
                    remedy="build it anew",
                )
        vectors = np.load(folder / VECTORS, allow_pickle=False)
        table = pd.read_parquet(folder / COLUMNS)
        links = None
        if head["faiss"]:
            from mm_matching.faiss_links import linked

            links = linked(vectors)
        return cls(
            vectors, pd.Index(table.iloc[:, 0]), table.iloc[:, 1:], head["side"], model, links
        )


def check_ids(ids: pd.Index) -> None:
    """Refuse ids that stand there twice, or are missing.

    Raises:
        DataError: names the first.
    """
    if ids.hasnans:
        raise DataError("an item has no id", remedy="give each its own")
    twice = ids[ids.duplicated()]
    if len(twice):
        rows = [int(row) for row in np.flatnonzero(ids == twice[0])]
        raise DataError(
            f"the id {twice[0]!r} stands there twice",
            rows=rows,
            value=twice[0],
            remedy="give each item an id of its own: ids='COLUMN'; or drop the doubles",
        )


def passing(columns: pd.DataFrame, where: Filter) -> np.ndarray:
    """bool [N]: which items pass.

    Args:
        columns: of the items.
        where: column -> the value, or several; or a function of the frame.

    Raises:
        ColumnError: a column that the index does not keep.
        ConfigError: the function gives something else.
    """
    if callable(where):
        found = np.asarray(where(columns))
        if found.dtype != bool or found.shape != (len(columns),):
            raise ConfigError(
                "the filter gives no True or False for each item",
                value=str(found.dtype),
                remedy="filter=lambda frame: frame['price'] < 10",
            )
        return found
    passes = np.ones(len(columns), dtype=bool)
    for name, wanted in where.items():
        if name not in columns:
            near = suggest(name, list(map(str, columns.columns)))
            raise ColumnError(
                f"the index keeps no column {name!r}",
                column=name,
                remedy=f"did you mean {near!r}?" if near else "build it with keep=[...]",
            )
        several = isinstance(wanted, Sequence | set | np.ndarray) and not isinstance(wanted, str)
        passes &= columns[name].isin(list(wanted) if several else [wanted]).to_numpy()
    return passes


def fingerprint(model: Model) -> str:
    """Of all that the vectors of a model depend on: weights, and how cells are read."""
    digest = hashlib.sha256()
    for name, value in sorted(model.topology.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy()).data)
    infos = {name: dict(one.info) for name, one in model.processors.items()}
    digest.update(json.dumps(infos, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _head(folder: Path) -> dict[str, Any]:
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{str(folder)!r} is no index: {HEAD} cannot be read",
            value=str(folder),
            remedy="write one: mm index MODEL ITEMS --out INDEX",
        ) from error
    wanted = {"format", "side", "model", "items", "width", "faiss", "sha256"}
    if not isinstance(head, dict) or not wanted <= set(head) or head["format"] != FORMAT:
        raise ArtifactError(
            f"{str(folder)!r} is no index of format {FORMAT}",
            value=str(folder),
            remedy="build it anew, or install a newer mm-matching",
        )
    return head


def _strangers(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()} - {HEAD, VECTORS, COLUMNS}


def _free(name: str, frame: pd.DataFrame) -> str:
    while name in frame:
        name = f"_{name}"
    return name


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
