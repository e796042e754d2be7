"""The hooks of mm-openmmlab: one form of checkpoints, for the plugins that stand on it. Light."""

from __future__ import annotations

from mm_core.api import API_VERSION, CheckpointFormatSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for this version of the API."""
    return PluginInfo(
        api=API_VERSION,
        summary="OpenMMLab's models for other plugins: mmdet and mmseg without a compiler",
        samples="mm_openmmlab.samples:SAMPLES",
    )


@hookimpl
def mm_checkpoint_formats() -> list[CheckpointFormatSpec]:
    """What OpenMMLab's model zoos publish."""
    return [
        CheckpointFormatSpec(
            name="pth",
            summary="a .pth file of mmdet, mmseg and their kin, or a folder that holds one",
            target="mm_openmmlab.formats:PthFile",
        )
    ]
