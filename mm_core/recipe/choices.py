"""Which components read a modality, where something names others than the modality's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mm_core.api.errors import ConfigError
from mm_core.api.specs import BackboneSpec, Defaults
from mm_core.plugins.registry import Component
from mm_core.recipe.inputs import PlannedInput


@dataclass(frozen=True)
class Choices:
    """Components by modality, of those who may choose some: what stands first counts.

    Attributes:
        layers: (who, modality's id or name -> components).
    """

    layers: tuple[tuple[str, Mapping[str, Defaults]], ...]

    def backbone(self, plan: PlannedInput) -> tuple[str, str]:
        """Id of the backbone of an input, and who says so."""
        found = self._first(plan, "backbone")
        return found or (plan.modality.spec.backbone, f"modality {plan.modality.id}")

    def processor(
        self, plan: PlannedInput, reader: Component[BackboneSpec] | None
    ) -> tuple[str, str]:
        """Id of the processor of an input, which a backbone may read, and who says so."""
        found = self._first(plan, "processor")
        if found is not None:
            return found
        own = None if reader is None else reader.spec.processor_of(*plan.names)
        if reader is not None and own is not None:
            return own, f"backbone {reader.id}"
        return plan.modality.spec.processor, f"modality {plan.modality.id}"

    def settings(self, plan: PlannedInput, processor: str) -> tuple[str, Mapping[str, Any]]:
        """Who names this processor for an input, and what is set of it by whoever does."""
        found = self._layer(plan, "processor")
        if found is None or found[0].processor != processor:
            return "", {}
        return found[1], found[0].settings

    def _first(self, plan: PlannedInput, what: str) -> tuple[str, str] | None:
        found = self._layer(plan, what)
        return None if found is None else (getattr(found[0], what), found[1])

    def _layer(self, plan: PlannedInput, what: str) -> tuple[Defaults, str] | None:
        """The first that chooses it, and who that is."""
        for who, layer in self.layers:
            for name in plan.names:
                chosen = layer.get(name)
                if chosen is not None and getattr(chosen, what) is not None:
                    return chosen, who
        return None


def chosen_by_preset(values: Mapping[str, Any], origin: str) -> dict[str, Defaults]:
    """``backbones.<modality>.id`` and ``processors.<modality>.id`` of a task's preset.

    Raises:
        ConfigError: a preset sets something else of them.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, rest = key.partition(".")
        modality, _, last = rest.rpartition(".")
        if section in ("backbones", "processors") and (last != "id" or not modality):
            raise ConfigError(
                f"{origin} sets {key}: a task's preset chooses {section}.<modality>.id only",
                value=key,
                remedy="report this to the plugin; meanwhile choose another preset",
            )
        if section in ("backbones", "processors"):
            found.setdefault(modality, {})[section.removesuffix("s")] = value
    return {modality: Defaults(**components) for modality, components in found.items()}
