"""Presets: data that plugins give; merged without conflict or not at all."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError
from mm_core.api.specs import PresetSpec
from mm_core.plugins.registry import Registry

DEFAULT_PRESET = "high_quality"
TRAINING = "training."
CHOICES = ("backbones.", "processors.", "fusion.", "fit.")
"""Beginnings of the keys by which a task's preset chooses components."""


def is_of_task(key: str) -> bool:
    """Whether only presets of tasks may set it: of training, or a choice of components."""
    return key.startswith((TRAINING, *CHOICES))


@dataclass(frozen=True)
class Presets:
    """The presets chosen for one fit."""

    specs: tuple[tuple[str, PresetSpec], ...]
    names: tuple[str, ...]

    def values(self, component: str, decided: Container[str] = ()) -> tuple[dict[str, Any], str]:
        """Keys that the presets set for a component, and the origin to write beside them.

        A component that the chosen presets do not mention gets the default preset's values.

        Args:
            component: its id.
            decided: keys that the user sets, and presets may differ on.

        Raises:
            ConfigError: two presets set one key of the component.
        """
        for names in (self.names, (DEFAULT_PRESET,)):
            found = [
                (f"{spec.name} of plugin {plugin}", spec.values)
                for plugin, spec in self.specs
                if spec.name in names and component in spec.components
            ]
            if found:
                return _merged(found, component, decided), f"preset {'+'.join(names)}"
        return {}, "default"


def choose_presets(names: str | Sequence[str] | None, registry: Registry) -> Presets:
    """The presets a user names; None: ``high_quality``.

    Raises:
        ConfigError: no installed plugin knows the name.
    """
    wanted = (names,) if isinstance(names, str) else tuple(names or (DEFAULT_PRESET,))
    specs = tuple((component.plugin.name, component.spec) for component in registry.all(PresetSpec))
    known = sorted({spec.name for _, spec in specs})
    for name in wanted:
        if name not in known:
            near = suggest(name, known)
            raise ConfigError(
                f"no preset {name!r}",
                value=name,
                remedy=f"did you mean {near!r}?" if near else f"presets: {', '.join(known)}",
            )
    return Presets(specs, wanted)


def _merged(
    found: Sequence[tuple[str, dict[str, Any]]], component: str, decided: Container[str]
) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    source: dict[str, str] = {}
    for name, values in found:
        for key, value in values.items():
            if key in merged and merged[key] != value and key not in decided:
                raise ConfigError(
                    f"two presets set {key!r} of {component}: {source[key]} ({merged[key]!r}) "
                    f"and {name} ({value!r})",
                    plugin=component,
                    value=key,
                    remedy="choose one of them, or set the key yourself in hyperparameters",
                )
            merged[key] = value
            source[key] = name
    return merged
