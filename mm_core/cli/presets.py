"""``mm presets``"""

from __future__ import annotations

from typing import Any

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.plugins import registry_of


def presets(plugin: opt.Plugins = None, as_json: opt.AsJson = False) -> Answer:
    """Show the presets and what they set."""
    from mm_core.api.specs import PresetSpec
    from mm_core.recipe.presets import DEFAULT_PRESET

    found: dict[str, dict[str, Any]] = {}
    for component in registry_of(plugin).all(PresetSpec):
        spec = component.spec
        entry = {
            "plugin": component.plugin.name,
            "summary": spec.summary,
            "components": list(spec.components),
            "values": spec.values,
        }
        preset = found.setdefault(spec.name, {"default": spec.name == DEFAULT_PRESET, "parts": []})
        preset["parts"].append(entry)
    return Answer(found, "\n".join(line for pair in found.items() for line in _lines(*pair)))


def _lines(name: str, preset: dict[str, Any]) -> list[str]:
    from mm_core.cli.catalogue import typed

    lines = [f"{name} (default)" if preset["default"] else name]
    for part in preset["parts"]:
        lines.append(f"  {', '.join(part['components'])}: {part['summary']}")
        lines += [f"    {key} = {typed(value)}" for key, value in part["values"].items()]
    return [*lines, ""]
