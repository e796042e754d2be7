"""A mask stays on its thing, wherever the pixels go, and leads back to the picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mm_detection.configs import LetterboxConfig
from mm_detection.instances import Masks
from mm_detection.letterbox import Letterbox
from mm_detection.outlines import read_outline, turned
from PIL import Image

from mm_core.api import Field, LabelError, Table

MODES = {
    "as at prediction": ({}, None),
    "stretched": ({"form": "stretch"}, None),
    "light": ({}, 0),
    "strong": ({"augment": "strong"}, 0),
    "strong, stretched": ({"augment": "strong", "form": "stretch"}, 0),
    "mirrored only": ({"augment": "none"}, 0),
}
SIDE = 160


def triangle(width, height, corners):
    """Its polygon, and a mask [H, W] of it as COCO draws it."""
    polygon = [float(one) for corner in corners for one in corner]
    return polygon, read_outline([polygon]).pixels((width, height))


def png(mask, turn):
    """Black, white where the mask is; ``turn`` is written as EXIF, pixels stay."""
    image, file = Image.fromarray(np.repeat(mask[..., None] * 255, 3, axis=2)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = turn
    image.save(file, "PNG", exif=exif)
    return file.getvalue()


def lettered(cells, **options):
    table = Table(pd.DataFrame({"photo": pd.Series(cells, dtype=object)}), Path())
    processor = Letterbox(LetterboxConfig(**options), [Field("photo", "bytes")])
    processor.fit(table)
    return processor, processor.encode(table)


def seen(pixels):
    """bool [S, S], where the white is."""
    beside = (pixels == 0).all(axis=0)
    shades = pixels[0][~beside]
    return (pixels[0] >= (shades.min() + shades.max()) / 2) & ~beside


def wider(mask):
    """And the pixels beside it."""
    room = np.pad(mask, 1)
    return np.any([np.roll(room, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)[
        1:-1, 1:-1
    ]


def astray(first, second):
    """Share of each that is farther from the other than a pixel: of both, the larger one.

    Told by the edge, not by the overlap: of a sliver the edge is most.
    """
    return max(
        (one & ~wider(two)).sum() / one.sum() for one, two in ((first, second), (second, first))
    )


def iou(first, second):
    return (first & second).sum() / max((first | second).sum(), 1)


@st.composite
def drawn(draw):
    """Sides of a picture, and a triangle in it that is large enough to be seen when shrunk."""
    width, height = draw(st.integers(90, 240)), draw(st.integers(90, 240))
    x, y = draw(st.integers(0, width - 70)), draw(st.integers(0, height - 70))
    right, low = draw(st.integers(x + 60, width)), draw(st.integers(y + 60, height))
    corners = [(x, y), (right, draw(st.integers(y, low))), (draw(st.integers(x, right)), low)]
    return width, height, corners


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=25, deadline=None)
@given(drawn(), st.integers(0, 10_000), st.sampled_from(range(1, 9)), st.booleans(), st.booleans())
def test_masks_lie_where_their_pixels_are(mode, case, seed, turn, stored, runs):
    width, height, corners = case
    options, augmented = MODES[mode]
    polygon, mask = triangle(width, height, corners)
    if mask.sum() < 800:  # a sliver
        return
    exif = "stored" if stored else "upright"
    processor, encoded = lettered([png(mask, turn)], image_size=SIDE, exif=exif, **options)
    outline = read_outline(mask if runs else [polygon])
    if not stored:
        upright = (height, width) if turn >= 5 else (width, height)
        outline = outline.shown(upright, turn)
    targets = {
        "boxes": [np.array([outline.bounds], np.float32)],
        "classes": [np.array([4])],
        "ignore": [np.array([False])],
        "outlines": [[outline]],
    }
    rng = None if augmented is None else np.random.default_rng(seed)
    made = processor.batch(encoded, np.array([0]), rng, targets)
    (masks,), (boxes,) = made.targets["masks"], made.targets["boxes"]
    assert masks.shape == (len(boxes), SIDE, SIDE)
    assert len(made.targets["outlines"][0]) == len(boxes)
    if not len(boxes):  # a crop left too little of it
        assert augmented is not None
        return
    found = seen(made.arrays["pixels"][0])
    if found.sum() < 200:
        return
    assert astray(masks[0] > 0, found) < 0.01


@settings(max_examples=40, deadline=None)
@given(drawn(), st.sampled_from(range(1, 9)), st.booleans(), st.sampled_from(["keep", "stretch"]))
def test_meta_leads_back_to_the_picture(case, turn, stored, form):
    """What a network that sees well would draw in the square is answered in the user's pixels."""
    width, height, corners = case
    _, mask = triangle(width, height, corners)
    if mask.sum() < 800:
        return
    exif = "stored" if stored else "upright"
    processor, encoded = lettered([png(mask, turn)], image_size=256, exif=exif, form=form)
    made = processor.batch(encoded, np.array([0]))
    upright = (height, width) if turn >= 5 else (width, height)
    frame = np.array([[0.0, 0.0, 256.0, 256.0]]) / np.tile(made.meta["scale"][0], 2)
    grid = seen(made.arrays["pixels"][0])[None].astype(np.float32)
    masks = Masks(grid, frame, upright, int(made.meta["turn"][0]), 0.5)
    assert masks.given == ((width, height) if stored else upright)
    assert iou(masks.pixels(0), (mask if stored else turned(mask, turn)) > 0) > 0.9


def test_four_pictures_make_one():
    """Each quarter shows a picture of the batch, its mask with it."""
    parts = [triangle(100, 100, [(10, 10), (90, 20 + 10 * n), (40, 90)]) for n in range(4)]
    cells = [png(mask, 1) for _, mask in parts]
    processor, encoded = lettered(cells, image_size=128, mosaic=1.0, augment="none", flip=False)
    outlines = [read_outline([polygon]) for polygon, _ in parts]
    targets = {
        "boxes": [np.float32([one.bounds]) for one in outlines],
        "classes": [np.array([n]) for n in range(4)],
        "outlines": [[one] for one in outlines],
    }
    made = processor.batch(encoded, np.arange(4), np.random.default_rng(0), targets)
    for place, masks in enumerate(made.targets["masks"]):
        assert len(masks) == len(made.targets["outlines"][place]) == 4
        for quarter, mask in enumerate(masks):
            x, y = 64 * (quarter % 2), 64 * (quarter // 2)
            part = made.arrays["pixels"][place][:, y : y + 64, x : x + 64]
            assert iou(mask[y : y + 64, x : x + 64] > 0, seen(part)) > 0.9
            assert mask.sum() == mask[y : y + 64, x : x + 64].sum()


def test_a_mask_of_another_size_names_its_picture_and_thing():
    """And one that lies beyond its picture is left out with its box."""
    mask = np.ones((40, 60), np.uint8)
    processor, encoded = lettered([png(mask, 1)], image_size=64)
    outline = read_outline(mask.T)
    targets = {"boxes": [np.float32([[0, 0, 40, 40]])], "classes": [np.array([0])]}
    with pytest.raises(LabelError, match="is 40 x 60 pixels, and its picture 60 x 40"):
        processor.batch(encoded, np.array([0]), None, {**targets, "outlines": [[outline]]})
    beyond = read_outline([[70, 10, 90, 10, 90, 30]])
    made = processor.batch(encoded, np.array([0]), None, {**targets, "outlines": [[beyond]]})
    assert [len(made.targets[name][0]) for name in ("boxes", "masks", "outlines")] == [0, 0, 0]
