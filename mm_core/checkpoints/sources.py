"""Where the core looks for weights of any format: folders, the hub's cache, packages, the hub.

The hub's client (``huggingface_hub``) comes with plugins that need it; it is imported when asked.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mm_core.api.checkpoints import Checkpoint, CheckpointFormat, CheckpointMiss, WeightPackage
from mm_core.api.errors import CheckpointError

HUB_SECONDS = 3.0
"""How long the hub may take to answer whether it has a checkpoint."""

_NO_CLIENT = CheckpointMiss(
    reason="huggingface_hub is not installed",
    remedy="pip install huggingface_hub",
    unreachable=True,
)


def folder(name: str, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """A folder or file on this machine."""
    try:
        path = Path(os.path.abspath(Path(name).expanduser()))
        there = bool(name.strip()) and path.exists()
    except (OSError, RuntimeError, ValueError):  # a name too long, of nobody's home, with a NUL
        there = False
    if not there:
        return CheckpointMiss(reason="there is no folder or file of this name")
    return format.checkpoint(path, name, "folder" if path.is_dir() else "file")


def hf_cache(name: str, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """What an earlier download left in the Hugging Face cache; asks no network."""
    try:
        from huggingface_hub import constants
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
    except ImportError:
        return _NO_CLIENT
    repository = format.repository(name)
    if isinstance(repository, CheckpointMiss):
        return repository
    try:
        validate_repo_id(repository)
    except HFValidationError:
        return CheckpointMiss(reason="this is not a hub name")
    root = Path(constants.HF_HUB_CACHE, "models--" + repository.replace("/", "--"))
    branch = root / "refs" / "main"
    commit = branch.read_text(encoding="utf-8").strip() if branch.is_file() else ""
    snapshot = root / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        return CheckpointMiss(reason="not in the local Hugging Face cache")
    found = format.checkpoint(snapshot, name, "Hugging Face cache", revision=commit)
    if isinstance(found, CheckpointMiss):
        reason = f"not complete in the local Hugging Face cache: {found.reason}"
        return found.model_copy(update={"reason": reason})
    return found


def weight_package(name: str, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """An installed distribution that carries weights; it is not imported."""
    packages = format.spec.packages
    if not packages:
        return CheckpointMiss(reason=f"no weight package has {format.name} weights")
    for package in packages:
        if name in (package.distribution, *package.names):
            return _in_package(package, name, format)
    known = ", ".join(package.distribution for package in packages)
    return CheckpointMiss(reason=f"no weight package has {name!r}; known are {known}")


def _in_package(
    package: WeightPackage, name: str, format: CheckpointFormat
) -> Checkpoint | CheckpointMiss:
    distribution = package.distribution
    install = package.remedy or f"pip install {distribution}"
    spec = importlib.util.find_spec(package.module or distribution.replace("-", "_"))
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        return CheckpointMiss(
            reason=f"the weight package {distribution} is not installed", remedy=install
        )
    again = f"pip install --force-reinstall {distribution}"
    paths = [
        path
        for place in map(Path, places)
        for path in (sorted(place.glob(package.path)) if package.path else [place])
    ]
    if not paths:
        return CheckpointMiss(
            reason=f"the weight package {distribution} has no {package.path}", remedy=again
        )
    version = importlib.metadata.version(distribution)
    source = f"weight package {distribution} {version}"
    found = format.checkpoint(paths[0], name, source, told=package.told, revision=version)
    if isinstance(found, CheckpointMiss):
        reason = f"the weight package {distribution} is damaged: {found.reason}"
        return CheckpointMiss(reason=reason, remedy=again)
    return found


def hf_hub(name: str, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """The Hugging Face hub: one question, :data:`HUB_SECONDS` of patience, no download."""
    try:
        from huggingface_hub import HfApi, errors
    except ImportError:
        return _NO_CLIENT
    repository = format.repository(name)
    if isinstance(repository, CheckpointMiss):
        return repository
    try:
        found = HfApi().model_info(repository, timeout=HUB_SECONDS)
    except errors.HFValidationError:
        return CheckpointMiss(reason="this is not a hub name")
    except errors.OfflineModeIsEnabled:
        return CheckpointMiss(
            reason="HF_HUB_OFFLINE is set", remedy="unset HF_HUB_OFFLINE", unreachable=True
        )
    except errors.GatedRepoError:
        return CheckpointMiss(
            reason="the hub asks for a login", remedy="accept its terms, then: hf auth login"
        )
    except errors.RepositoryNotFoundError:
        return CheckpointMiss(reason="the hub knows no such model")
    except errors.HfHubHTTPError as error:
        return CheckpointMiss(reason=f"the hub answered: {_first_line(error)}", unreachable=True)
    except _network_errors() as error:
        return CheckpointMiss(
            reason=f"the hub cannot be reached: {_first_line(error)}",
            remedy="connect to the network, or name a folder or a weight package as checkpoint",
            unreachable=True,
        )
    there = [file.rfilename for file in found.siblings or ()]
    needed = format.files(name, there)
    if isinstance(needed, CheckpointMiss):
        return needed
    return Checkpoint(
        name=name,
        source="Hugging Face hub",
        format=format.name,
        location=repository,
        local=False,
        revision=found.sha,
        details={"files": _matching(there, needed)},
    )


def from_hub(checkpoint: Checkpoint, format: CheckpointFormat) -> Checkpoint | CheckpointMiss:
    """Download what :func:`hf_hub` found into the Hugging Face cache.

    Raises:
        CheckpointError: the download failed.
    """
    from huggingface_hub import snapshot_download

    try:
        # The name of the branch, not of the commit: only so the cache is found again by name.
        snapshot = snapshot_download(
            checkpoint.location, allow_patterns=list(checkpoint.details["files"])
        )
    except _network_errors() as error:
        raise CheckpointError(
            f"the download of {checkpoint.name!r} failed: {_first_line(error)}",
            plugin="core:hf_hub",
            value=checkpoint.name,
            remedy="try again, or name a folder or a weight package as checkpoint",
        ) from error
    path = Path(snapshot)
    return format.checkpoint(path, checkpoint.name, checkpoint.source, revision=path.name)


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _network_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises: OSErrors, and those of the library it talks through."""
    from huggingface_hub import errors

    own: Any = getattr(errors, "HTTPError", OSError)
    return OSError, own


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
