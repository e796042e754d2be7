"""A command group that knows names and summaries, and imports a command when it is typed."""

from __future__ import annotations

import importlib
import itertools
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


class _Command(TyperCommand):
    """A command that says how a setting is given, where it is typed as an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {name for param in self.params for name in param.opts}
        if "--set" in known:
            for text, following in itertools.pairwise([*args, ""]):
                option, equals, value = text.partition("=")
                if option.startswith("--") and option not in known:
                    _refuse_setting(option, value if equals else following)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def _refuse_setting(option: str, value: str) -> None:
    from mm_core.recipe.overrides import place_of

    if option == "--target":
        raise typer.BadParameter(f"no such option: --label {value or 'COLUMN'}", param_hint=option)
    place = place_of(option.removeprefix("--").replace("-", "_"))
    if place is not None:
        raise typer.BadParameter(
            f"no such option, but a setting: --set {place}={value or 'VALUE'}", param_hint=option
        )


def command_of(
    name: str, target: Callable[..., Any] | typer.Typer, owner: str | None = None
) -> Any:
    """The typer command of a function, or the group of an app; ``owner``: id of a plugin's."""
    from mm_core.cli.run import runnable  # mm --help does not pay for the errors' pydantic

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    if not isinstance(target, typer.Typer):
        app.command(name, cls=_Command)(runnable(target, owner))
        return typer.main.get_command(app)
    app.info.name, app.info.help, app.info.no_args_is_help = name, target.info.help, True
    for one in target.registered_commands:
        assert one.callback is not None  # typer registers functions
        app.command(one.name, cls=_Command, help=one.help, hidden=one.hidden)(
            runnable(one.callback, owner)
        )
    return typer.main.get_group(app)
