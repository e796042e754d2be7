"""What is installed, as JSON-able facts and as text. Imports light modules of plugins only."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from mm_core.api.config import suggest
from mm_core.api.errors import PluginLoadError, UnknownComponentError
from mm_core.api.specs import ConfigurableSpec
from mm_core.plugins.discovery import PluginProblem
from mm_core.plugins.known import install_line, plugin_offering
from mm_core.plugins.loading import Plugin, component_hooks
from mm_core.plugins.registry import Component, Registry


def overview(registry: Registry) -> dict[str, Any]:
    """Every plugin with the names of its components by kind, and every problem."""
    return {
        "plugins": [
            {**_plugin(plugin), "components": _names(registry, plugin)}
            for plugin in registry.plugins
        ],
        "problems": [_problem(problem) for problem in registry.problems],
    }


def details(registry: Registry, name: str) -> dict[str, Any]:
    """A plugin with all facts of its components; only the ones of that name for a component's name.

    Raises:
        UnknownComponentError: no plugin or component is called that.
    """
    plugins = [plugin for plugin in registry.plugins if plugin.name == name]
    problems = [_problem(problem) for problem in registry.problems if problem.name == name]
    components = [one for one in _all(registry) if one.plugin.name == name]
    if not plugins and not problems:
        components = [one for one in _all(registry) if name in (one.id, one.spec.name)]
        owners = {one.plugin.name for one in components}
        plugins = [plugin for plugin in registry.plugins if plugin.name in owners]
    if not plugins and not problems:
        raise _unknown(registry, name)
    return {
        "plugins": [_plugin(plugin) for plugin in plugins],
        "components": [_component(one) for one in components],
        "problems": problems,
    }


def overview_text(data: dict[str, Any]) -> str:
    """The overview for people."""
    lines: list[str] = []
    for plugin in data["plugins"]:
        lines += _plugin_lines(plugin)
        kinds = plugin["components"]
        width = max(map(len, kinds), default=0)
        for kind, names in kinds.items():
            lines += hang(f"  {kind:<{width}}  ", ", ".join(names))
        lines.append("")
    return "\n".join([*lines, *_problem_lines(data["problems"])]).rstrip()


def details_text(data: dict[str, Any]) -> str:
    """The details for people."""
    lines: list[str] = []
    for plugin in data["plugins"]:
        lines += _plugin_lines(plugin)
    for component in data["components"]:
        lines += ["", *_component_lines(component)]
    if data["problems"]:
        lines += ["", *_problem_lines(data["problems"])]
    return "\n".join(lines).strip()


def typed(value: Any) -> str:
    """A setting as it can be typed after ``--set key=``."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ---- facts -------------------------------------------------------------------------------------


def _all(registry: Registry) -> Iterator[Component[Any]]:
    for spec in sorted(component_hooks().values(), key=lambda spec: spec.kind):
        yield from registry.all(spec)


def _names(registry: Registry, plugin: Plugin) -> dict[str, list[str]]:
    names: dict[str, dict[str, None]] = {}
    for component in _all(registry):
        if component.plugin == plugin:
            names.setdefault(component.spec.kind, {})[component.spec.name] = None
    return {kind: list(unique) for kind, unique in names.items()}


def _plugin(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "file": None if plugin.file is None else str(plugin.file),
        "api": list(plugin.info.api),
        "summary": plugin.info.summary,
    }


def _problem(problem: PluginProblem) -> dict[str, Any]:
    return {
        "name": problem.name,
        "distribution": problem.distribution,
        "version": problem.version,
        "error": problem.error.message,
        "remedy": problem.error.remedy,
    }


def _component(component: Component[Any]) -> dict[str, Any]:
    facts = {
        "id": component.id,
        "kind": component.spec.kind,
        **component.spec.model_dump(mode="json", exclude={"name"}),
    }
    if isinstance(component.spec, ConfigurableSpec):
        space = component.spec.search_space
        facts["search_space"] = {key: str(search) for key, search in space.items()}
    if isinstance(getattr(component.spec, "config", None), str):
        try:
            facts["settings"] = _settings(component)
        except PluginLoadError as error:
            facts["problem"] = str(error)
    return facts


def _settings(component: Component[Any]) -> dict[str, Any]:
    fields = component.config_class().model_fields
    return {
        name: {
            "type": _type(field.annotation),
            "default": _default(field),
            "required": field.is_required(),
            "description": field.description or "",
        }
        for name, field in fields.items()
    }


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    return None if value is PydanticUndefined else to_jsonable_python(value, fallback=repr)


def _type(annotation: Any) -> str:
    """A type as it can be read: ``float | 'auto' | null``, with JSON's word for none."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return " | ".join(map(repr, parts))
    if origin in (Union, UnionType):
        return " | ".join(map(_type, parts))
    if annotation in (None, type(None)):
        return "null"
    name = getattr(origin or annotation, "__name__", str(annotation))
    inner = ", ".join("..." if part is Ellipsis else _type(part) for part in parts)
    return f"{name}[{inner}]" if parts else name


def _unknown(registry: Registry, name: str) -> UnknownComponentError:
    plugins = [plugin.name for plugin in registry.plugins]
    kinds = {spec.kind for spec in component_hooks().values()}
    owners = sorted(filter(None, (plugin_offering(kind, name) for kind in kinds)))
    near = suggest(name, [*plugins, *(one.id for one in _all(registry))])
    return UnknownComponentError(
        f"no plugin or component is called {name!r}",
        value=name,
        remedy=install_line(owners[0] if owners else name)  # that very name, not one like it
        or (f"did you mean {near!r}?" if near else f"plugins: {', '.join(plugins)}"),
    )


# ---- text --------------------------------------------------------------------------------------

_SHOWN_APART = ("id", "kind", "summary", "settings", "cards", "problem", "target", "config")
_SETTING_WIDTH = 30


def _plugin_lines(plugin: dict[str, Any]) -> list[str]:
    origin = plugin["file"] or f"{plugin['distribution'] or 'unknown'} {plugin['version'] or ''}"
    return hang(f"{plugin['name']}  ", f"({origin.strip()}) {plugin['summary']}", deep=False)


def _problem_lines(problems: list[dict[str, Any]]) -> list[str]:
    lines = ["not used:"] if problems else []
    for problem in problems:
        lines += hang(f"  {problem['name']}: ", problem["error"], deep=False)
        lines += hang("    -> ", problem["remedy"]) if problem["remedy"] else []
    return lines


def _component_lines(component: dict[str, Any]) -> list[str]:
    lines = hang(f"{component['kind']} {component['id']}  ", component["summary"], deep=False)
    for key, value in component.items():
        if key not in _SHOWN_APART and value not in (None, [], {}):
            lines += hang(f"  {key}: ", _plain(value))
    for card in component.get("cards", ()):
        lines += hang(f"  checkpoint {card['name']}: ", _card(card), deep=False)
    for name, setting in component.get("settings", {}).items():
        said = "(required)" if setting["required"] else f"= {typed(setting['default'])}"
        head = f"  {name} {said}"
        if len(head) > _SETTING_WIDTH:
            lines.append(head)
            head = ""
        lines += hang(
            f"{head:<{_SETTING_WIDTH}}  ", f"{setting['description']} ({setting['type']})"
        )
    if "problem" in component:
        lines += hang("  problem: ", component["problem"])
    return lines


def _card(card: dict[str, Any]) -> str:
    size = f"{card['parameters'] / 1e6:.3g}M parameters" if card["parameters"] else None
    more = [fact for fact in (size, card["license"], card["reference"]) if fact]
    return f"{card['summary']} ({', '.join(more)})" if more else str(card["summary"])


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} = {typed(inner)}" for key, inner in value.items())
    return typed(value)


def hang(head: str, text: str, deep: bool = True) -> list[str]:
    """``head`` and ``text``, wrapped to the terminal, with a deep or a shallow hanging indent."""
    indent = " " * (len(head) if deep else len(head) - len(head.lstrip()) + 4)
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.wrap(
        " ".join(text.split()), width, initial_indent=head, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    ) or [head.rstrip()]  # fmt: skip
