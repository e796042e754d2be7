"""What the conformance tests try: small pictures with coloured squares."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mm_core.api import SampleColumn, Samples, SampleTask, Trial

SIDE = 64
COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 230)}


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
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue(), boxes


def _samples(n: int = 24) -> Samples:
    pictures = [drawn(number, number % 4) for number in range(n)]
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
    tiny = {"checkpoint": "random", "width": 32, "layers": 1, "levels": 3}
    return Samples(
        columns=(column,),
        tasks=(task,),
        trials=(
            Trial("processor", "letterbox", {"image_size": SIDE}),
            Trial("backbone", "torchvision", tiny),
            Trial("backbone", "torchvision", {**tiny, "head": "retinanet"}),
            Trial("backbone", "torchvision", {**tiny, "head": "ssdlite"}),
        ),
    )


SAMPLES = _samples()
