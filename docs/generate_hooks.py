"""Writes docs/plugins/hooks.md from the hook specifications and the records they return.

    python docs/generate_hooks.py

A test compares the file with what this gives, so that the page cannot drift from the code.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mm_core.api import hookspecs, specs

PAGE = Path(__file__).parent / "plugins" / "hooks.md"

INTRODUCTION = f"""\
# Hooks

<!-- written by docs/generate_hooks.py; do not edit -->

A plugin is a light module with some of these functions, each marked `@hookimpl`, named by an entry
point in the group `{hookspecs.ENTRY_POINT_GROUP}`. Each returns records; none does work. Targets
are strings `"package.module:Name"`, imported when they are chosen. The plugin API is version
{specs.API_VERSION[0]}.{specs.API_VERSION[1]}: a plugin loads where the major number is the same and
its minor number is not above the core's.

[The tutorial](tutorial.md) writes a first plugin; [the guides](README.md) hold the classes behind
the targets, with an example for each hook. `Target` is a string `"package.module:Name"`, `Name` a
lower-case name, `ComponentId` an id `"plugin:name"`.
"""


def page() -> str:
    """The whole page."""
    hooks = [
        (name, function)
        for name, function in vars(hookspecs).items()
        if name.startswith("mm_") and inspect.isfunction(function)
    ]
    return "\n".join([INTRODUCTION, *(_section(name, function) for name, function in hooks)])


def signature(name: str, function: Any) -> str:
    """``mm_tasks() -> Sequence[TaskSpec]``."""
    return f"{name}() -> {function.__annotations__['return']}"


def _section(name: str, function: Any) -> str:
    returned = get_type_hints(function)["return"]
    record: type[BaseModel] = getattr(returned, "__args__", (returned,))[0]
    rows = [
        f"| `{field}` | `{_type(record, field)}` | {_default(info)} | {_words(info)} |"
        for field, info in record.model_fields.items()
    ]
    return "\n".join(
        [
            f"## `{signature(name, function)}`",
            "",
            inspect.getdoc(function) or "",
            "",
            "| field | type | default | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _type(record: type[BaseModel], field: str) -> str:
    """The annotation as it is written."""
    owner = next(cls for cls in record.__mro__ if field in inspect.get_annotations(cls))
    return str(inspect.get_annotations(owner)[field]).replace("|", "\\|")


def _words(info: FieldInfo) -> str:
    return (info.description or "").replace("|", "or")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    return f"`{info.get_default(call_default_factory=True)!r}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
