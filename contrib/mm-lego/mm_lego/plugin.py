"""What mm-lego offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, FusionHeadSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0), summary="Models of one modality each, merged without training them together."
    )


@hookimpl
def mm_fusion_heads() -> list[FusionHeadSpec]:
    """LegoMerge, which is LegoBlock where there is one input, and LegoFuse."""
    return [
        FusionHeadSpec(
            name="merge",
            summary="A block for each input, trained alone or together, merged by formula.",
            references=("arxiv:2405.19950",),
            target="mm_lego.heads:LegoMerge",
            config="mm_lego.configs:MergeConfig",
        ),
        FusionHeadSpec(
            name="fuse",
            summary="One latent through the blocks of all inputs: stacked or woven.",
            references=("arxiv:2405.19950",),
            target="mm_lego.heads:LegoFuse",
            config="mm_lego.configs:FuseConfig",
        ),
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """``mm merge``."""
    return [
        CommandSpec(
            name="merge",
            summary="Merge models of different inputs, each trained by itself.",
            references=("arxiv:2405.19950",),
            target="mm_lego.command:merge",
        )
    ]
