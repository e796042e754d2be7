"""A box that is drawn into a picture stays on its object, wherever the pixels go."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mm_detection.configs import LetterboxConfig
from mm_detection.frames import as_shown, as_stored, boxes_in_pictures
from mm_detection.letterbox import Letterbox
from PIL import Image

from mm_core.api import ConfigError, Field, MMWarning, Table

TURNS = range(1, 9)


def picture(width, height, box, turn=1):
    """A PNG, black but for a white box; ``turn`` is written as EXIF, pixels stay."""
    pixels = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 255
    image, file = Image.fromarray(pixels), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = turn
    image.save(file, "PNG", exif=exif)
    return file.getvalue()


def lettered(cells, **options):
    """A fitted processor, and the encoded pictures."""
    table = Table(pd.DataFrame({"photo": pd.Series(cells, dtype=object)}), Path())
    processor = Letterbox(LetterboxConfig(**options), [Field("photo", "bytes")])
    processor.fit(table)
    return processor, processor.encode(table)


def seen(pixels):
    """Where the white of a picture is, in the square: x1 y1 x2 y2; None: nowhere."""
    beside = (pixels == 0).all(axis=0)
    shades = pixels[0][~beside]
    light = pixels[0] >= shades.min() + 0.5 * np.ptp(shades)
    y, x = np.nonzero(light & ~beside)
    return None if not len(x) else np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@st.composite
def drawn(draw):
    """Sides of a picture, and a box in it that is large enough to be seen when it is shrunk."""
    width, height = draw(st.integers(60, 300)), draw(st.integers(60, 300))
    w, h = draw(st.integers(30, width)), draw(st.integers(30, height))
    x, y = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
    return width, height, (x, y, x + w, y + h)


MODES = {
    "as at prediction": ({}, None),
    "stretched": ({"form": "stretch"}, None),
    "light": ({}, 0),
    "strong": ({"augment": "strong"}, 0),
    "strong, stretched": ({"augment": "strong", "form": "stretch"}, 0),
    "mirrored only": ({"augment": "none"}, 0),
}


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=40, deadline=None)
@given(drawn(), st.integers(0, 10_000), st.sampled_from(TURNS), st.booleans())
def test_boxes_lie_where_their_pixels_are(mode, case, seed, turn, stored):
    width, height, box = case
    options, augmented = MODES[mode]
    processor, encoded = lettered(
        [picture(width, height, box, turn)],
        image_size=160,
        exif="stored" if stored else "upright",
        **options,
    )
    upright = (height, width) if turn >= 5 else (width, height)
    shown = as_shown(np.array([box], float), upright, turn)
    targets = {
        "boxes": [np.array([box] if stored else shown, np.float32)],
        "classes": [np.array([4])],
        "ignore": [np.array([False])],
    }
    rng = None if augmented is None else np.random.default_rng(seed)
    made = processor.batch(encoded, np.array([0]), rng, targets)
    assert targets["boxes"][0].shape == (1, 4)
    found = seen(made.arrays["pixels"][0])
    boxes = made.targets["boxes"][0]
    assert len(boxes) == len(made.targets["classes"][0]) == len(made.targets["ignore"][0])
    if len(boxes) == 0:  # a crop left too little of it
        assert augmented is not None
        return
    assert np.abs(found - boxes[0]).max() <= 2.5, (found, boxes)


@settings(max_examples=40, deadline=None)
@given(drawn(), st.sampled_from(TURNS), st.booleans(), st.sampled_from(["keep", "stretch"]))
def test_meta_leads_back_to_the_picture(case, turn, stored, form):
    """What a network that sees well would say of the square is answered in the user's pixels."""
    width, height, box = case
    exif = "stored" if stored else "upright"
    processor, encoded = lettered(
        [picture(width, height, box, turn)], image_size=256, exif=exif, form=form
    )
    made = processor.batch(encoded, np.array([0]))
    outputs = {
        "boxes": [seen(made.arrays["pixels"][0])[None]],
        "classes": [np.array([0])],
        "scores": [np.array([0.9])],
    }
    (answer,) = boxes_in_pictures(outputs, made.meta)
    upright = (height, width) if turn >= 5 else (width, height)
    wanted = np.array([box], float)
    wanted = wanted if stored else as_shown(wanted, upright, turn)
    assert np.abs(answer[0, :4] - wanted[0]).max() <= 2.5 * max(width, height) / 256 + 1


@pytest.mark.parametrize("turn", TURNS)
def test_turning_is_what_pillow_does(turn):
    """And the way back is the way back."""
    box = np.array([[3.0, 5.0, 20.0, 9.0]])
    from PIL import ImageOps

    stored = Image.open(io.BytesIO(picture(40, 30, (3, 5, 20, 9), turn)))
    upright = ImageOps.exif_transpose(stored)
    there = as_shown(box, upright.size, turn)
    y, x = np.nonzero(np.asarray(upright)[..., 0])
    assert there[0].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert as_stored(there, upright.size, turn).tolist() == box.tolist()


def test_four_pictures_make_one():
    """Each quarter shows a picture of the batch, its box with it."""
    cells = [picture(100, 100, (20 * n, 10, 20 * n + 18, 50)) for n in range(4)]
    processor, encoded = lettered(cells, image_size=128, mosaic=1.0, augment="none", flip=False)
    targets = {
        "boxes": [np.float32([[20 * n, 10, 20 * n + 18, 50]]) for n in range(4)],
        "classes": [np.array([n]) for n in range(4)],
    }
    rng = np.random.default_rng(0)
    made = processor.batch(encoded, np.arange(4), rng, targets)
    assert [len(one) for one in made.targets["boxes"]] == [4] * 4
    for place, (boxes, classes) in enumerate(
        zip(made.targets["boxes"], made.targets["classes"], strict=True)
    ):
        assert classes[0] == place
        for quarter, box in enumerate(boxes):
            x, y = 64 * (quarter % 2), 64 * (quarter // 2)
            part = made.arrays["pixels"][place][:, y : y + 64, x : x + 64]
            assert np.abs(np.add(seen(part), [x, y, x, y]) - box).max() <= 1.5


def test_boxes_beyond_the_picture_are_told_and_cut():
    processor, encoded = lettered([picture(64, 64, (10, 10, 50, 50))] * 2, image_size=64)
    targets = {
        "boxes": [np.float32([[30, 30, 90, 64], [70, 70, 80, 80]]), np.float32([[-9, 0, 9, 9]])],
        "classes": [np.array([0, 1]), np.array([2])],
    }
    with pytest.warns(MMWarning, match="reach beyond their picture") as told:
        made = processor.batch(encoded, np.arange(2), None, targets)
    assert len(told) == 1
    assert [one.tolist() for one in made.targets["boxes"]] == [[[30, 30, 64, 64]], [[0, 0, 9, 9]]]
    assert [one.tolist() for one in made.targets["classes"]] == [[0], [2]]


def test_a_row_has_one_picture():
    with pytest.raises(ConfigError, match="one picture"):
        Letterbox(LetterboxConfig(), [Field("front", "path"), Field("back", "path")])
    _, encoded = lettered([[picture(64, 64, (1, 1, 40, 40))] * 2])
    assert [cell.reason for cell in encoded.bad] == ["holds 2 pictures, boxes lie in one"]
