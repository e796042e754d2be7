"""What mm-compare offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, ModelMethodSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Settings compared on the same splits, models without some of their inputs.",
        samples="mm_compare.samples:SAMPLES",
    )


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """``mm compare``."""
    return [
        CommandSpec(
            name="compare",
            summary="Compare values of settings on the same splits of a table.",
            references=("doi:10.1023/A:1024068626366",),
            target="mm_compare.command:compare",
        )
    ]


@hookimpl
def mm_methods() -> list[ModelMethodSpec]:
    """``predictor.robustness(data)`` and ``mm robustness``."""
    return [
        ModelMethodSpec(
            name="robustness",
            summary="Scores of a model with each subset of its inputs, and with cells missing.",
            target="mm_compare.robustness:robustness",
            command=True,
        )
    ]
