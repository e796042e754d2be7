"""Commands of plugins: listed without importing them, imported when they are typed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from mm_core.builtin.commands import COMMANDS, GROUP

if TYPE_CHECKING:
    from mm_core.api.specs import CommandSpec
    from mm_core.plugins.registry import Component, Registry

Files = Sequence[Path] | None


def stand_ins(files: Files) -> dict[str, TyperCommand]:
    """What can be typed -> its line of the list: a short name, or an id where the core or another
    plugin has the name too.
    """
    components = _of_plugins(files)
    lines = {_typed(component, components): component.spec.summary for component in components}
    return {
        name: TyperCommand(name, help=summary)
        for name, summary in {**_methods(files), **lines}.items()
    }


def plugged(name: str, files: Files) -> Any:
    """The typer command that a plugin has for ``name``, imported; None: there is none.

    A name that several plugins have, and a target that cannot be imported, end the process as
    errors of commands do.
    """
    from mm_core.api.config import suggest
    from mm_core.api.specs import CommandSpec
    from mm_core.cli.lazy import command_of
    from mm_core.cli.run import told
    from mm_core.plugins.lookup import ambiguous

    registry = _registry(files)
    components = _of_plugins(files)
    found = [one for one in components if name == one.spec.name]
    found = found or [one for one in registry.all(CommandSpec) if name == one.id]
    if not found and name in (methods := _methods(files)):
        from mm_core.cli.method import method_command

        return command_of(name, method_command(name, methods[name]))
    if not found:
        for problem in registry.problems:  # what is missing may be a broken plugin's
            print(f"note: not used: {problem.error.message}", file=sys.stderr)
        near = suggest(name, [*methods, *(_typed(one, components) for one in components)])
        if near:
            print(f"note: did you mean {near!r}?", file=sys.stderr)
        return None
    with told():
        if len(found) > 1:
            raise ambiguous("command", name, [one.id for one in found])
        return command_of(name, found[0].load(), found[0].id)


def handed_on(files: Sequence[Path], args: Sequence[str]) -> dict[str, Any]:
    """``--plugin`` before a command, as the default of its own ``--plugin``."""
    given: dict[str, Any] = {"plugin": [str(file) for file in files]}
    inner = {args[1]: given} if len(args) > 1 else {}  # where it is a group's command
    return {args[0]: inner | given}


def _of_plugins(files: Files) -> list[Component[CommandSpec]]:
    from mm_core.api.specs import CommandSpec
    from mm_core.plugins.discovery import CORE

    found = _registry(files).all(CommandSpec)
    return [component for component in found if component.plugin.name != CORE]


def _methods(files: Files) -> dict[str, str]:
    """Methods that are commands too -> their lines; the core's own commands go before."""
    from mm_core.plugins.offered import every_method

    return {
        method.name: method.summary
        for method in every_method(_registry(files))
        if method.command and method.name not in COMMANDS and method.name != GROUP
    }


def _typed(component: Component[CommandSpec], all_: Sequence[Component[CommandSpec]]) -> str:
    name = component.spec.name
    shared = sum(other.spec.name == name for other in all_) > 1
    return component.id if shared or name in COMMANDS or name == GROUP else name


def _registry(files: Files) -> Registry:
    from mm_core.cli.run import told
    from mm_core.plugins.registry import found_with

    with told():  # with MM_STRICT_PLUGINS=1
        return found_with(files or ())
