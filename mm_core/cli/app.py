"""The table of commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer

import mm_core
from mm_core.cli.lazy import Lazy, LazyGroup


class Commands(LazyGroup):
    """``mm ...``"""

    lazy: ClassVar[Mapping[str, Lazy]] = {
        "fit": Lazy("mm_core.cli.fit:fit", "Train a model on a table and save it."),
        "evaluate": Lazy("mm_core.cli.evaluate:evaluate", "Score a model on labelled rows."),
        "predict": Lazy("mm_core.cli.predict:predict", "Answer each row of a table."),
        "embed": Lazy("mm_core.cli.embed:embed", "Write one vector per row."),
        "save": Lazy(
            "mm_core.cli.save:save", "Save a model once more: smaller, or with its adapters merged."
        ),
        "plan": Lazy("mm_core.cli.plan:plan", "Show what fit would do, and why, without training."),
        "inspect": Lazy("mm_core.cli.inspect:inspect", "Show what a saved model consists of."),
        "presets": Lazy("mm_core.cli.presets:presets", "Show the presets and what they set."),
        "demo": Lazy("mm_core.demo:demo", "Train on real data and write a report."),
    }


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
    name="plugins",
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
) -> None:
    """Train on tables of text, images and numbers: mm fit train.csv --label y"""
