"""Fills slots: looks up components inside configs, lays their settings over each other, and notes
where each value came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mm_core.api.config import Config
from mm_core.api.errors import ConfigError, PluginError, UnknownComponentError
from mm_core.api.slots import Slot, SlotField, slot_fields
from mm_core.api.specs import ConfigurableSpec
from mm_core.plugins.known import missing_for

if TYPE_CHECKING:
    from mm_core.plugins.registry import Component, Registry

USER = "user"
"""The origin of what a user set."""

Given = Sequence[tuple[str, Any]]
"""(origin, what was set there), the weakest first."""

Presets = Callable[["Component[Any]", frozenset[str]], tuple[Mapping[str, Any], str]]
"""(component, keys that the user sets) -> what presets set, and the origin of that."""


class Filler:
    """Reads configs whose fields may hold components, to any depth.

    Args:
        registry: where they are looked up.
        presets: what presets set of a component, at whatever place it stands; None: nothing.
        origins: dotted key -> origin, to be filled.
        whole: what is read is complete, as a recipe is: of a field that holds components by name,
            those that it has by default and that are not given were left out.
    """

    def __init__(
        self,
        registry: Registry,
        presets: Presets | None = None,
        origins: dict[str, str] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        self.registry = registry
        self.whole = whole
        self.presets = presets
        self.origins = {} if origins is None else origins

    def fill(
        self,
        kind: type[ConfigurableSpec],
        given: Given,
        where: str,
        choose: Callable[[str], Component[Any] | None] | None = None,
    ) -> Slot[Any] | None:
        """The component that the strongest layer names, with the settings that are its own.

        A layer is a name, settings with or without an ``id``, or None: no component. Settings of a
        component that a stronger layer replaces by another are dropped.

        Args:
            kind: of the component.
            given: layers.
            where: dotted key of the slot.
            choose: finds a component by name; None: any of that kind.

        Raises:
            ConfigError: settings and no component; or settings that it does not have.
            UnknownComponentError: no such component.
        """
        component: Component[Any] | None = None
        origin, named = "default", "default"
        below: list[tuple[str, Mapping[str, Any]]] = []
        for origin, value in given:
            settings = _as_settings(value)
            if "id" in settings or value is None:
                wanted = settings.pop("id", None)
                before, named = component, origin
                component = None if wanted is None else self._find(kind, wanted, where, choose)
                if component is None or (before is not None and before.id != component.id):
                    below = []
            below.append((origin, settings))
        if component is None:
            self._refuse_settings(kind, [settings for _, settings in below], where)
            self.origins[where] = origin
            return None
        self.origins[f"{where}.id"] = named
        return self.settle(component, below, where)

    def settle(self, component: Component[Any], below: Given, where: str) -> Slot[Any]:
        """A chosen component with its settings; ``below`` without ids."""
        decided = frozenset(key for origin, layer in below if origin == USER for key in layer)
        preset, origin = self.presets(component, decided) if self.presets else ({}, "default")
        config = self.config(component.config_class(), [(origin, preset), *below], where)
        return Slot(type(component.spec), component.id, config, component)

    def config(self, cls: type[Config], given: Given, where: str) -> Config:
        """A validated config of layers of settings.

        Raises:
            ConfigError: an unknown key or a wrong value, here or in a slot.
            UnknownComponentError: a component of that name is not installed.
        """
        layers: dict[str, list[tuple[str, Any]]] = {}
        for origin, settings in given:
            for key, value in settings.items():
                layers.setdefault(key, []).append((origin, value))
        values = {key: said[-1][1] for key, said in layers.items()}
        origins = {key: said[-1][0] for key, said in layers.items()}
        self.origins.update(
            {f"{where}.{key}": origins.get(key, "default") for key in cls.model_fields}
        )
        for key, held in slot_fields(cls).items():
            info = cls.model_fields[key]
            replaced = self.whole and held.many == "dict" and key in layers
            usual = [] if info.is_required() or replaced else [("default", info.get_default())]
            said = [*usual, *layers.get(key, [])]
            if said:
                self.origins.pop(f"{where}.{key}")
                values[key] = self._several(held, said, f"{where}.{key}")
        return cls.read(values, where=where)

    def _several(self, held: SlotField, given: Given, where: str) -> Any:
        """What a field holds; of what it cannot hold, as it is: validation tells."""
        origin, last = given[-1]
        if held.many is None:
            return self.fill(held.kind, given, where) if _may_be_slot(last) else last
        wanted = Mapping if held.many == "dict" else (list, tuple)
        self.origins[where] = origin
        if not isinstance(last, wanted):
            return last
        if held.many == "list":
            return [
                self._one(held, [(origin, item)], f"{where}.{n}") for n, item in enumerate(last)
            ]
        layers: dict[str, list[tuple[str, Any]]] = {}
        for origin, values in given:
            for name, value in (values if isinstance(values, Mapping) else {}).items():
                layers.setdefault(name, []).append((origin, value))
        named = {name: self._one(held, said, f"{where}.{name}") for name, said in layers.items()}
        return {name: one for name, one in named.items() if one is not None}  # null leaves it out

    def _one(self, held: SlotField, given: Given, where: str) -> Any:
        return self.fill(held.kind, given, where) if _may_be_slot(given[-1][1]) else given[-1][1]

    def _find(
        self,
        kind: type[ConfigurableSpec],
        name: Any,
        where: str,
        choose: Callable[[str], Component[Any] | None] | None,
    ) -> Component[Any] | None:
        if not isinstance(name, str):
            raise ConfigError(
                f"{where}.id = {name!r}: a {_words(kind)} is named",
                value=name,
                remedy="name it: mm plugins list shows all",
            )
        if choose is not None:
            return choose(name)
        try:
            return self.registry.get(kind, name)
        except UnknownComponentError as error:
            raise UnknownComponentError(
                f"{where}: {error.message}",
                plugin=error.plugin,
                value=error.value,
                remedy=error.remedy,
            ) from None

    def _refuse_settings(
        self, kind: type[ConfigurableSpec], given: Sequence[Mapping[str, Any]], where: str
    ) -> None:
        own = {key: value for settings in given for key, value in settings.items()}
        if not own:
            return
        here = [component.id for component in self.registry.all(kind)]
        missing = missing_for(kind.kind, set())
        raise ConfigError(
            f"{where}.{next(iter(own))} is set, and no {_words(kind)} is chosen",
            value=own,
            remedy=f"choose one, {where}=...: {', '.join(here)}"
            if here
            else f"set {where}=..., after: {'; or '.join(missing)}",
        )


def inside(
    config: type[Config], settings: Mapping[str, Any], registry: Registry
) -> Iterator[tuple[str, type[ConfigurableSpec], str]]:
    """(dotted key, kind, id) of the components in the slots of complete settings, to any depth.

    Below one that is not installed nothing can be known.
    """
    for field, held in slot_fields(config).items():
        for key, value in held.held(field, settings.get(field)):
            if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
                continue
            yield key, held.kind, value["id"]
            try:
                inner = registry.get(held.kind, value["id"]).config_class()
            except PluginError:
                continue
            for below, kind, name in inside(inner, value, registry):
                yield f"{key}.{below}", kind, name


def _may_be_slot(value: Any) -> bool:
    return value is None or isinstance(value, (str, Mapping, Slot))


def _as_settings(value: Any) -> dict[str, Any]:
    """Settings with the id among them; dotted keys are taken apart."""
    if value is None:
        return {}
    if isinstance(value, Slot):
        return value.dump()
    return {"id": value} if isinstance(value, str) else nested(value)


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``{"inner.dim": 3}`` as ``{"inner": {"dim": 3}}``; a name beside settings is their id.

    Raises:
        ConfigError: a key is set twice.
    """
    found: dict[str, Any] = {}
    for key, value in sorted(settings.items(), key=lambda item: str(item[0]).count(".")):
        put(found, str(key).split("."), value, once=True)
    return found


def put(settings: dict[str, Any], path: Sequence[str], value: Any, *, once: bool) -> None:
    """Set one value of nested settings; a name that it stands below is the id beside it.

    Args:
        settings: to be changed; mappings in it are copied, not changed.
        path: of the value.
        value: any.
        once: whether what is there already stays.

    Raises:
        ConfigError: it stands below a value that has nothing below it; or something else is there.
    """
    place = settings
    for name in path[:-1]:
        here = place.get(name, {})
        if here is None or isinstance(here, str):
            here = {"id": here}
        if not isinstance(here, Mapping):
            raise ConfigError(
                f"{'.'.join(path)} is set both as a value and as a section",
                value=value,
                remedy="keep one of them",
            )
        place[name] = dict(here)
        place = place[name]
    before = place.setdefault(path[-1], value)
    if once and before != value:
        raise ConfigError(
            f"{'.'.join(path)} is set twice: {before!r} and {value!r}",
            value=value,
            remedy="keep one of them",
        )
    place[path[-1]] = value


def _words(kind: type[ConfigurableSpec]) -> str:
    return kind.kind.replace("_", " ")
