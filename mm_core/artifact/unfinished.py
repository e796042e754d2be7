"""A fit that has not ended: its recipe, the hash of its rows and the model that it started from,
beside the trainer's state.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mm_core.api.errors import ArtifactError, DataError
from mm_core.api.processors import Table
from mm_core.artifact.cells import comparable
from mm_core.artifact.manifest import FILE, FIT, UNFINISHED
from mm_core.recipe.recipe import Recipe

START = "start"
"""Folder of the model that is trained further, as it was when the fit began."""


class Unfinished(BaseModel):
    """What a fit does, written down before it begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    rows: dict[str, str] = Field(description="'train' and 'tuning' -> sha256 of their cells")
    further: bool = Field(description="whether a model is trained further: the one in start/")

    @classmethod
    def begin(
        cls,
        path: Path,
        recipe: Recipe,
        train: Table,
        tuning: Table | None,
        save_start: Callable[[Path], object] | None,
    ) -> None:
        """Make the folder for the state of a new fit; what an older one left there is gone.

        Args:
            path: the folder that the fit saves to.
            recipe: of the fit.
            train: its rows.
            tuning: its validation rows, where they are given.
            save_start: saves the model that is trained further to a folder; None: there is none.

        Raises:
            ArtifactError: it cannot be written; nothing of it is left.
        """
        folder = path / UNFINISHED
        try:
            cls._begin(folder, recipe, _hashes(train, tuning), save_start)
        except (OSError, ArtifactError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ArtifactError(
                f"the state of a fit cannot be kept in {str(folder)!r}: {error}",
                value=str(folder),
                remedy="make room there, or set predictor.path (--out) to another folder; to "
                "None, and the fit cannot be resumed",
            ) from error

    @classmethod
    def _begin(
        cls,
        folder: Path,
        recipe: Recipe,
        rows: dict[str, str],
        save_start: Callable[[Path], object] | None,
    ) -> None:
        (folder / FIT).unlink(missing_ok=True)  # first: it says that the rest is there
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if save_start is not None:
            save_start(folder / START)
        record = cls(recipe=recipe, rows=rows, further=save_start is not None)
        fresh = folder / f"{FIT}.new"
        fresh.write_text(record.model_dump_json(indent=2, by_alias=True), encoding="utf-8")
        os.replace(fresh, folder / FIT)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What stands under the folder that a killed fit was to save to.

        Raises:
            ArtifactError: nothing that could be taken up.
        """
        file = path / UNFINISHED / FIT
        try:
            found = cls.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"{str(path)!r} holds no fit that was cut off ({type(error).__name__})",
                value=str(path),
                remedy="leave resume out to load a finished model; without one, fit anew",
            ) from None
        start = path / UNFINISHED / START
        if found.further and not (start / FILE).is_file():
            raise ArtifactError(
                f"the model that the fit started from is missing: {str(start)!r}",
                value=str(start),
                remedy="fit anew",
            )
        return found

    def check_start(self, recipe: Recipe) -> None:
        """Refuse a model that cannot be the one that the fit started from.

        Args:
            recipe: the model's.

        Raises:
            ArtifactError: it is another, or the record was altered.
        """
        may_differ = {"training", "data", "origins"}
        if self.recipe.model_dump(exclude=may_differ) != recipe.model_dump(exclude=may_differ):
            raise ArtifactError(
                f"the recipe in {UNFINISHED}/{FIT} is not of the model in {UNFINISHED}/{START}",
                value=FIT,
                remedy="do not use it: it was altered; fit anew",
            )

    def check_rows(self, train: Table, tuning: Table | None) -> None:
        """Refuse other rows than those of the fit that was cut off.

        Raises:
            DataError: they differ.
        """
        for name, found in _hashes(train, tuning).items():
            if self.rows.get(name) != found:
                raise DataError(
                    f"the {'training' if name == 'train' else 'tuning'} rows are not those of the "
                    "fit that was cut off",
                    remedy="give the same rows in the same order, or fit a new predictor",
                )


def _hashes(train: Table, tuning: Table | None) -> dict[str, str]:
    return {"train": _hash(train.frame), "tuning": "" if tuning is None else _hash(tuning.frame)}


def _hash(frame: pd.DataFrame) -> str:
    """sha256 of names, types and cells."""
    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(f"{name}\0{column.dtype}\0".encode())
        rows = pd.util.hash_pandas_object(comparable(column), index=False)
        digest.update(rows.to_numpy().tobytes())
    return digest.hexdigest()
