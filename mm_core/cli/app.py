"""The table of commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

import mm_core
from mm_core.builtin.commands import COMMANDS, GROUP
from mm_core.cli.lazy import Lazy, LazyGroup
from mm_core.cli.plugged import handed_on, plugged, stand_ins


class Commands(LazyGroup):
    """``mm ...``: the core's commands, and those of plugins."""

    lazy: ClassVar[Mapping[str, Lazy]] = {name: Lazy(*entry) for name, entry in COMMANDS.items()}

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for ``mm --help``, which loads the light modules of plugins for it."""
        return [*super().list_commands(ctx), *self._of_plugins(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What stands for a command in the list."""
        own = super().get_command(ctx, cmd_name)
        return own if own is not None else self._of_plugins(ctx).get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is typed: the core's, or else a plugin's."""
        files = ctx.params.get("plugin")
        if files:  # mm --plugin x.py fit ... is mm fit --plugin x.py ...
            ctx.default_map = handed_on(files, args)
        if super().get_command(ctx, args[0]) is None:
            command = plugged(args[0], files)
            if command is not None:
                return args[0], command, args[1:]
        return super().resolve_command(ctx, args)

    def _of_plugins(self, ctx: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = ctx.meta.get("mm.plugged")
        if found is None:
            found = ctx.meta["mm.plugged"] = stand_ins(ctx.params.get("plugin"))
        return found


class PluginCommands(LazyGroup):
    """``mm plugins ...``"""

    lazy: ClassVar[Mapping[str, Lazy]] = {
        "list": Lazy("mm_core.cli.plugins:list_plugins", "Show the plugins and their components."),
        "show": Lazy("mm_core.cli.plugins:show", "Show one plugin, or one component, in full."),
        "check": Lazy("mm_core.cli.check:check", "Try a plugin against the rules of its contract."),
        "doctor": Lazy("mm_core.cli.doctor:doctor", "Look for what is wrong with each plugin."),
        "new": Lazy("mm_core.cli.new:new", "Write a new plugin: a package that works, with tests."),
        "schema": Lazy("mm_core.cli.schema:schema", "Write a JSON schema of all settings."),
    }


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(
    typer.Typer(cls=PluginCommands, no_args_is_help=True),
    name=GROUP,
    help="Show what is installed, and what cannot be used and why.",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"mm-core {mm_core.__version__}")
        raise typer.Exit


@app.callback()
def mm(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            is_eager=True,  # before --help
            help="A one-file plugin to load, for its commands too; may be repeated.",
        ),
    ] = None,
) -> None:
    """Train on tables of text, images and numbers: mm fit train.csv --label y"""
