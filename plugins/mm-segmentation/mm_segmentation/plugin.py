"""The hooks of mm-segmentation: names and records only; what they name is imported when chosen."""

from __future__ import annotations

from mm_core.api import (
    API_VERSION,
    BackboneSpec,
    CheckpointFormatSpec,
    CommandSpec,
    Defaults,
    LossSpec,
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
from mm_segmentation.presets import MMSEG_CARDS, PRESETS, SAM_CARDS, TIMM_CARDS

IMAGE = "image:image"
"""The modality is mm-image's: columns of pictures are found as ever, and read by this plugin."""

LOSSES = {
    "cross_entropy": ("CrossEntropy", "cross entropy of pixels, rare classes perhaps weighed", ()),
    "ce_dice": ("Dice", "cross entropy and Dice, half and half", ("arxiv:1606.04797",)),
    "focal": ("Focal", "cross entropy that looks at what is hard", ("arxiv:1708.02002",)),
    "lovasz": ("Lovasz", "the convex surrogate of IoU", ("arxiv:1705.08790",)),
    "tversky": ("Tversky", "Dice with prices for too much and too little", ("arxiv:1706.05721",)),
    "structure": ("Structure", "weighed BCE and IoU, borders first", ("arxiv:1911.11445",)),
}

METRICS = {
    "iou": ("metrics:IoU", "intersection over union: of the one thing to find, or the mean", True),
    "miou": ("metrics:MeanIoU", "intersection over union, mean over all classes", True),
    "dice": ("metrics:Dice", "F1 of pixels: of the one thing to find, or the mean", True),
    "pixel_accuracy": ("metrics:PixelAccuracy", "share of the pixels that are right", True),
    "ber": ("metrics:BalancedError", "balanced error rate, 0 to 100", False),
    "s_measure": ("saliency:Structure", "likeness of structure, of one thing to find", True),
    "e_measure": ("saliency:Enhanced", "enhanced alignment, of one thing to find", True),
    "weighted_f": ("saliency:WeightedF", "weighted F-measure, of one thing to find", True),
    "mask_mae": ("saliency:AbsoluteError", "mean absolute error of the probability", False),
}


METHODS = tuple(
    MethodSpec(name=name, summary=summary, target=f"mm_segmentation.methods:{name}")
    for name, summary in (
        ("visualize", "pictures with the masks that are there beside those that were drawn"),
        ("overlays", "answers as a page draws them over the pictures"),
        ("predict_tiles", "masks of large pictures, looked at in tiles at their own scale"),
    )
)


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for this version of the API."""
    return PluginInfo(
        api=API_VERSION,
        summary="Segmentation: a class for each pixel of a picture",
        samples="mm_segmentation.samples:SAMPLES",
    )


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Moves masks together with pixels, which the image plugin's own does not."""
    return [
        ProcessorSpec(
            name="canvas",
            summary="a picture a row on a canvas of one size; masks move with the pixels",
            target="mm_segmentation.canvas:Canvas",
            config="mm_segmentation.configs:CanvasConfig",
            modalities=(IMAGE,),
            moves=("codes",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """Whole segmenters: what they give is what they say of every place of a picture."""
    return [
        BackboneSpec(
            name="timm",
            summary="U-Net, FPN, DeepLabV3+, UPerNet, SegFormer and others on any timm network",
            references=("https://github.com/qubvel-org/segmentation_models.pytorch",),
            target="mm_segmentation.smp_segmenter:SmpSegmenter",
            config="mm_segmentation.configs:SmpConfig",
            modalities=(IMAGE,),
            provides=("masks",),
            processor="segmentation:canvas",
            formats=("image:timm",),
            cards=TIMM_CARDS,
        ),
        BackboneSpec(
            name="sam",
            summary="SAM, SAM-HQ, SAM 2, SAM 3: a trained decoder, LoRA on the encoder, prompts",
            references=("arxiv:2304.02643", "arxiv:2408.00714", "arxiv:2511.16719"),
            target="mm_segmentation.sam_segmenter:SamSegmenter",
            config="mm_segmentation.configs:SamConfig",
            modalities=(IMAGE,),
            provides=("masks",),
            processor="segmentation:canvas",
            formats=("segmentation:sam",),
            cards=SAM_CARDS,
        ),
        BackboneSpec(
            name="hf",
            summary="segmenters of transformers: SegFormer, UPerNet, DPT, Mask2Former, EoMT, ...",
            references=("https://huggingface.co/docs/transformers",),
            target="mm_segmentation.hf_segmenter:HFSegmenter",
            config="mm_segmentation.configs:HFSegmenterConfig",
            modalities=(IMAGE,),
            provides=("masks",),
            processor="segmentation:canvas",
            formats=("segmentation:hf",),
        ),
        BackboneSpec(
            name="mmseg",
            summary="a segmenter of mmsegmentation by config: UPerNet, SegFormer, PSPNet, ...",
            references=("https://github.com/open-mmlab/mmsegmentation",),
            target="mm_segmentation.mmseg_segmenter:MMSegSegmenter",
            config="mm_segmentation.configs:MMSegConfig",
            modalities=(IMAGE,),
            provides=("masks",),
            processor="segmentation:canvas",
            formats=("openmmlab:pth",),
            cards=MMSEG_CARDS,
        ),
    ]


@hookimpl
def mm_checkpoint_formats() -> list[CheckpointFormatSpec]:
    """Folders of transformers, and Meta's own files."""
    return [
        CheckpointFormatSpec(
            name="sam",
            summary="a folder of SAM, SAM-HQ, SAM 2 or SAM 3 of transformers, or sam_vit_*.pth",
            target="mm_segmentation.formats:SamFolder",
        ),
        CheckpointFormatSpec(
            name="hf",
            summary="a folder with config.json and weights of a segmenter of transformers",
            target="mm_segmentation.formats:SegmenterFolder",
        ),
    ]


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """Labels that are masks ask for it by themselves; nothing else need be named."""
    return [
        TaskSpec(
            name="semantic_segmentation",
            summary="A class for each pixel; a label is a mask: a picture, an array, COCO's runs.",
            target="mm_segmentation.task:SemanticSegmentation",
            config="mm_segmentation.configs:SegmentationConfig",
            topology="mm_segmentation.topology:Painter",
            options="mm_segmentation.configs:MaskOptions",
            saves="mm_segmentation.saving:save",
            detector="mm_segmentation.detect:detect",
            roles=(RoleSpec(name="picture", summary="what masks lie over", modalities=(IMAGE,)),),
            defaults={
                IMAGE: Defaults(backbone="segmentation:timm", processor="segmentation:canvas")
            },
            needs=("masks",),
            metrics=tuple(METRICS),
            default_metric="iou",
            losses=tuple(f"segmentation:{name}" for name in LOSSES),
            default_loss="segmentation:ce_dice",
            methods=METHODS,
            fusion=None,
        ),
        TaskSpec(
            name="mask_generation",
            summary="Things of a picture, each with a mask, by SAM as it is: segment everything.",
            references=("arxiv:2304.02643",),
            target="mm_segmentation.generation:MaskGeneration",
            config="mm_segmentation.configs:EverythingConfig",
            topology="mm_segmentation.everything:Everything",
            options="mm_segmentation.configs:EverythingOptions",
            saves="mm_segmentation.saving:save_things",
            roles=(RoleSpec(name="picture", summary="what is looked at", modalities=(IMAGE,)),),
            defaults={
                IMAGE: Defaults(backbone="segmentation:sam", processor="segmentation:canvas")
            },
            needs=("masks",),
            requires_fit=False,
            label="none",
            methods=(
                MethodSpec(
                    name="predict_crops",
                    summary="things of pictures and of their parts, for small ones",
                    target="mm_segmentation.crops:predict_crops",
                ),
            ),
            metrics=("covered",),
            default_metric="covered",
            fusion=None,
        ),
    ]


@hookimpl
def mm_readers() -> list[ReaderSpec]:
    """Data sets as they come: columns image, mask."""
    return [
        ReaderSpec(
            name="folders",
            summary="a folder with images/ and masks/, matched by name",
            claims="mm_segmentation.folders:claimed",
            target="mm_segmentation.folders:read",
            order=55,
        )
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """One name for all of them."""
    return [
        CommandSpec(
            name="segmentation",
            summary="Masks of pictures: draw, tiles, check.",
            target="mm_segmentation.commands:app",
        )
    ]


@hookimpl
def mm_losses() -> list[LossSpec]:
    """They read the target ``codes``, which the processor makes of masks."""
    return [
        LossSpec(
            name=name,
            summary=summary,
            references=references,
            target=f"mm_segmentation.losses:{target}",
            config="mm_core.api.config:Config"
            if name == "lovasz"
            else f"mm_segmentation.configs:{target}Config",
            needs="codes",
        )
        for name, (target, summary, references) in LOSSES.items()
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """They read views that the tasks give: ``masks``, ``things``."""
    covered = MetricSpec(
        name="covered",
        summary="share of the pixels that lie in some thing; there is no truth",
        target="mm_segmentation.generation:Covered",
        needs="things",
        higher_is_better=True,
    )
    return [
        covered,
        *(
            MetricSpec(
                name=name,
                summary=summary,
                target=f"mm_segmentation.{target}",
                needs="masks",
                higher_is_better=higher,
            )
            for name, (target, summary, higher) in METRICS.items()
        ),
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """How long is trained."""
    return PRESETS
