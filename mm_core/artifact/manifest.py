"""``mm_model.json``: what a saved model consists of."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mm_core.api.errors import ArtifactError
from mm_core.artifact.formats import FORMAT_1_ENGINE, as_format_2
from mm_core.recipe.recipe import Recipe

FILE = "mm_model.json"
ENGINE = "engine"
"""Folder of what the engine wrote."""
LOG = "metrics.csv"
UNFINISHED = "unfinished"
"""Folder where a fit keeps its state until it ends."""
FIT = "fit.json"
"""In that folder: which fit it is."""


# These end up in lines that the user is told to type: nothing else may hide in them.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Distribution = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
Release = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!+_-]+$")]


class PluginRecord(BaseModel):
    """A plugin that a saved model needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    distribution: Distribution | None
    version: Release | None
    sha256: str | None = Field(default=None, description="of a one-file plugin")


class EngineRecord(BaseModel):
    """What answers: which runtime reads it back, and from what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="runtime id, 'plugin:name'")
    folder: str = Field(default=ENGINE, description="where its files are, inside the model")
    values: dict[str, Any] = Field(description="JSON that it wrote")


class Manifest(BaseModel):
    """Everything about a saved model but arrays and assets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    mm_core: Release = Field(description="version that wrote it")
    plugins: tuple[PluginRecord, ...]
    recipe: Recipe
    processors: dict[str, dict[str, Any]] = Field(description="input name -> JSON state")
    task: dict[str, Any] = Field(description="JSON state")
    engine: EngineRecord
    history: list[dict[str, float]]
    best_score: float | None
    known_rows: bool = Field(default=False, description="see mm_core.api.fitting.FitResult")
    files: dict[str, str] = Field(description="path inside the folder -> sha256")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check the manifest of a folder.

        Raises:
            ArtifactError: no manifest, another format, or a path that leaves the folder.
        """
        path = folder / FILE
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if (folder / UNFINISHED / FIT).is_file():
                raise ArtifactError(
                    f"{str(folder)!r} holds no model yet, but a fit that was cut off",
                    value=str(folder),
                    remedy="go on with it, given the same rows: "
                    f"mm fit DATA --resume --out {folder} (load(path, resume=True).fit(data))",
                ) from error
            raise ArtifactError(
                f"{str(folder)!r} is no saved model: cannot read {FILE} ({error})",
                value=str(folder),
                remedy="give the folder that save(), or mm fit --out, wrote",
            ) from error
        try:
            manifest = cls.model_validate_json(as_format_2(text))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ArtifactError(
                f"{FILE} is damaged or of another version: {key}: {first['msg']}",
                value=key,
                remedy="this version of mm reads formats 1 and 2",
            ) from None
        record = manifest.engine
        of_format_1 = record.id == FORMAT_1_ENGINE and not record.folder
        for name in (*manifest.files, *(() if of_format_1 else (record.folder,))):
            _check_inside(name)
        return manifest


def _check_inside(name: str) -> None:
    path = PurePosixPath(name)
    unsafe = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    if unsafe or not path.parts:
        raise ArtifactError(
            f"{FILE} names a file outside its folder: {name!r}",
            value=name,
            remedy="do not use this model: it was altered",
        )
