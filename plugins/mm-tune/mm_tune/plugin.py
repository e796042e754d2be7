"""What mm-tune offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Search for settings: Optuna, pruned, resumable, on several machines by Ray.",
        samples="mm_tune.samples:SAMPLES",
    )


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """The search as a command."""
    return [
        CommandSpec(
            name="tune",
            summary="Search for settings; the best ones are a recipe.",
            references=("arxiv:1907.10902",),
            target="mm_tune.command:tune",
        )
    ]
