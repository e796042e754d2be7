"""What mm-tabicl offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import Defaults, FitterSpec, NoteSpec, PluginInfo, RuntimeSpec, hookimpl
from mm_tabicl.answers import LOSSES

PAPERS = ("arxiv:2602.11139", "arxiv:2502.05564")  # TabICLv2, TabICL: Qu et al. 2026, 2025
LICENSE = "BSD-3-Clause (the package tabicl); of the weights see hf.co/jingang/TabICL"


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="TabICL: tables answered in context by a pretrained network, without training.",
        samples="mm_tabicl.samples:SAMPLES",
    )


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """It reads numbers without the ranks that networks get: TabICL scales them itself."""
    return [
        FitterSpec(
            name="in_context",
            summary="The training rows are the context of a pretrained network; nothing is "
            "trained, and the model holds the rows.",
            references=PAPERS,
            license=LICENSE,
            target="mm_tabicl.fitting:InContext",
            config="mm_tabicl.configs:InContextConfig",
            reads="inputs",
            modalities=("tabular",),
            defaults={
                "tabular": Defaults(processor="tabular:table", settings={"scaling": "standard"})
            },
            runtime="tabicl:in_context",
            training=("loss", "seed"),
            losses=tuple(LOSSES),
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers."""
    return [
        RuntimeSpec(
            name="in_context",
            summary="A pretrained network that reads answers from the rows kept beside it.",
            references=PAPERS,
            license=LICENSE,
            target="mm_tabicl.engine:InContextEngine",
        )
    ]


@hookimpl
def mm_notes() -> list[NoteSpec]:
    """Too many rows are told before anything is fitted."""
    return [
        NoteSpec(
            name="context_rows",
            summary="Says where there are more rows than a context may have.",
            says="mm_tabicl.advice:of_too_many_rows",
        )
    ]
