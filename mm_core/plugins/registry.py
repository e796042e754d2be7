"""The registry: what is installed, looked up by kind and name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Generic, TypeVar

from mm_core.api.config import Config
from mm_core.api.errors import PluginError, PluginLoadError
from mm_core.api.specs import ComponentSpec, PresetSpec
from mm_core.plugins import discovery, lookup
from mm_core.plugins.discovery import CORE, PluginProblem, Source
from mm_core.plugins.loading import Plugin, load
from mm_core.plugins.slots import Filler
from mm_core.version import __version__

SpecT = TypeVar("SpecT", bound=ComponentSpec)


@dataclass(frozen=True)
class Component(Generic[SpecT]):
    """One component of a loaded plugin.

    Attributes:
        id: ``"plugin:name"``; several presets of a plugin may share one.
        spec: the record its plugin returned.
        plugin: the plugin it belongs to.
        registry: where the components inside it are looked up.
    """

    id: str
    spec: SpecT
    plugin: Plugin
    registry: Registry = field(compare=False, repr=False)

    def load(self, attribute: str = "target") -> Any:
        """Import what ``spec.<attribute>`` names (``"package.module:Name"``).

        Raises:
            PluginLoadError: the spec names nothing there, or it cannot be imported.
        """
        target = getattr(self.spec, attribute, None)
        if not isinstance(target, str):
            raise PluginLoadError(
                f"{self.id} has no {attribute}", plugin=self.id, remedy="use another component"
            )
        return self.find(target, attribute)

    def find(self, target: str, what: str) -> Any:
        """Import a target of this component's plugin; ``what`` it is, for the error.

        Raises:
            PluginLoadError: it cannot be imported.
        """
        try:
            return self.plugin.find(target)
        except (Exception, SystemExit) as error:  # whatever a stranger's module may raise
            raise PluginLoadError(
                f"{self.id}: {what} {target!r} cannot be imported: {type(error).__name__}: {error}",
                plugin=self.id,
                value=target,
                remedy=self._remedy(),
            ) from error

    def read(self, settings: Mapping[str, Any], *, where: str, attribute: str = "config") -> Config:
        """Its validated config, with the components in its slots ready to be built.

        Args:
            settings: as a recipe has them.
            where: dotted key that they stand under, for errors.
            attribute: of the spec, which names the config class.

        Raises:
            ConfigError: an unknown key or a wrong value, here or in a slot.
            UnknownComponentError: a component of that name is not installed.
            PluginLoadError: a config class cannot be used.
        """
        config = self.config_class(attribute)
        return Filler(self.registry, whole=True).config(config, [("given", settings)], where)

    def config_class(self, attribute: str = "config") -> type[Config]:
        """The config class that ``spec.config``, or another attribute, names.

        Raises:
            PluginLoadError: it cannot be imported, or is no :class:`mm_core.api.Config`.
        """
        found = self.load(attribute)
        if isinstance(found, type) and issubclass(found, Config):
            return found
        raise PluginLoadError(
            f"{self.id}: its {attribute} is {found!r}, not a subclass of mm_core.api.Config",
            plugin=self.id,
            value=found,
            remedy=self._remedy(),
        )

    def _remedy(self) -> str:
        if self.plugin.file is not None:
            return f"correct {self.plugin.file}"
        package = self.plugin.distribution or self.plugin.name
        return f"pip install --upgrade --force-reinstall {package}"


class Registry:
    """What can be used: the core's own components and those of plugins.

    A plugin that cannot be loaded becomes an entry of ``problems`` and leaves nothing else behind,
    unless ``MM_STRICT_PLUGINS=1``.

    Args:
        entry_points: plugins to load; None: the installed ones, filtered by ``MM_PLUGINS`` and
            ``MM_DISABLE_PLUGINS``.
        local: files of one-file plugins, loaded besides.

    Attributes:
        plugins: loaded plugins, sorted by name; the core is one of them.
        problems: plugins that are there but not used, sorted by name.

    Raises:
        PluginError: the first problem, where ``MM_STRICT_PLUGINS=1``.
    """

    def __init__(
        self, entry_points: Iterable[EntryPoint] | None = None, local: Sequence[Path] = ()
    ) -> None:
        self.plugins: list[Plugin] = []
        self.problems: list[PluginProblem] = []
        self._components: dict[type[ComponentSpec], list[Component[Any]]] = defaultdict(list)
        self._add(core_source())
        for source in self._find(entry_points, local):
            try:
                self._add(source)
            except PluginError as error:
                self.problems.append(
                    PluginProblem(source.name, source.distribution, source.version, error)
                )
        self._finish()

    def get(self, kind: type[SpecT], name: str) -> Component[SpecT]:
        """The component of that kind with the id ``plugin:name``, or with a unique short name.

        Args:
            kind: the spec's class, such as ``BackboneSpec``.
            name: id or short name.

        Raises:
            UnknownComponentError: there is none; says what is near, and what could be installed.
            AmbiguousComponentError: the short name fits several.
        """
        components = self.all(kind)
        found = [c for c in components if name in (c.id, c.spec.name)]
        if not found:
            ids = [component.id for component in components]
            plugins = [plugin.name for plugin in self.plugins]
            raise lookup.unknown(kind.kind, name, ids, plugins, self.problems)
        if len(found) > 1:
            raise lookup.ambiguous(kind.kind, name, [c.id for c in found])
        return found[0]

    def all(self, kind: type[SpecT]) -> list[Component[SpecT]]:
        """All components of that kind, sorted by id."""
        return list(self._components[kind])

    def _find(
        self, entry_points: Iterable[EntryPoint] | None, local: Sequence[Path]
    ) -> list[Source]:
        if entry_points is None:
            sources, problems = discovery.installed()
        else:
            sources, problems = discovery.from_entry_points(entry_points), []
        usable, refused = discovery.refuse_unusable_names([*sources, *discovery.from_files(local)])
        self.problems += problems + refused
        return usable

    def _add(self, source: Source) -> None:
        plugin, specs = load(source)
        self.plugins.append(plugin)
        for spec in specs:
            component = Component(f"{plugin.name}:{spec.name}", spec, plugin, self)
            self._components[type(spec)].append(component)

    def _finish(self) -> None:
        self.plugins.sort(key=lambda plugin: plugin.name)
        self.problems.sort(key=lambda problem: problem.name)
        for components in self._components.values():
            components.sort(key=_order)
        if self.problems and os.environ.get("MM_STRICT_PLUGINS") == "1":
            raise self.problems[0].error


def core_source() -> Source:
    """The core's own components, as a plugin."""
    return Source(CORE, "mm_core.builtin.plugin", "mm-core", __version__)


def _order(component: Component[Any]) -> tuple[str, tuple[str, ...]]:
    spec = component.spec
    return component.id, spec.components if isinstance(spec, PresetSpec) else ()


@cache
def default_registry() -> Registry:
    """What is installed, found and loaded once per process."""
    return Registry()


def registry_with(plugins: Sequence[str | Path]) -> Registry:
    """The installed components, and those of one-file plugins.

    Raises:
        PluginError: a one-file plugin cannot be used; it was asked for by name.
    """
    registry = found_with(plugins)
    asked = {Path(path).stem for path in plugins}
    for problem in registry.problems:
        if problem.name in asked:
            raise problem.error
    return registry


def found_with(plugins: Sequence[str | Path]) -> Registry:
    """As :func:`registry_with`, a one-file plugin that cannot be used being one problem of all."""
    return Registry(local=[Path(path) for path in plugins]) if plugins else default_registry()
