"""What mm-report offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, ModelMethodSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Why a model answers so, how good it is and where it fails.",
        samples="mm_report.samples:SAMPLES",
    )


@hookimpl
def mm_methods() -> list[ModelMethodSpec]:
    """Of models of any kind: they are asked again with parts of their rows left out."""
    return [
        ModelMethodSpec(
            name="explain",
            summary="Say what each input, column, word and part of a picture adds to an answer.",
            target="mm_report.explain:explain",
            command=True,
        ),
        ModelMethodSpec(
            name="report",
            summary="Write a page on how good the model is and where it fails.",
            target="mm_report.report:report",
        ),
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """``mm report model/ test.csv``, ``mm report compare a/ b/``."""
    return [
        CommandSpec(
            name="report",
            summary="Write a page on a model, or on two side by side.",
            target="mm_report.command:report",
        )
    ]
