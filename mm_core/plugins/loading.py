"""Load one plugin: import its light module, call its hooks, check what they return.

Each plugin gets a pluggy manager of its own. So a misspelt or raising hook is charged to its own
plugin, and a plugin that fails halfway leaves nothing behind.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pluggy
from pydantic import ValidationError

from mm_core.api import hookspecs
from mm_core.api.errors import IncompatiblePluginError, PluginLoadError
from mm_core.api.specs import API_VERSION, ComponentSpec, PluginInfo, PresetSpec
from mm_core.plugins.discovery import CORE, PluginProblem, Source
from mm_core.plugins.local import file_sha256, import_file, module_name
from mm_core.plugins.trace import trace

__all__ = ["Plugin", "PluginProblem", "component_hooks", "import_light", "load"]


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin.

    Attributes:
        name: prefix of its components' ids.
        distribution: the distribution it came with; None for a one-file plugin.
        version: that distribution's version, or None.
        info: what it says of itself.
        module: import name of its light module.
        file: the file of a one-file plugin, else None.
        sha256: hash of that file, else None.
    """

    name: str
    distribution: str | None
    version: str | None
    info: PluginInfo
    module: str
    file: Path | None = None
    sha256: str | None = None

    def find(self, target: str) -> Any:
        """What ``"module:Name"`` names; a one-file plugin's own module is called by its stem.

        Raises:
            Exception: whatever the import raises.
        """
        module, _, name = target.partition(":")
        if self.file is not None and module == self.name:
            module = self.module
        return getattr(importlib.import_module(module), name)


@cache
def component_hooks() -> dict[str, type[ComponentSpec]]:
    """Hook name -> the spec class it returns a sequence of, read from the hook's annotation."""
    hooks: dict[str, type[ComponentSpec]] = {}
    for name in sorted(vars(hookspecs)):
        if name.startswith("mm_"):
            items = get_args(get_type_hints(getattr(hookspecs, name))["return"])
            if items:
                hooks[name] = items[0]
    return hooks


def load(source: Source) -> tuple[Plugin, list[ComponentSpec]]:
    """Import a plugin and collect its specs.

    Raises:
        PluginLoadError: import or a hook failed, a hook is misspelt, or it returned something else.
        IncompatiblePluginError: it was written for another API version.
    """
    module, sha256 = import_light(source)
    manager = _register(source, module)
    info = _info(source, manager)
    _check_api(source, info)
    _check_hook_names(source, manager)
    specs = [
        spec
        for hook, kind in component_hooks().items()
        for spec in _call(source, manager, hook, kind)
    ]
    _check_names(source, specs)
    plugin = Plugin(
        source.name,
        source.distribution,
        source.version,
        info,
        module.__name__,
        source.file,
        sha256,
    )
    return plugin, specs


def import_light(source: Source) -> tuple[ModuleType, str | None]:
    """Its light module, and the hash of a one-file plugin.

    Raises:
        PluginLoadError: the import failed.
    """
    try:
        if source.file is None:
            return importlib.import_module(source.module), None
        sha256 = file_sha256(source.file)
        return import_file(source.file, module_name(source.file, sha256)), sha256
    except (Exception, SystemExit) as error:  # whatever a stranger's module may raise
        raise _broken(source, f"import failed: {_cause(error)}", _import_remedy(error)) from error


def _register(source: Source, module: ModuleType) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    if os.environ.get("MM_TRACE_PLUGINS") == "1":
        trace(manager, source.name)
    try:
        manager.register(module, name=source.name)
    except pluggy.PluginValidationError as error:
        raise _broken(source, str(error), "give the hook the arguments of its spec") from error
    return manager


def _info(source: Source, manager: pluggy.PluginManager) -> PluginInfo:
    results = _results(source, manager, "mm_plugin_info")
    if not results:
        _check_hook_names(source, manager)  # a misspelt mm_plugin_info is the better message
    if len(results) != 1 or not isinstance(results[0], PluginInfo):
        raise _broken(
            source,
            "it has no hook mm_plugin_info that returns a PluginInfo",
            "every plugin needs one: return PluginInfo(api=(2, 0), summary='...')",
        )
    return results[0]


def _check_api(source: Source, info: PluginInfo) -> None:
    major, minor = API_VERSION
    if info.api[0] == major and info.api[1] <= minor:
        return
    newer = info.api > API_VERSION
    raise IncompatiblePluginError(
        f"plugin {source.name!r} ({source.origin}) was written for plugin API "
        f"{info.api[0]}.{info.api[1]}, and this mm-core offers {major}.{minor}",
        plugin=source.name,
        value=info.api,
        remedy="pip install --upgrade mm-core" if newer else _upgrade(source),
    )


def _check_hook_names(source: Source, manager: pluggy.PluginManager) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _broken(
            source,
            str(error).partition(" in plugin ")[0],
            f"hooks are: mm_plugin_info, {', '.join(component_hooks())}",
        ) from error


def _call(
    source: Source, manager: pluggy.PluginManager, hook: str, kind: type[ComponentSpec]
) -> Sequence[ComponentSpec]:
    if not getattr(manager.hook, hook).get_hookimpls():
        return []
    results = _results(source, manager, hook)
    specs = results[0] if results else None
    wanted = f"a list of {kind.__name__}"
    if not isinstance(specs, list | tuple):
        raise _broken(source, f"{hook} returned {specs!r}, not {wanted}", f"return {wanted}")
    for spec in specs:
        if type(spec) is not kind:
            raise _broken(
                source, f"{hook} returned {spec!r} in its list, not {wanted}", f"return {wanted}"
            )
    return specs


def _results(source: Source, manager: pluggy.PluginManager, hook: str) -> list[Any]:
    try:
        results: list[Any] = getattr(manager.hook, hook)()
    except Exception as error:  # whatever a stranger's hook may raise
        raise _broken(source, f"its hook {hook} failed: {_cause(error)}") from error
    return results


def _check_names(source: Source, specs: Sequence[ComponentSpec]) -> None:
    seen: set[tuple[str, ...]] = set()
    for spec in specs:
        for key in _identities(spec):
            if key in seen:
                raise _broken(
                    source,
                    f"it has two components for {' '.join(key)!r}",
                    "give each component of a kind its own name",
                )
            seen.add(key)


def _identities(spec: ComponentSpec) -> list[tuple[str, ...]]:
    if isinstance(spec, PresetSpec):  # one preset name serves many components
        return [(spec.kind, spec.name, component) for component in spec.components]
    return [(spec.kind, spec.name)]


def _cause(error: BaseException) -> str:
    if isinstance(error, ValidationError):  # of a spec: the field, what stands there, what should
        return "; ".join(f"{error.title}.{_wrong_field(one)}" for one in error.errors())
    return f"{type(error).__name__}: {error}"


def _wrong_field(error: Any) -> str:
    place = ".".join(map(str, error["loc"])) or "value"
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "string_pattern_mismatch":
        return f"{place} = {error['input']!r} is not of the form {error['ctx']['pattern']}"
    return f"{place} = {error['input']!r}: {error['msg']}"


def _import_remedy(error: BaseException) -> str | None:
    if isinstance(error, ImportError) and (error.name or "").startswith("mm_core"):
        return "it may need another mm-core: pip install --upgrade mm-core"
    return None


def _broken(source: Source, cause: str, remedy: str | None = None) -> PluginLoadError:
    return PluginLoadError(
        f"plugin {source.name!r} ({source.origin}) cannot be loaded: {cause}",
        plugin=source.name,
        value=cause,
        remedy=remedy or _default_remedy(source),
    )


def _default_remedy(source: Source) -> str:
    if source.file is not None or source.name == CORE:
        return _upgrade(source)
    return f"{_upgrade(source)}; or go on without it: MM_DISABLE_PLUGINS={source.name}"


def _upgrade(source: Source) -> str:
    if source.file is not None:
        return f"correct {source.file}"
    return f"pip install --upgrade --force-reinstall {source.distribution or source.name}"
