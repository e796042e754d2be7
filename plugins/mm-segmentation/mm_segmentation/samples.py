"""What the conformance tests try: small pictures with bright discs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from mm_image.api import mask_to_runs
from PIL import Image

from mm_core.api import SampleCheckpoint, SampleColumn, SampleData, Samples, SampleTask, Trial

SIDE = 64


Drawn = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def drawn(number: int, seed: int = 0, wider: int = 0) -> Drawn:
    """uint8 [H, W, 3] with a bright disc or none on noise; bool [H, W]. Odd ones ``wider``."""
    rng = np.random.default_rng([seed, number])
    width = SIDE + wider * (number % 2)
    y, x = np.mgrid[:SIDE, :width]
    radius = int(rng.integers(8, 20)) if number % 5 else 0
    middle = rng.integers(radius, SIDE - radius), rng.integers(radius, width - radius)
    mask = np.hypot(y - middle[0], x - middle[1]) < radius
    picture = rng.integers(20, 110, (SIDE, width, 3))
    picture[mask] = rng.integers(150, 250, (int(mask.sum()), 3))
    return picture.astype(np.uint8), mask


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """As a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


TINY_SEGFORMER: dict[str, Any] = {
    "type": "EncoderDecoder",
    "data_preprocessor": {
        "type": "SegDataPreProcessor",
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "bgr_to_rgb": True,
        "size": [SIDE, SIDE],
    },
    "backbone": {
        "type": "MixVisionTransformer",
        "embed_dims": 16,
        "num_layers": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "drop_rate": 0.0,
        "drop_path_rate": 0.0,
    },
    "decode_head": {
        "type": "SegformerHead",
        "in_channels": [16, 16, 32, 32],
        "in_index": [0, 1, 2, 3],
        "channels": 32,
        "dropout_ratio": 0.0,
        "num_classes": 150,
        "norm_cfg": {"type": "SyncBN", "requires_grad": True},
        "align_corners": False,
        "loss_decode": {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0},
    },
    "train_cfg": {},
    "test_cfg": {"mode": "whole"},
}
"""SegFormer as mmsegmentation has it, small."""


def _samples(n: int = 24) -> Samples:
    pictures = [drawn(number) for number in range(n)]
    files = {f"{number}.png": png(pixels) for number, (pixels, _) in enumerate(pictures)}
    column = SampleColumn(
        "image:image",
        "path",
        list(files),
        broken=("absent.png", "broken.png"),
        files={**files, "broken.png": files["0.png"][:70]},
        name="photo",
    )
    tiny = {"checkpoint": "random", "decoder_settings": {"decoder_channels": [32, 16, 16, 8, 8]}}
    small = {
        **{f"backbones.picture_image.{key}": value for key, value in tiny.items()},
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": 12,
        "training.batch_size": 4,
        "training.head_learning_rate": 5e-3,
    }
    task = SampleTask(
        "semantic_segmentation",
        {"mask": [mask_to_runs(mask) for _, mask in pictures]},
        {"picture": (column,)},
        settings=small,
        files={f"masks/{i}.png": png(255 * pictures[i][1].astype(np.uint8)) for i in range(3)},
        named={"mask": [f"masks/{i}.png" for i in range(3)]},
    )
    everything = SampleTask(
        "mask_generation",
        columns={"picture": (column,)},
        settings={
            "backbones.picture_image.checkpoint": "random",
            "inputs.picture_image.processor.image_size": SIDE,
            "task.points_per_side": 2,
        },
    )
    return Samples(
        columns=(column,),
        tasks=(task, everything),
        checkpoints=(
            SampleCheckpoint(
                "sam", {"config.json": b'{"model_type": "sam"}', "model.safetensors": b""}
            ),
            SampleCheckpoint("hf", {"config.json": b"{}", "model.safetensors": b""}),
        ),
        data=(_folders(pictures),),
        trials=(
            Trial("processor", "canvas", {"image_size": SIDE}),
            Trial("backbone", "timm", tiny),
            Trial("backbone", "timm", {"checkpoint": "random", "decoder": "fpn"}),
            Trial("backbone", "sam", {"checkpoint": "random", "cache_mb": 0}),
            Trial("backbone", "hf", {"checkpoint": "random"}),
            Trial("backbone", "hf", {"checkpoint": "random", "random_model": "mask2former"}),
            Trial("backbone", "sam", {"checkpoint": "random", "random_model": "sam2"}),
            Trial("backbone", "sam", {"checkpoint": "random", "random_model": "sam_hq"}),
            Trial("backbone", "sam", {"checkpoint": "random", "random_model": "sam3_tracker"}),
            Trial(
                "backbone",
                "mmseg",
                {"checkpoint": "random", "architecture": TINY_SEGFORMER},
                needs=("mmseg",),
            ),
        ),
    )


def _folders(pictures: list[Drawn]) -> SampleData:
    files = {f"images/{name}.png": png(pictures[i][0]) for i, name in enumerate("ab")}
    files |= {f"masks/{name}_mask.png": png(pictures[0][1].astype(np.uint8)) for name in "ab"}
    columns = {
        "image": ["images/a.png", "images/b.png"],
        "mask": ["masks/a_mask.png", "masks/b_mask.png"],
    }
    return SampleData("folders", files, lambda folder: folder, columns)


SAMPLES = _samples()
