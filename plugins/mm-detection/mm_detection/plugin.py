"""The hooks of mm-detection: names and records only; what they name is imported when chosen."""

from __future__ import annotations

from mm_core.api import (
    API_VERSION,
    BackboneSpec,
    CheckpointFormatSpec,
    CommandSpec,
    Defaults,
    MethodSpec,
    MetricSpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    ReaderSpec,
    RoleSpec,
    TaskSpec,
    hookimpl,
)
from mm_detection.presets import (
    DINO_CARDS,
    HF_CARDS,
    INSTANCE_CARDS,
    MASK_CARDS,
    PRESETS,
    TIMM_CARDS,
)

IMAGE = "image:image"
"""The modality is mm-image's: columns of pictures are found as ever, and read by this plugin."""

METHODS = tuple(
    MethodSpec(name=name, summary=summary, target=f"mm_detection.methods:{name}")
    for name, summary in (
        ("visualize", "pictures of what is there beside what was found"),
        ("overlays", "answers as a page draws them over the pictures"),
        ("confusion", "how often a box of each class was found as which"),
        ("predict_coco", "what was found as a COCO document"),
        ("predict_slices", "boxes of large pictures, looked at in slices"),
    )
)

BOX_METRICS = ("map", "map_50", "map_75", "mar")

COCO = "arxiv:1405.0312"


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for this version of the API."""
    return PluginInfo(
        api=API_VERSION,
        summary="Object detection: boxes with classes in pictures, and masks of them",
        samples="mm_detection.samples:SAMPLES",
    )


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Moves boxes together with pixels, which the image plugin's own does not."""
    return [
        ProcessorSpec(
            name="letterbox",
            summary="a picture a row in a square; boxes and masks move with the pixels",
            target="mm_detection.letterbox:Letterbox",
            config="mm_detection.configs:LetterboxConfig",
            modalities=(IMAGE,),
            moves=("boxes", "masks"),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """Whole detectors: what they give is what they say of every place of a picture."""
    return [
        BackboneSpec(
            name="torchvision",
            summary="FCOS, RetinaNet, Faster R-CNN, SSDlite or Mask R-CNN on any timm network",
            references=(
                "arxiv:2006.09214",
                "arxiv:1708.02002",
                "arxiv:1506.01497",
                "arxiv:1703.06870",
            ),
            target="mm_detection.torchvision_detector:TorchvisionDetector",
            config="mm_detection.configs:TorchvisionConfig",
            modalities=(IMAGE,),
            provides=("detections",),
            processor="detection:letterbox",
            formats=("image:timm",),
            cards=TIMM_CARDS,
        ),
        BackboneSpec(
            name="hf",
            summary="any detector of transformers: D-FINE, RT-DETRv2, Deformable DETR, YOLOS, ...",
            references=("https://huggingface.co/docs/transformers",),
            target="mm_detection.hf_detector:HFDetector",
            config="mm_detection.configs:HFDetectorConfig",
            modalities=(IMAGE,),
            provides=("detections",),
            processor="detection:letterbox",
            formats=("hf",),
            cards=HF_CARDS,
        ),
        BackboneSpec(
            name="hf_masks",
            summary="Mask2Former, MaskFormer and EoMT of transformers: a mask of each thing",
            references=("arxiv:2112.01527", "arxiv:2107.06278", "arxiv:2503.19108"),
            target="mm_detection.hf_masks:HFMasks",
            config="mm_detection.configs:HFMasksConfig",
            modalities=(IMAGE,),
            provides=("detections",),
            processor="detection:letterbox",
            formats=("hf_masks",),
            cards=MASK_CARDS,
        ),
        BackboneSpec(
            name="hf_instances",
            summary="RF-DETR-Seg of transformers: a box and a mask of each thing",
            references=("arxiv:2511.09554",),
            target="mm_detection.hf_instances:HFInstances",
            config="mm_detection.configs:HFInstancesConfig",
            modalities=(IMAGE,),
            provides=("detections",),
            processor="detection:letterbox",
            formats=("hf_instances",),
            cards=INSTANCE_CARDS,
        ),
        BackboneSpec(
            name="dino",
            summary="DINO of mmdet, or any other of its detectors by config: YOLOX, RTMDet, ...",
            references=("arxiv:2203.03605", "https://github.com/open-mmlab/mmdetection"),
            target="mm_detection.mmdet_detector:MMDetDetector",
            config="mm_detection.configs:DinoConfig",
            modalities=(IMAGE,),
            provides=("detections",),
            processor="detection:letterbox",
            formats=("openmmlab:pth",),
            cards=DINO_CARDS,
        ),
    ]


@hookimpl
def mm_checkpoint_formats() -> list[CheckpointFormatSpec]:
    """Folders of transformers, and what their pictures were like."""
    return [
        CheckpointFormatSpec(
            name="hf",
            summary="a folder with config.json and weights of a detector, as transformers saves it",
            target="mm_detection.formats:DetectorFolder",
        ),
        CheckpointFormatSpec(
            name="hf_masks",
            summary="the same of a model that finds things by their masks",
            target="mm_detection.formats:MaskFolder",
        ),
        CheckpointFormatSpec(
            name="hf_instances",
            summary="the same of a model that finds boxes and draws their masks",
            target="mm_detection.formats:InstanceFolder",
        ),
    ]


@hookimpl
def mm_readers() -> list[ReaderSpec]:
    """Labels as other tools have them: columns image, rois."""
    listed = {
        "coco": "COCO's .json; its image ids are the index",
        "voc": "a VOC folder, or a list of its ImageSets",
        "yolo": "a YOLO folder, a part of it, or its data.yaml",
        "labelme": "LabelMe's .json, or a folder of them",
        "pictures": "a picture, a list of paths, or a folder of nothing but pictures: no labels",
    }
    return [
        ReaderSpec(
            name=name,
            summary=summary,
            claims=f"mm_detection.claims:{name}",
            target=f"mm_detection.readers:read_{name}",
            order=60 if name == "pictures" else 50,
        )
        for name, summary in listed.items()
    ]


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """Cells that are lists of boxes ask for it by themselves; nothing else need be named."""
    return [
        TaskSpec(
            name="object_detection",
            summary="Boxes with classes, as many as there are; a label is a list of "
            "[x1, y1, x2, y2, class].",
            target="mm_detection.task:ObjectDetection",
            config="mm_detection.configs:DetectionConfig",
            topology="mm_detection.topology:Finder",
            options="mm_detection.configs:BoxOptions",
            detector="mm_detection.detect:detect",
            roles=(RoleSpec(name="picture", summary="what the boxes lie in", modalities=(IMAGE,)),),
            defaults={
                IMAGE: Defaults(backbone="detection:torchvision", processor="detection:letterbox")
            },
            needs=("detections",),
            metrics=BOX_METRICS,
            default_metric="map",
            methods=METHODS,
            fusion=None,
        ),
        TaskSpec(
            name="instance_segmentation",
            summary="Boxes with classes and a mask each; a label is a list of {box, class, mask}.",
            references=("arxiv:1703.06870",),
            target="mm_detection.instances:InstanceSegmentation",
            config="mm_detection.configs:DetectionConfig",
            topology="mm_detection.topology:Finder",
            options="mm_detection.configs:InstanceOptions",
            roles=(RoleSpec(name="picture", summary="what they lie in", modalities=(IMAGE,)),),
            defaults={
                IMAGE: Defaults(backbone="detection:torchvision", processor="detection:letterbox")
            },
            needs=("detections",),
            metrics=("segm_map", "segm_map_50", "segm_map_75", *BOX_METRICS),
            default_metric="segm_map",
            methods=tuple(one for one in METHODS if one.name != "predict_slices"),
            fusion=None,
        ),
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """One name for all of them."""
    return [
        CommandSpec(
            name="detection",
            summary="Boxes in pictures: draw, convert, check, confusion, coco, slices, label.",
            target="mm_detection.commands:app",
        )
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """How long is trained, and which detector."""
    return PRESETS


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """COCO's; they read the views ``boxes`` and ``instances``, which the tasks give."""
    boxes = {
        "map": ("MeanAveragePrecision", "COCO's average precision, at overlaps of 0.50 to 0.95"),
        "map_50": ("AtHalf", "average precision at an overlap of 0.50"),
        "map_75": ("AtThreeQuarters", "average precision at an overlap of 0.75"),
        "mar": ("MeanAverageRecall", "COCO's average recall, of 100 boxes a picture"),
    }
    masks = {
        "segm_map": ("SegmMeanAveragePrecision", "average precision of masks, as map has it"),
        "segm_map_50": ("SegmAtHalf", "average precision of masks at an overlap of 0.50"),
        "segm_map_75": ("SegmAtThreeQuarters", "average precision of masks at an overlap of 0.75"),
    }
    return [
        MetricSpec(
            name=name,
            summary=summary,
            references=(COCO,),
            target=f"mm_detection.{module}:{target}",
            needs=needs,
            higher_is_better=True,
        )
        for needs, module, listed in (
            ("boxes", "metrics", boxes),
            ("instances", "instance_metrics", masks),
        )
        for name, (target, summary) in listed.items()
    ]
