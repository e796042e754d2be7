"""One JSON schema of what can be set here, for editors: settings and recipes of what is installed.

Settings are what ``hyperparameters=`` and ``--set`` take, nested or dotted; a recipe is a whole
plan.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, PydanticInvalidForJsonSchema
from pydantic.json_schema import models_json_schema

from mm_core.api.config import Config
from mm_core.api.errors import MMWarning, PluginLoadError
from mm_core.api.slots import MARK, slot_fields
from mm_core.api.specs import (
    AdapterSpec,
    BackboneSpec,
    ConfigurableSpec,
    ExporterSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.overrides import PART_NAME, PLACES, SUGAR, BackboneOverride, InputOverride
from mm_core.recipe.parts import InputPart
from mm_core.recipe.recipe import DataConfig, Recipe
from mm_core.recipe.training import TrainingConfig
from mm_core.version import __version__

Node = dict[str, Any]
"""A JSON schema."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_KINDS: tuple[type[ConfigurableSpec], ...] = (
    ProcessorSpec,
    BackboneSpec,
    AdapterSpec,
    FusionHeadSpec,
    TaskSpec,
    LossSpec,
    FitterSpec,
    ExporterSpec,
)
"""All that a slot may hold."""
_OPTIONAL = (FusionHeadSpec, AdapterSpec, LossSpec)
"""Kinds of which a recipe may have none: null."""
_SECTIONS = {place[0]: kind for place, kind in PLACES.items() if len(place) == 1}
_OWN_MODELS: tuple[type[BaseModel], ...] = (
    Recipe,
    InputPart,
    TrainingConfig,
    DataConfig,
    BackboneOverride,
    InputOverride,
)


def json_schema(registry: Registry) -> Node:
    """The schema (draft 2020-12): JSON with a ``format`` is a recipe, all else are settings.

    A component whose settings cannot be read may have any; one MMWarning says so.
    """
    return _Writer(registry).schema()


class _Writer:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        configs = {
            (component.spec.kind, component.id): _config(component)
            for kind in _KINDS
            for component in registry.all(kind)
        }
        topologies = [_config(one, "topology_config") for one in registry.all(TaskSpec)]
        self._topologies = list(dict.fromkeys(filter(None, topologies)))
        models = dict.fromkeys([*_OWN_MODELS, *filter(None, configs.values()), *self._topologies])
        refs, found = models_json_schema(
            [(model, "validation") for model in models], ref_template="#/$defs/{model}"
        )
        self.defs: Node = _with_slots(found["$defs"])
        self._names = {model: ref["$ref"].rpartition("/")[2] for (model, _), ref in refs.items()}
        self._configs = configs

    def schema(self) -> Node:
        for kind in _KINDS:
            self._define_kind(kind)
            self.defs[f"slot.{kind.kind}"] = self._part(kind, optional=False)
        self._define_recipe()
        self.defs["Settings"] = self._settings()
        plugins = ", ".join(f"{p.name} {p.version or ''}".strip() for p in self.registry.plugins)
        return {
            "$schema": DIALECT,
            "$comment": f"written by mm-core {__version__} with the plugins {plugins}",
            "title": "Settings and recipes of mm",
            "if": {"type": "object", "required": ["format"]},
            "then": _ref(self._names[Recipe]),
            "else": _ref("Settings"),
            "$defs": self._reached(),
        }

    # ---- components ------------------------------------------------------------------------------

    def _define_kind(self, kind: type[ConfigurableSpec]) -> None:
        """``$defs``: each component, one with any of their settings, and the choice among them."""
        core = self._core_keys(kind)
        merged: dict[str, list[Node]] = {key: [value] for key, value in core.items()}
        choices = []
        open_ended = False
        for component in self.registry.all(kind):
            ids = self._ids(kind, component)
            own = self._own(component)
            open_ended |= own is None
            for key, value in (own or {}).items():
                merged.setdefault(key, []).append(value)
            name = f"{kind.kind}.{component.id}"
            self.defs[name] = {
                "title": component.id,
                "description": component.spec.summary,
                "type": "object",
                "properties": {"id": {"enum": ids}, **core, **(own or {})},
                "additionalProperties": own is None,
            }
            chosen = {"properties": {"id": {"enum": ids}}, "required": ["id"]}
            choices.append({"if": chosen, "then": _ref(name)})
        self.defs[f"any.{kind.kind}"] = {
            "type": "object",
            "properties": {key: _any_of(values) for key, values in merged.items()},
            "additionalProperties": open_ended,
        }
        known = {"properties": {"id": self._id(kind)}}
        self.defs[kind.kind] = {"type": "object", **known, "allOf": choices}

    def _core_keys(self, kind: type[ConfigurableSpec]) -> Node:
        """Keys beside a component's own."""
        if kind is not BackboneSpec:
            return {}
        properties: Node = self._properties(BackboneOverride)
        core = {key: value for key, value in properties.items() if key != "id"}
        said = core["adapter"]["description"]
        return core | {"adapter": {**self._part(AdapterSpec), "description": said}}

    def _own(self, component: Component[Any]) -> Node | None:
        """A component's own settings, or None: unknown."""
        config = self._configs[component.spec.kind, component.id]
        return None if config is None else self._properties(config)

    def _properties(self, model: type[BaseModel]) -> Node:
        found: Node = self.defs[self._names[model]].get("properties", {})
        return found

    def _ids(self, kind: type[ConfigurableSpec], component: Component[Any]) -> list[str]:
        """The id, and the short name where that is enough."""
        short = component.spec.name
        unique = sum(other.spec.name == short for other in self.registry.all(kind)) == 1
        return [component.id, short] if unique else [component.id]

    def _id(self, kind: type[ConfigurableSpec]) -> Node:
        return {"enum": [i for one in self.registry.all(kind) for i in self._ids(kind, one)]}

    # ---- recipes ---------------------------------------------------------------------------------

    def _define_recipe(self) -> None:
        """Pydantic's, with the components' settings where it lets anything through."""
        recipe, part = self._properties(Recipe), self._properties(InputPart)
        part["processor"] = _complete(ProcessorSpec)
        recipe["task"], recipe["fit"] = _complete(TaskSpec), _complete(FitterSpec)
        training = self._properties(TrainingConfig)
        training["loss"] = {"anyOf": [{"type": "null"}, _complete(LossSpec)]}
        recipe["fusion"] = {"anyOf": [{"type": "null"}, _complete(FusionHeadSpec)]}
        recipe["topology"] = self._topology()
        recipe["backbones"] = _named(_complete(BackboneSpec, "id", "inputs"))
        others = [
            i
            for one in self.registry.all(FitterSpec)
            for i in self._ids(FitterSpec, one)
            if one.spec.reads != "network"
        ]
        without = {"properties": {"fit": {"properties": {"id": {"enum": others}}}}}
        some = {"properties": {"backbones": {"minProperties": 1}}}
        self.defs[self._names[Recipe]] |= {"if": without, "else": some}

    # ---- settings --------------------------------------------------------------------------------

    def _settings(self) -> Node:
        nested = {
            "inputs": _named(self._input()),
            "backbones": _named(self._part(BackboneSpec)),
            **{name: self._part(kind) for name, kind in _SECTIONS.items()},
            "topology": self._topology(),
            "training": self._closed(self._training()),
            "data": self._closed(self._data()),
        }
        return {
            "title": "Settings: hyperparameters=, nested or dotted, as --set takes them",
            "type": "object",
            "properties": {**nested, **dict(self._dotted())},
            "patternProperties": dict(self._dotted_names()),
            "additionalProperties": False,
        }

    def _part(self, kind: type[ConfigurableSpec], *, optional: bool = True) -> Node:
        """An id alone, or settings with or without the id; null: none, where that is possible."""
        types = ["string", "object", *(["null"] if optional and kind in _OPTIONAL else [])]
        given = {"if": {"required": ["id"]}, "then": _ref(kind.kind)}
        return {
            "type": types,
            "allOf": [
                {"if": {"type": "string"}, "then": self._id(kind)},
                {"if": {"type": "object"}, "then": {**given, "else": _ref(f"any.{kind.kind}")}},
            ],
        }

    def _input(self) -> Node:
        columns = self._properties(InputOverride)["columns"]
        return self._closed(
            {
                "columns": columns,
                "processor": self._part(ProcessorSpec),
                "backbone": self._part(BackboneSpec),
            }
        )

    def _training(self) -> Node:
        """The loss is a component."""
        return {**self._properties(TrainingConfig), "loss": self._part(LossSpec)}

    def _data(self) -> Node:
        """The label is named where the data is."""
        properties = self._properties(DataConfig)
        return {key: value for key, value in properties.items() if key != "label"}

    def _topology(self) -> Node:
        """Settings of any task's topology; which, is known when the task is."""
        merged: dict[str, list[Node]] = {}
        for config in self._topologies:
            for key, value in self._properties(config).items():
                merged.setdefault(key, []).append(value)
        return self._closed({key: _any_of(values) for key, values in merged.items()})

    def _dotted(self) -> Iterator[tuple[str, Node]]:
        """``training.epochs``, ``fusion.dim``: keys of the sections that have no names inside."""
        for section, values in (
            ("training", self._training()),
            ("data", self._data()),
            ("topology", self._topology()["properties"]),
        ):
            yield from ((f"{section}.{key}", value) for key, value in values.items())
        for place, kind in PLACES.items():
            if "*" not in place:
                dotted = ".".join(place)
                yield from ((f"{dotted}.{key}", value) for key, value in self._keys(kind).items())

    def _dotted_names(self) -> Iterator[tuple[str, Node]]:
        """``backbones.<name>.width``, ``inputs.<name>.processor.max_length``, as patterns, and what
        stands in slots: ``fusion.head.dim``.
        """
        name = PART_NAME.strip("^$")
        yield rf"^inputs\.{name}\.columns$", self._properties(InputOverride)["columns"]
        for place, kind in {**PLACES, **SUGAR}.items():
            dotted = "^" + r"\.".join(name if one == "*" else one for one in place)
            if "*" in place:
                yield f"{dotted}$", self._part(kind)
                for key, value in self._keys(kind).items():
                    yield rf"{dotted}\.{key}$", value
            yield from self._dotted_slots(dotted, self._of_kind(kind))
        yield from self._dotted_slots("^topology", self._topologies)

    def _dotted_slots(
        self, place: str, configs: Iterable[type[Config]]
    ) -> Iterator[tuple[str, Node]]:
        """Keys of what may stand in slots below a place, to any depth."""
        waiting, keys, kinds = (
            list(configs),
            dict[str, None](),
            dict[type[ConfigurableSpec], None](),
        )
        while waiting:
            for key, held in slot_fields(waiting.pop()).items():
                keys[key if held.many is None else rf"{key}\.[^.]+"] = None
                if held.kind not in kinds:
                    kinds[held.kind] = None
                    waiting += self._of_kind(held.kind)
        if not kinds:
            return
        below = rf"{place}(\.({'|'.join(keys)}))+"
        yield f"{below}$", {"anyOf": [{"type": "null"}, *(_ref(f"slot.{k.kind}") for k in kinds)]}
        merged: dict[str, list[Node]] = {}
        for kind in kinds:
            for key, value in self._keys(kind).items():
                merged.setdefault(key, []).append(value)
        yield from ((rf"{below}\.{key}$", _any_of(values)) for key, values in merged.items())

    def _of_kind(self, kind: type[ConfigurableSpec]) -> list[type[Config]]:
        found = [self._configs[kind.kind, one.id] for one in self.registry.all(kind)]
        return [config for config in found if config is not None]

    def _keys(self, kind: type[ConfigurableSpec]) -> Node:
        any_of: Node = self.defs[f"any.{kind.kind}"]["properties"]
        return {"id": self._id(kind), **any_of}

    def _closed(self, properties: Node) -> Node:
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _reached(self) -> Node:
        """The definitions that something refers to."""
        waiting = [self._names[Recipe], "Settings"]
        reached: dict[str, Node] = {}
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached[name] = self.defs[name]
                waiting += [ref.rpartition("/")[2] for ref in _refs(self.defs[name])]
        return dict(sorted(reached.items()))


def _config(component: Component[Any], attribute: str = "config") -> type[Config] | None:
    """The config class, or None where it is broken or no JSON schema says what it takes."""
    try:
        found = component.config_class(attribute)
        found.model_json_schema()
    except (PluginLoadError, PydanticInvalidForJsonSchema) as error:
        warnings.warn(
            f"any settings of {component.id} are let through: {error}", MMWarning, stacklevel=2
        )
        return None
    return found


def _with_slots(node: Any) -> Any:
    """A schema in which slots refer to what may stand in them."""
    if isinstance(node, list):
        return [_with_slots(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    inner = {key: _with_slots(value) for key, value in node.items() if key != MARK}
    return {**_ref(f"slot.{node[MARK]}"), **inner} if isinstance(node.get(MARK), str) else inner


def _ref(name: str) -> Node:
    return {"$ref": f"#/$defs/{name}"}


def _complete(kind: type[ConfigurableSpec], *required: str) -> Node:
    """A component with its id."""
    return {"required": list(required or ("id",)), "allOf": [_ref(kind.kind)]}


def _named(part: Node) -> Node:
    """An object whose keys are names of inputs or backbones."""
    return {
        "type": "object",
        "patternProperties": {PART_NAME: part},
        "additionalProperties": False,
    }


def _any_of(values: list[Node]) -> Node:
    distinct = [value for n, value in enumerate(values) if value not in values[:n]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)
