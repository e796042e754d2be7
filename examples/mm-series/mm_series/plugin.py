"""What mm-series offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import BackboneSpec, ModalitySpec, PluginInfo, PresetSpec, ProcessorSpec, hookimpl

_WIDTHS = {"medium_quality": 32, "high_quality": 64, "best_quality": 128}


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Time series as cells: lists of numbers, JSON, '0.1;0.2;0.3'.",
        samples="mm_series.samples:SAMPLES",
    )


@hookimpl
def mm_modalities() -> list[ModalitySpec]:
    """All columns of series become one input."""
    return [
        ModalitySpec(
            name="series",
            summary="Univariate time series of any length, one in each cell.",
            detector="mm_series.detect:detect",
            kinds=("array", "json", "separated"),
            processor="series:points",
            backbone="series:resnet",
        )
    ]


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Cells to arrays."""
    return [
        ProcessorSpec(
            name="points",
            summary="Standardised points with masks, padded to the longest series of a batch.",
            target="mm_series.processor:PointsProcessor",
            config="mm_series.configs:PointsConfig",
            modalities=("series",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """Arrays to features."""
    return [
        BackboneSpec(
            name="resnet",
            summary="Residual 1-D convolutions; the columns of a row are its channels.",
            references=("arxiv:1611.06455",),
            target="mm_series.backbone:SeriesResNet",
            config="mm_series.configs:SeriesResNetConfig",
            modalities=("series",),
            provides=("pooled", "tokens"),
            processor="series:points",
            alone={"epochs": 40, "head_learning_rate": 2e-3, "patience": 12},
        )
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """Wider networks for better answers."""
    return [
        PresetSpec(
            name=name,
            summary=f"{width} channels",
            components=("series:resnet",),
            values={"width": width},
        )
        for name, width in _WIDTHS.items()
    ]
