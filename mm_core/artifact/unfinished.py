"""A fit that has not ended: its recipe and the hash of its rows, beside the trainer's state."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mm_core.api.contracts import Table
from mm_core.api.errors import ArtifactError, DataError
from mm_core.artifact.cells import comparable
from mm_core.artifact.manifest import UNFINISHED
from mm_core.recipe.recipe import Recipe

FILE = "fit.json"


class Unfinished(BaseModel):
    """What a fit does, written down before it begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    rows: dict[str, str] = Field(description="'train' and 'tuning' -> sha256 of their cells")
    further: bool = Field(description="whether the model that stands beside it is trained further")

    @classmethod
    def begin(
        cls, path: Path, recipe: Recipe, train: Table, tuning: Table | None, *, further: bool
    ) -> None:
        """Make the folder for the state of a new fit; what an older one left there is gone."""
        folder = path / UNFINISHED
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        record = cls(recipe=recipe, rows=_hashes(train, tuning), further=further)
        text = record.model_dump_json(indent=2, by_alias=True)
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What stands under the folder that a killed fit was to save to.

        Raises:
            ArtifactError: nothing that could be taken up.
        """
        file = path / UNFINISHED / FILE
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"{str(path)!r} holds no fit that was cut off ({type(error).__name__})",
                value=str(path),
                remedy="leave resume out to load a finished model; without one, fit anew",
            ) from None

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
