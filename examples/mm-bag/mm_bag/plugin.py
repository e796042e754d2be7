"""What mm-bag offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import FitterSpec, PluginInfo, RuntimeSpec, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Bags for mm: several models in one, each fitted on folds of the rows.",
        samples="mm_bag.samples:SAMPLES",
    )


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """It splits the rows itself, and its members read the cells."""
    return [
        FitterSpec(
            name="bag",
            summary="Models by several recipes on folds of the rows; their mean answers.",
            references=("doi:10.1007/BF00058655",),
            target="mm_bag.bag:Bag",
            config="mm_bag.configs:BagConfig",
            reads="rows",
            runtime="bag:models",
            holds_out=False,
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers: whole models, each with its own processors and engine."""
    return [
        RuntimeSpec(
            name="models",
            summary="The mean of several models.",
            target="mm_bag.models:Models",
        )
    ]
