"""What a check is given: a component, its settings, and the samples of its plugin."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from mm_core.api.config import Config
from mm_core.api.errors import ConfigError
from mm_core.api.samples import Samples, Trial
from mm_core.api.slots import Slot, slot_fields
from mm_core.api.specs import ComponentSpec, ConfigurableSpec, FusionHeadSpec, LossSpec
from mm_core.plugins.discovery import CORE
from mm_core.plugins.loading import Plugin
from mm_core.plugins.registry import Component, Registry
from mm_core.testing.authoring.doctor import examine
from mm_core.testing.authoring.findings import Diagnosis

SpecT = TypeVar("SpecT", bound=ComponentSpec)
OtherT = TypeVar("OtherT", bound=ComponentSpec)

_EXCHANGED = (FusionHeadSpec, LossSpec)
"""Kinds of which the core has several that are built alike."""


@dataclass(frozen=True)
class Subject(Generic[SpecT]):
    """One component as it is tried.

    Attributes:
        component: from the registry.
        trial: its settings and known failures.
        samples: of its plugin.
        registry: everything installed, and the kit's own points.
        files: one-file plugins, for processes that look again.
    """

    component: Component[SpecT]
    trial: Trial
    samples: Samples
    registry: Registry
    files: tuple[Path, ...] = ()

    @property
    def spec(self) -> SpecT:
        """The component's record."""
        return self.component.spec

    @property
    def key(self) -> list[Any]:
        """What another process finds this subject by."""
        return [self.component.plugin.name, self.spec.kind, self.spec.name, self.trial.settings]

    @property
    def config(self) -> Config:
        """The settings of the trial."""
        return self.component.read(self.trial.settings, where=self.component.id)

    def beside(self, component: Component[OtherT]) -> Subject[OtherT]:
        """Another component of the same plugin, as its first trial tries it."""
        kind, name = component.spec.kind, component.spec.name
        trials = [one for one in self.samples.trials if (one.kind, one.name) == (kind, name)]
        trial = trials[0] if trials else Trial(kind, name)
        return Subject(component, trial, self.samples, self.registry, self.files)

    def configs(self) -> Iterator[Config]:
        """The trial's settings, then the same with every other choice of every choosable one: of
        its literals, and of the core's components in its slots.
        """
        base = self.config
        yield base
        slots = slot_fields(type(base))
        for name, field in type(base).model_fields.items():
            inner = self._alike(slots[name].kind, getattr(base, name)) if name in slots else ()
            for choice in (*_choices(field.annotation), *inner):
                if choice == getattr(base, name):
                    continue
                try:
                    yield self.component.read(
                        {**self.trial.settings, name: choice}, where=self.component.id
                    )
                except ConfigError:
                    continue  # it does not go together with the other settings

    def _alike(self, kind: type[ConfigurableSpec], held: Any) -> tuple[str, ...]:
        """The core's components that may stand in a slot instead of the one that does."""
        if not isinstance(held, Slot) or kind not in _EXCHANGED:
            return ()
        return tuple(
            one.id
            for one in self.registry.all(kind)
            if one.plugin.name == CORE and one.id != held.id and _needs(one) == _needs(held)
        )


@dataclass(frozen=True)
class PluginSubject:
    """A plugin as a whole."""

    plugin: Plugin
    registry: Registry
    samples: Samples

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What the doctor finds."""
        return examine(self.plugin.name)[0]


def shown(config: Config) -> str:
    """Settings that differ from the defaults, for messages."""
    said = config.model_dump(exclude_defaults=True, mode="json")
    return ", ".join(f"{name}={value}" for name, value in said.items()) or "default settings"


def _needs(chosen: Component[Any] | Slot[Any]) -> Any:
    return chosen.spec.needs


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if annotation is bool:
        return (False, True)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(annotation)
    return ()
