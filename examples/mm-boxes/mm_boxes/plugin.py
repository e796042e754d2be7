"""What mm-boxes offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import (
    BackboneSpec,
    Defaults,
    MetricSpec,
    PluginInfo,
    ProcessorSpec,
    RoleSpec,
    TaskSpec,
    hookimpl,
)

FCOS = "arxiv:2006.09214"  # Tian et al.: one box a place of the map, no anchors
IMAGE = "image:image"
"""The modality is mm-image's: columns of pictures are found as ever, and read by this plugin."""


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Object detection for mm: boxes with classes in pictures.",
        samples="mm_boxes.samples:SAMPLES",
    )


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Moves boxes together with pixels, which the image plugin's own does not."""
    return [
        ProcessorSpec(
            name="letterbox",
            summary="a picture a row in a square, its form kept; boxes move with the pixels",
            target="mm_boxes.processor:Letterbox",
            config="mm_boxes.configs:LetterboxConfig",
            modalities=(IMAGE,),
            moves=("boxes",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """Starts from the weights of mm-image."""
    return [
        BackboneSpec(
            name="pyramid",
            summary="feature maps at 1/8, 1/16 and 1/32 of a timm network",
            target="mm_boxes.backbone:Pyramid",
            config="mm_boxes.configs:PyramidConfig",
            modalities=(IMAGE,),
            provides=("spatial",),
            processor="boxes:letterbox",
            formats=("image:timm",),
        )
    ]


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """Cells that are lists of boxes ask for it by themselves; nothing else need be named."""
    return [
        TaskSpec(
            name="detection",
            summary="Boxes with classes, as many as there are; a label is a list of "
            "[x1, y1, x2, y2, class].",
            references=(FCOS,),
            target="mm_boxes.task:Boxes",
            topology="mm_boxes.topology:Finder",
            topology_config="mm_boxes.configs:FinderConfig",
            options="mm_boxes.configs:BoxOptions",
            detector="mm_boxes.detect:detect",
            roles=(RoleSpec(name="picture", summary="what the boxes lie in", modalities=(IMAGE,)),),
            defaults={IMAGE: Defaults(backbone="boxes:pyramid", processor="boxes:letterbox")},
            needs=("spatial",),
            metrics=("map", "map50"),
            default_metric="map",
            fusion=None,
        )
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """Both read the view ``boxes``, which the task gives."""
    return [
        MetricSpec(
            name="map",
            summary="Mean average precision of COCO: over classes, at IoU 0.50, 0.55, ... 0.95.",
            references=("arxiv:1405.0312",),
            target="mm_boxes.metrics:AveragePrecision",
            needs="boxes",
            higher_is_better=True,
        ),
        MetricSpec(
            name="map50",
            summary="Mean average precision over classes, at IoU 0.50.",
            target="mm_boxes.metrics:AveragePrecisionAtHalf",
            needs="boxes",
            higher_is_better=True,
        ),
    ]
