"""What the conformance tests try: small pictures with coloured squares."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from mm_image.api import mask_to_runs
from PIL import Image

from mm_core.api import SampleCheckpoint, SampleColumn, SampleData, Samples, SampleTask, Trial

SIDE = 64
COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 230), "green": (30, 200, 60)}
IDS = {"red": 7, "blue": 3, "green": 90}
"""Of the classes in COCO files; in no order, and with gaps."""


def drawn(number: int, squares: int, seed: int = 0) -> tuple[bytes, list[list[object]]]:
    """A PNG with some squares on grey noise, wider for odd numbers, and their boxes."""
    rng = np.random.default_rng([seed, number])
    width = SIDE + 32 * (number % 2)
    picture = rng.integers(90, 130, (SIDE, width, 3)).astype(np.uint8)
    boxes: list[list[object]] = []
    for place in rng.permutation(4)[:squares].tolist():  # each in a quarter of its own
        size = int(rng.integers(16, 24))
        x = int(rng.integers(0, width // 2 - size)) + width // 2 * (place % 2)
        y = int(rng.integers(0, SIDE // 2 - size)) + SIDE // 2 * (place // 2)
        name = str(rng.choice(list(COLOURS)))
        picture[y : y + size, x : x + size] = COLOURS[name]
        boxes.append([float(x), float(y), float(x + size), float(y + size), name])
    return png(picture), boxes


def shaped(number: int, things: int, seed: int = 0) -> tuple[bytes, list[dict[str, object]]]:
    """A PNG with some bright discs and triangles on grey noise, wider for odd numbers, and their
    labels: boxes with masks, runs of discs and polygons of triangles.
    """
    rng = np.random.default_rng([seed, number])
    width = SIDE + 32 * (number % 2)
    picture = rng.integers(60, 100, (SIDE, width, 3)).astype(np.uint8)
    y, x = np.mgrid[:SIDE, :width] + 0.5
    labels: list[dict[str, object]] = []
    for place in rng.permutation(4)[:things].tolist():  # each in a quarter of its own
        size = int(rng.integers(18, 28))
        left = int(rng.integers(0, width // 2 - size)) + width // 2 * (place % 2)
        top = int(rng.integers(0, SIDE // 2 - size)) + SIDE // 2 * (place // 2)
        box = [float(one) for one in (left, top, left + size, top + size)]
        down, across = (y - top) / size, (x - left) / size
        if rng.random() < 0.5:
            there = np.hypot(down - 0.5, across - 0.5) < 0.5
            name, mask = "disc", mask_to_runs(there)
        else:
            there = (down >= 0) & (down < 1) & (abs(across - 0.5) * 2 < down)
            name, mask = "triangle", [[left + size / 2, box[1], *box[2:], box[0], box[3]]]
        picture[there] = rng.integers(150, 250, 3)
        labels.append({"box": box, "class": name, "mask": mask})
    return png(picture), labels


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """uint8 [H, W, 3] as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


_ATTENTION = {"embed_dims": 32, "num_heads": 4}
_FEED = {"embed_dims": 32, "feedforward_channels": 64, "ffn_drop": 0.0}
_LEVELS = {"embed_dims": 32, "num_heads": 4, "num_levels": 3, "dropout": 0.0}
TINY_DINO: dict[str, Any] = {
    "type": "DINO",
    "num_queries": 20,
    "with_box_refine": True,
    "as_two_stage": True,
    "data_preprocessor": {
        "type": "DetDataPreprocessor",
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "bgr_to_rgb": True,
    },
    "backbone": {"type": "ResNet", "depth": 18, "base_channels": 16, "out_indices": [1, 2, 3]},
    "neck": {
        "type": "ChannelMapper",
        "in_channels": [32, 64, 128],
        "kernel_size": 1,
        "out_channels": 32,
        "act_cfg": None,
        "norm_cfg": {"type": "GN", "num_groups": 8},
        "num_outs": 3,
    },
    "encoder": {"num_layers": 1, "layer_cfg": {"self_attn_cfg": _LEVELS, "ffn_cfg": _FEED}},
    "decoder": {
        "num_layers": 2,
        "return_intermediate": True,
        "layer_cfg": {
            "self_attn_cfg": {**_ATTENTION, "dropout": 0.0},
            "cross_attn_cfg": _LEVELS,
            "ffn_cfg": _FEED,
        },
        "post_norm_cfg": None,
    },
    "positional_encoding": {"num_feats": 16, "normalize": True, "offset": 0.0, "temperature": 20},
    "bbox_head": {
        "type": "DINOHead",
        "num_classes": 80,
        "embed_dims": 32,
        "sync_cls_avg_factor": True,
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25},
        "loss_bbox": {"type": "L1Loss", "loss_weight": 5.0},
        "loss_iou": {"type": "GIoULoss", "loss_weight": 2.0},
    },
    "dn_cfg": {
        "label_noise_scale": 0.5,
        "box_noise_scale": 1.0,
        "group_cfg": {"dynamic": True, "num_groups": None, "num_dn_queries": 10},
    },
    "train_cfg": {
        "assigner": {
            "type": "HungarianAssigner",
            "match_costs": [
                {"type": "FocalLossCost", "weight": 2.0},
                {"type": "BBoxL1Cost", "weight": 5.0, "box_format": "xywh"},
                {"type": "IoUCost", "iou_mode": "giou", "weight": 2.0},
            ],
        }
    },
    "test_cfg": {"max_per_img": 20},
}
"""DINO as mmdet has it, small and on a ResNet-18 of a quarter of its width."""

_COCO = {
    "images": [
        {"id": 7, "file_name": "b.png", "width": 64, "height": 64},
        {"id": 3, "file_name": "a.png", "width": 64, "height": 64},
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "bbox": [1, 2, 3, 4], "category_id": 90},
        {"id": 2, "image_id": 3, "bbox": [0, 0, 20, 10], "category_id": 7, "iscrowd": 1},
    ],
    "categories": [{"id": 7, "name": "train"}, {"id": 90, "name": "toothbrush"}],
}
_VOC = b"""<annotation><filename>a.png</filename>
<size><width>64</width><height>64</height></size>
<object><name>dog</name><difficult>1</difficult>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>"""
_LABELME = {
    "imagePath": "a.png",
    "imageWidth": 64,
    "imageHeight": 64,
    "shapes": [{"label": "dog", "points": [[9, 2], [1, 8]], "shape_type": "rectangle"}],
}


def _data() -> tuple[SampleData, ...]:
    picture = drawn(0, 0)[0]
    dog = {"box": [16.0, 16.0, 48.0, 32.0], "class": "dog", "id": 0}
    return (
        SampleData(
            "coco",
            {"instances.json": json.dumps(_COCO).encode()},
            lambda folder: folder / "instances.json",
            {
                "image": ["b.png", "a.png"],
                "rois": [
                    [],
                    [
                        {"box": [1.0, 2.0, 4.0, 6.0], "class": "toothbrush", "id": 90},
                        {"box": [0.0, 0.0, 20.0, 10.0], "class": "train", "id": 7, "crowd": True},
                    ],
                ],
            },
        ),
        SampleData(
            "voc",
            {"Annotations/a.xml": _VOC, "JPEGImages/a.png": picture},
            lambda folder: folder,
            {
                "image": ["JPEGImages/a.png"],
                "rois": [[{"box": [1.0, 2.0, 20.0, 30.0], "class": "dog", "difficult": True}]],
            },
        ),
        SampleData(
            "yolo",
            {
                "images/a.png": picture,
                "images/b.png": picture,
                "labels/a.txt": b"0 0.5 0.375 0.5 0.25\n",
                "data.yaml": b"train: images\nnames: [dog]\n",
            },
            lambda folder: folder,
            {"image": ["images/a.png", "images/b.png"], "rois": [[dog], []]},
        ),
        SampleData(
            "labelme",
            {"a.json": json.dumps(_LABELME).encode()},
            lambda folder: folder / "a.json",
            {"image": ["a.png"], "rois": [[[1.0, 2.0, 9.0, 8.0, "dog"]]]},
        ),
        SampleData(
            "pictures",
            {"b.png": picture, "a.png": picture},
            lambda folder: folder,
            {"image": ["a.png", "b.png"]},
        ),
    )


def _targets(labels: Sequence[Sequence[Sequence[Any]]]) -> dict[str, list[np.ndarray[Any, Any]]]:
    """What a detector is to learn of each picture, in pixels of the square."""
    corners, classes, masks = [], [], []
    for number, boxes in enumerate(labels):
        scale = SIDE / (SIDE + 32 * (number % 2))
        corners.append(np.array([box[:4] for box in boxes], np.float32).reshape(-1, 4) * scale)
        classes.append(np.array([list(COLOURS).index(box[4]) for box in boxes], np.int64))
        masks.append(np.zeros((len(boxes), SIDE, SIDE), np.uint8))
        for mask, (x1, y1, x2, y2) in zip(masks[-1], corners[-1].astype(int), strict=True):
            mask[y1:y2, x1:x2] = 1
    return {"wanted_boxes": corners, "wanted_classes": classes, "wanted_masks": masks}


def _with_masks(n: int, settings: dict[str, Any]) -> SampleTask:
    # Of one size: the kit scores masks of other rows too.
    shapes = [shaped(2 * number, 1 + number % 4) for number in range(n)]
    files = {f"s{number}.png": content for number, (content, _) in enumerate(shapes)}
    column = SampleColumn("image:image", "path", list(files), files=files, name="photo")
    labels = {"masks": [labels for _, labels in shapes]}
    return SampleTask("instance_segmentation", labels, {"picture": (column,)}, settings=settings)


def _samples(n: int = 24) -> Samples:
    pictures = [drawn(number, number % 4) for number in range(n)]
    targets = _targets([boxes for _, boxes in pictures])
    files = {f"{number}.png": content for number, (content, _) in enumerate(pictures)}
    column = SampleColumn(
        "image:image",
        "path",
        list(files),
        broken=("absent.png", "broken.png"),
        files={**files, "broken.png": pictures[0][0][:70]},
        name="photo",
    )
    small = {
        "backbones.picture_image.checkpoint": "random",
        "backbones.picture_image.width": 32,
        "backbones.picture_image.layers": 1,
        "backbones.picture_image.levels": 3,
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": 20,
        "training.batch_size": 4,
        "training.head_learning_rate": 3e-3,
    }
    task = SampleTask(
        "object_detection",
        {"boxes": [boxes for _, boxes in pictures]},
        {"picture": (column,)},
        settings=small,
    )
    masks = _with_masks(n, {**small, "training.epochs": 8})
    tiny = {"checkpoint": "random", "width": 32, "layers": 1, "levels": 3}
    return Samples(
        columns=(column,),
        tasks=(task, masks),
        data=_data(),
        checkpoints=(
            SampleCheckpoint("hf", {"config.json": b"{}", "model.safetensors": b""}),
            SampleCheckpoint(
                "hf_masks",
                {"config.json": b'{"model_type": "mask2former"}', "model.safetensors": b""},
            ),
            SampleCheckpoint(
                "hf_instances",
                {"config.json": b'{"model_type": "rf_detr"}', "model.safetensors": b""},
            ),
        ),
        trials=(
            Trial("processor", "letterbox", {"image_size": SIDE}),
            Trial("backbone", "torchvision", tiny),
            Trial("backbone", "hf", {"checkpoint": "random", "random_model": "yolos"}),
            Trial("backbone", "torchvision", {**tiny, "head": "ssdlite"}),
            Trial("backbone", "hf_masks", {"checkpoint": "random"}, targets=targets),
            Trial("backbone", "hf_instances", {"checkpoint": "random"}, targets=targets),
            Trial(
                "backbone",
                "dino",
                {"checkpoint": "random", "architecture": TINY_DINO},
                needs=("mmdet",),
                targets={name: targets[name] for name in ("wanted_boxes", "wanted_classes")},
            ),
        ),
    )


SAMPLES = _samples()
