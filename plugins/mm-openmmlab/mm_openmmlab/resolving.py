"""From an OpenMMLab config to the JSON of its model, and what may stand in that. Heavy: mmengine.

A config in Python is a program. It is run when a model is fitted, because the user names it; what
a saved model holds is JSON, and is looked through before anything is built of it: mmengine would
import and call whatever a ``type`` names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mm_core.api import ArtifactError, ConfigError, suggest
from mm_openmmlab.library import Library

Model = dict[str, Any]
"""The part ``model`` of a config: dicts, lists, texts, numbers."""

_FILES = (".json", ".py", ".yaml", ".yml")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)*")
_TYPE = re.compile(r"(?:([a-z]\w*)\.)?([A-Za-z]\w*)")

_BESIDE = frozenset({"RoIAlign", "RoIPool", "nms", "soft_nms"})
"""Types that mmdet takes from ``mmcv.ops``, by getattr or eval, and that are no code of anybody."""

_READS = frozenset({"checkpoint", "checkpoint_path", "class_weight", "pretrained"})
"""Settings by which parts of models read files, where they are texts, or fetch weights: some read
``checkpoint`` of an ``init_cfg`` whatever its type is."""

_SYNCED = {"SyncBN": "BN", "MMSyncBN": "BN", "NaiveSyncBN": "BN"}
"""Norms that compute over several processes, which torch refuses on a CPU."""


def resolved(library: Library, architecture: str | Mapping[str, Any], imports: bool) -> Model:
    """The model of a config, by name, by file, or as it is given.

    Args:
        library: whose config it is.
        architecture: a name such as ``"dino-4scale_r50_8xb2-12e_coco"`` of those that come with the
            library; a file; the config itself or its part ``model``, as JSON.
        imports: whether ``custom_imports`` of it are imported.

    Raises:
        ConfigError: it is not there, is no config, imports what it may not, or is more than JSON.
    """
    whole = dict(architecture) if isinstance(architecture, Mapping) else None
    if whole is None:
        whole = _read(library, _file(library, str(architecture)), str(architecture))
    _import(library, whole.get("custom_imports"), imports)
    model = whole if "type" in whole else whole.get("model")
    if not isinstance(model, Mapping) or "type" not in model:
        raise ConfigError(
            "the config has no model",
            plugin=library.plugin,
            value=architecture if isinstance(architecture, str) else sorted(whole),
            remedy="architecture: a config with model = dict(type=...), or that dict as JSON",
        )
    try:
        found: Model = json.loads(json.dumps(model))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"the config's model is more than JSON: {error}",
            plugin=library.plugin,
            value=str(architecture),
            remedy="name what it builds by texts: dict(type='DINO', ...)",
        ) from error
    return _mapped(found, lambda key, value: _SYNCED.get(value, value) if key == "type" else value)


def without_weights(model: Model) -> tuple[Model, list[str]]:
    """The model without what fetches weights of parts, and where these would come from.

    ``init_cfg`` with a ``checkpoint`` and ``pretrained`` would ask the network and unpickle.
    """
    named: list[str] = []

    def keep(value: Any) -> bool:
        if isinstance(value, dict) and ("checkpoint" in value or value.get("type") == "Pretrained"):
            named.append(str(value.get("checkpoint")))
            return False
        return True

    def change(key: str, value: Any) -> Any:
        if key == "pretrained" and value and isinstance(value, str | bool):
            named.append(str(value))
            return None if isinstance(value, str) else False
        if key == "init_cfg":
            several = [one for one in value if keep(one)] if isinstance(value, list) else value
            return several if keep(several) else None
        return value

    return _mapped(model, change), named


def check(model: Model, library: Library, error: type[ArtifactError | ConfigError]) -> None:
    """Refuse what is no part of OpenMMLab's models, or reads files.

    Raises:
        ConfigError, ArtifactError: names the type or the setting.
    """
    names = library.names()
    for key, value in _settings(model):
        if key == "type":
            _check_type(value, names, library, error)
        elif key in _READS and value and isinstance(value, str | bool):
            raise error(
                f"the model would read weights of its own: {key}={value!r}",
                plugin=library.plugin,
                value=value,
                remedy=f"leave {key} out of the config",
            )
        elif key == "_scope_" and (not value or value not in tuple(names)):
            raise error(  # mmengine imports its module ``registry``
                f"the model names the package {value!r}, which is none of {library.package}'s",
                plugin=library.plugin,
                value=value,
                remedy="leave _scope_ out of the config",
            )


def _check_type(
    value: Any, names: Mapping[str, set[str]], library: Library, error: type[Any]
) -> None:
    found = _TYPE.fullmatch(value) if isinstance(value, str) else None
    if found and (found[2] in names.get(found[1] or "", ()) or value in _BESIDE):
        return
    if found is None and isinstance(value, str) and re.fullmatch(r"[\w.]+", value):
        raise error(
            f"the model names the class {value!r} by its module, as configs of the lazy form do",
            plugin=library.plugin,
            value=value,
            remedy=f"name the config of the same name in {library.package}'s folder configs, whose "
            "types are names alone",
        )
    near = suggest(found[2], sorted(names[""])) if found else None
    raise error(
        f"{library.package} has no {value!r} that a model may be built of",
        plugin=library.plugin,
        value=value,
        remedy=(f"did you mean {near!r}? " if near else "")
        + "Types of other packages have to be registered before: import the module in Python, or "
        "custom_imports=true for a config that says custom_imports",
    )


def _settings(part: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every dict with its value."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield key, value
            yield from _settings(value)
    elif isinstance(part, list):
        for one in part:
            yield from _settings(one)


def _mapped(part: Any, change: Any) -> Any:
    """With each value of a dict changed, the outer ones first."""
    if isinstance(part, dict):
        return {key: _mapped(change(key, value), change) for key, value in part.items()}
    if isinstance(part, list):
        return [_mapped(one, change) for one in part]
    return part


# ---- reading


def _file(library: Library, name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix in _FILES:
        if path.is_file():
            return path
        raise ConfigError(
            f"there is no config {name!r}",
            plugin=library.plugin,
            value=name,
            remedy="give the path of the file from here, or a name without its ending",
        )
    library.models()  # says what to install
    root = library.configs()
    found = sorted(root.rglob(f"{name}.py")) if _NAME.fullmatch(name) else []
    if found:
        return found[0]
    near = suggest(name, [one.stem for one in root.rglob("*.py") if "_base_" not in one.parts])
    raise ConfigError(
        f"no config of {library.package} is called {name!r}",
        plugin=library.plugin,
        value=name,
        remedy=f"did you mean {near!r}?"
        if near
        else f"those that came with it are in {root}; or give a file",
    )


def _read(library: Library, path: Path, name: str) -> dict[str, Any]:
    library.models()
    try:
        return _program(path) if path.suffix == ".py" else _data(path)
    except Exception as error:  # a stranger's program; it is reported
        raise ConfigError(
            f"the config {name!r} cannot be read: {type(error).__name__}: {error}",
            plugin=library.plugin,
            value=name,
            remedy="correct it, or give its part model as JSON",
        ) from error


def _program(path: Path) -> dict[str, Any]:
    from mmengine.config import Config

    found: dict[str, Any] = Config.fromfile(str(path), import_custom_modules=False).to_dict()
    return found


def _data(path: Path) -> dict[str, Any]:
    """JSON or YAML as it is written: mmengine would run YAML's tags, run what ``_base_`` names, and
    put the environment in.
    """
    from yaml import safe_load

    text = path.read_bytes()
    found = json.loads(text) if path.suffix == ".json" else safe_load(text)
    if not isinstance(found, dict):
        raise TypeError(f"it holds a {type(found).__name__}, not settings by name")
    if "_base_" in found:
        raise ValueError("it builds on another file by _base_, which only one in Python may")
    return found


def _import(library: Library, custom: Any, imports: bool) -> None:
    """Import what a config wants imported, where that is allowed.

    Raises:
        ConfigError: it is not, or cannot be imported.
    """
    modules = custom.get("imports") if isinstance(custom, Mapping) else custom
    if not modules:
        return
    if not imports:
        raise ConfigError(
            f"the config imports modules of its own: {modules}",
            plugin=library.plugin,
            value=modules,
            remedy="custom_imports=true runs them, if you trust them; whoever loads the model has "
            "to import them first",
        )
    library.models()
    from mmengine.utils import import_modules_from_strings

    try:
        import_modules_from_strings(modules)
    except ImportError as error:
        raise ConfigError(
            f"what the config imports cannot be imported: {error}",
            plugin=library.plugin,
            value=modules,
            remedy="install it, or put its folder on PYTHONPATH",
        ) from error
