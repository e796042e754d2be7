"""``mm plugins list`` and ``mm plugins show``: light, and at home among broken plugins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt

if TYPE_CHECKING:
    from mm_core.plugins.registry import Registry


def registry_of(files: Sequence[Path] | None) -> Registry:
    """What is installed, and one-file plugins."""
    from mm_core.plugins.registry import Registry

    return Registry(local=files or ())


def list_plugins(plugin: opt.Plugins = None, as_json: opt.AsJson = False) -> Answer:
    """Show the plugins and their components, and the ones that cannot be used and why."""
    from mm_core.cli.catalogue import overview, overview_text

    data = overview(registry_of(plugin))
    return Answer(data, overview_text(data))


def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", show_default=False, help="A plugin, or a component's id."),
    ],
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
) -> Answer:
    """Show one plugin, or one component, in full: summaries, checkpoints, settings, problems.

    Example: mm plugins show tabular
    """
    from mm_core.cli.catalogue import details, details_text

    data: dict[str, Any] = details(registry_of(plugin), name)
    return Answer(data, details_text(data))
