"""A command group that knows names and summaries, and imports a command when it is typed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class Lazy:
    """A command that is not imported yet.

    Attributes:
        target: ``"package.module:function"``.
        summary: its line in the list of commands.
    """

    target: str
    summary: str


class LazyGroup(TyperGroup):
    """Subclasses name their ``lazy`` commands; those stand before the ones given to typer."""

    lazy: ClassVar[Mapping[str, Lazy]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        stand_ins = {
            name: TyperCommand(name, help=entry.summary) for name, entry in self.lazy.items()
        }
        self.commands = {**stand_ins, **self.commands}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that ``args`` begin with; typer asks for it to run or complete it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.lazy:
            module, _, function = self.lazy[name].target.partition(":")
            command = command_of(name, getattr(importlib.import_module(module), function))
        return name, command, rest


def command_of(name: str, function: Callable[..., Any], owner: str | None = None) -> Any:
    """The typer command of a function; ``owner`` is the id of a plugin's command."""
    from mm_core.cli.run import runnable  # mm --help does not pay for the errors' pydantic

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(runnable(function, owner))
    return typer.main.get_command(app)
