"""What mm-serve offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Models behind an HTTP API, with a page to try them on.",
        samples="mm_serve.samples:SAMPLES",
    )


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """A server of one model."""
    return [
        CommandSpec(
            name="serve",
            summary="Answer requests over HTTP, and show a page to try the model on.",
            target="mm_serve.command:serve",
        )
    ]
