"""The form in which timm stores weights. timm is imported when something is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import CheckpointFormat, CheckpointMiss

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
_DATA_CONFIG = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


class TimmFormat(CheckpointFormat):
    """A folder with timm's ``config.json`` and weights, or a weight file beside ``config.json``.

    Details: ``weights`` (path of the file), ``ordered`` (its entries have other names, and stand in
    timm's order), ``architecture`` (timm's name), ``arguments`` (of the constructor),
    ``pretrained_cfg`` (timm's record of the weights), ``data_config`` (timm's resolved transform).

    A weight package may tell ``architecture`` and ``ordered``. Where neither it nor a
    ``config.json`` says what the weights are, the name does that they were asked for by.
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """The details, without reading the weights."""
        weights = _weights(path)
        if isinstance(weights, CheckpointMiss):
            return weights
        described = _describe(weights, name, told.get("architecture"))
        if isinstance(described, CheckpointMiss):
            return described
        return _details(weights, described, ordered=bool(told.get("ordered")))

    def repository(self, name: str) -> str | CheckpointMiss:
        """``owner/repository`` (with or without ``hf_hub:``), or that of timm's weights."""
        repository = name.removeprefix("hf_hub:").removeprefix("hf-hub:")
        if _is_repository(repository):
            return repository
        if "/" in repository:
            return CheckpointMiss(reason="not a hub name")
        import timm

        if not timm.is_model(name):
            return CheckpointMiss(
                reason="not a timm name", remedy="timm.list_pretrained('*...*') lists the names"
            )
        found: str = _registered(name).pretrained_cfg.get("hf_hub_id") or ""
        if not found:
            return CheckpointMiss(
                reason="timm has no weights of that name on the hub",
                remedy=f"timm.list_pretrained('{name.split('.')[0]}*') lists those it has",
            )
        return found

    def files(self, name: str, there: Sequence[str]) -> Sequence[str] | CheckpointMiss:
        """The first weights, safetensors before others, and what says how they are read."""
        weights = next((file for file in WEIGHT_FILES if file in there), None)
        if weights is None:
            return CheckpointMiss(reason=f"the hub has none of {', '.join(WEIGHT_FILES)} of it")
        if "config.json" in there:
            return ["config.json", weights]
        if "/" in name:  # a timm name says itself what the weights are
            return CheckpointMiss(reason="the hub has no config.json of it")
        return [weights]


@dataclass(frozen=True)
class _Description:
    """What must be known of weights besides where they lie."""

    architecture: str
    arguments: dict[str, Any]
    pretrained_cfg: dict[str, Any]


def _weights(path: Path) -> Path | CheckpointMiss:
    if path.is_dir():
        found = next((path / f for f in WEIGHT_FILES if (path / f).is_file()), None)
        if found is None:
            return CheckpointMiss(reason=f"{path} holds none of {', '.join(WEIGHT_FILES)}")
        return found
    if path.is_file() and path.suffix in _SUFFIXES:
        return path
    return CheckpointMiss(reason=f"{path} is no weight file: {', '.join(_SUFFIXES)}")


def _describe(weights: Path, name: str, told: str | None) -> _Description | CheckpointMiss:
    if told is not None:
        return _registered(told)
    config = weights.parent / "config.json"
    if config.is_file():
        return _read(config)
    if not re.search(r"[/\\]", name):
        import timm

        if timm.is_model(name):
            return _registered(name)
    return CheckpointMiss(
        reason=f"{weights} has no config.json beside it that names the architecture",
        remedy='write {"architecture": "<timm name>"} into ' + str(config),
    )


def _registered(name: str) -> _Description:
    """What timm knows of a name of its own."""
    from timm.models import get_pretrained_cfg

    try:
        registered = get_pretrained_cfg(name)
    except RuntimeError:  # an architecture of timm's with an unknown tag
        registered = None
    return _Description(name, {}, _known(registered))


def _read(path: Path) -> _Description | CheckpointMiss:
    """From timm's config.json; only fields that timm knows are kept."""
    from timm.models import PretrainedCfg, get_pretrained_cfg, is_model

    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        architecture = config["architecture"]
    except (OSError, ValueError, KeyError, TypeError):
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


def _details(
    weights: Path, described: _Description, *, ordered: bool
) -> dict[str, Any] | CheckpointMiss:
    from timm.models import PretrainedCfg

    complete = PretrainedCfg(**described.pretrained_cfg)
    if complete.input_size[0] != 3:
        return CheckpointMiss(reason=f"it reads {complete.input_size[0]} channels, not RGB")
    return {
        "weights": str(weights),
        "ordered": ordered,
        "architecture": described.architecture,
        "arguments": described.arguments,
        "pretrained_cfg": _plain(described.pretrained_cfg),
        "data_config": _plain({key: getattr(complete, key) for key in _DATA_CONFIG}),
    }


def _is_repository(name: str) -> bool:
    return re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) is not None


def _known(registered: PretrainedCfg | None) -> dict[str, Any]:
    return {k: v for k, v in asdict(registered).items() if v is not None} if registered else {}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples become lists; where weights lie elsewhere is left out."""
    elsewhere = ("url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "source")
    kept = {key: value for key, value in values.items() if key not in elsewhere}
    plain: dict[str, Any] = json.loads(json.dumps(kept))
    return plain
