"""Slots: components inside the config of a component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mm_core.api.errors import ConfigError
from mm_core.api.specs import ConfigurableSpec

SpecT = TypeVar("SpecT", bound=ConfigurableSpec)

MARK = "x-slot"
"""In the JSON schema of a config: any component of this kind."""


class Slot(Generic[SpecT]):  # no dataclass: pydantic would read its fields instead of what it is
    """A component inside the config of another, by id with its settings beside it.

    As the type of a config's field: ``head: Slot[FusionHeadSpec]``, or ``Slot[...] | None``,
    ``list[Slot[...]]``, ``tuple[Slot[...], ...]``, ``dict[str, Slot[...]]``. What is set there is a
    name, or settings with or without the ``id``; the core looks it up, validates it and hands it
    over ready to be built.

    Attributes:
        kind: class of its spec.
        id: ``"plugin:name"``.
        config: its validated config; before the core has looked it up, its settings as they are.
        component: what the core found; None before that.
    """

    __slots__ = ("component", "config", "id", "kind")

    def __init__(self, kind: type[SpecT], id: str, config: Any, component: Any = None) -> None:
        self.kind = kind
        self.id = id
        self.config = config
        self.component = component

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slot) and (self.kind, self.dump()) == (other.kind, other.dump())

    def __hash__(self) -> int:
        return hash((self.kind, self.id))

    def __deepcopy__(self, memo: dict[int, Any]) -> Slot[SpecT]:
        return self  # nothing of it changes, and what the core found is no copy's own

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets the settings; what is built there was built before."""
        return Slot, (self.kind, self.id, self.config)

    def __repr__(self) -> str:
        return f"Slot({self.id}, {self.config!r})"

    @property
    def spec(self) -> SpecT:
        """The record that its plugin returned."""
        found: SpecT = self._found().spec
        return found

    def build(self, *args: Any, **kwargs: Any) -> Any:
        """The component itself: its class, called with its config and these arguments.

        Raises:
            PluginLoadError: its class cannot be imported.
            ConfigError: the core has not looked it up: the config was not read by it.
        """
        return self._found().load()(self.config, *args, **kwargs)

    def dump(self) -> dict[str, Any]:
        """``{"id": ..., **settings}``, JSON-able."""
        own = self.config
        settings = own.model_dump(mode="json") if isinstance(own, BaseModel) else dict(own)
        return {"id": self.id, **settings}

    def _found(self) -> Any:
        if self.component is None:
            raise ConfigError(
                f"{self.id} in a slot was not looked up: its config was built by hand",
                plugin=self.id,
                remedy="let the core read it: Registry().get(Spec, 'plugin:name').read(settings)",
            )
        return self.component

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind = _kind(source)
        return core_schema.no_info_plain_validator_function(
            lambda value: _read(kind, value),
            serialization=core_schema.plain_serializer_function_ser_schema(Slot.dump),
            metadata={MARK: kind.kind},
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {MARK: schema["metadata"][MARK]}


def slot(default: Any, *, description: str) -> Any:
    """A field that holds a slot, with a default: an id, ``{"id": ..., **settings}``, None, or a
    list or dict of these where the field holds several.
    """
    return Field(default=default, description=description, validate_default=True)


@dataclass(frozen=True)
class SlotField:
    """What a field of a config holds.

    Attributes:
        kind: of its components.
        many: how it holds several; None: it holds one.
        optional: whether it may hold None.
    """

    kind: type[ConfigurableSpec]
    many: Literal["list", "dict"] | None = None
    optional: bool = False

    def held(self, key: str, value: Any) -> Iterator[tuple[str, Any]]:
        """(dotted key, slot) of each in the field's value; of what has another form, none."""
        if self.many == "dict" and isinstance(value, Mapping):
            yield from ((f"{key}.{name}", one) for name, one in value.items())
        elif self.many == "list" and isinstance(value, Sequence) and not isinstance(value, str):
            yield from ((f"{key}.{n}", one) for n, one in enumerate(value))
        elif self.many is None and value is not None:
            yield key, value


def slot_fields(config: type[BaseModel]) -> dict[str, SlotField]:
    """Name -> what it holds, of the fields of a config that hold slots.

    Raises:
        TypeError: a slot where none can be.
    """
    found = {}
    for name, info in config.model_fields.items():
        try:
            held = _slot_field(info.annotation)
        except TypeError as error:
            raise TypeError(f"{config.__name__}.{name}: {error}") from None
        if held is None:
            continue
        if not info.is_required() and not info.validate_default and info.default is not None:
            raise TypeError(f"{config.__name__}.{name}: write = slot(default, description=...)")
        found[name] = held
    return found


def _slot_field(annotation: Any) -> SlotField | None:
    parts = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType) and type(None) in parts:
        others = [part for part in parts if part is not type(None)]
        held = _slot_field(others[0]) if len(others) == 1 else None
        if held is not None:
            return SlotField(held.kind, held.many, optional=True)
    if get_origin(annotation) is Slot:
        return SlotField(_kind(annotation))
    inner = next((part for part in parts if get_origin(part) is Slot), None)
    if inner is not None and annotation in (list[inner], tuple[inner, ...]):  # type: ignore[valid-type]
        return SlotField(_kind(inner), "list")
    if inner is not None and annotation == dict[str, inner]:  # type: ignore[valid-type]
        return SlotField(_kind(inner), "dict")
    if _holds_slots(annotation):
        raise TypeError(
            "a slot stands in the config itself: Slot[...], list[Slot[...]], "
            "tuple[Slot[...], ...] or dict[str, Slot[...]], any of them | None"
        )
    return None


def _holds_slots(annotation: Any) -> bool:
    """Whether a slot stands anywhere in a type, in other configs too."""
    if annotation is Slot or get_origin(annotation) is Slot:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds_slots(info.annotation) for info in annotation.model_fields.values())
    return any(_holds_slots(part) for part in get_args(annotation))


def _kind(annotation: Any) -> type[Any]:
    kind = next(iter(get_args(annotation)), None)
    if not (isinstance(kind, type) and issubclass(kind, ConfigurableSpec)):
        raise TypeError("say what a slot holds: Slot[FusionHeadSpec]")
    return kind


def _read(kind: type[ConfigurableSpec], value: Any) -> Slot[Any]:
    """A slot not looked up, of what stands for one in JSON."""
    if isinstance(value, Slot) and value.kind is kind:
        return value
    if isinstance(value, str):
        return Slot(kind, value, {})
    if isinstance(value, Mapping) and isinstance(value.get("id"), str):
        return Slot(kind, value["id"], {k: v for k, v in value.items() if k != "id"})
    words = kind.kind.replace("_", " ")
    raise ValueError(f"a {words} is wanted: its name, or its settings with its id beside them")
