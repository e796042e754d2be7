"""Masks in every form, and what goes wrong with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mm_detection.instances import InstanceSegmentation
from mm_detection.outlines import painted, read_outline, turned, turned_back
from mm_image.api import mask_to_runs
from PIL import Image, ImageOps
from pycocotools import mask as reference

from mm_core.api import LabelError, MMWarning

SIZE = (40, 30)
POLYGON = [5.5, 4.0, 30.2, 8.0, 22.0, 25.7]
PIXELS = reference.decode(reference.merge(reference.frPyObjects([POLYGON], 30, 40)))
COUNTS = reference.encode(np.asfortranarray(PIXELS))["counts"]


def lengths(mask):
    flat = mask.flatten(order="F")
    return np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()


FORMS = {
    "polygons": [POLYGON],
    "polygons of a Parquet file": np.array([np.array(POLYGON), None], dtype=object)[:1],
    "runs": {"size": [30, 40], "counts": COUNTS.decode()},
    "runs of bytes": {"size": [30, 40], "counts": COUNTS},
    "runs as numbers": {"size": [30, 40], "counts": lengths(PIXELS)},
    "array": PIXELS,
    "bool": PIXELS.astype(bool),
    "255": PIXELS * 255,
    "floats": PIXELS.astype(np.float32),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_mask(form):
    """As pycocotools draws it; JSON holds it."""
    outline = read_outline(FORMS[form])
    assert (outline.pixels(SIZE) == PIXELS).all()
    again = read_outline(outline.plain())
    assert (again.pixels(SIZE) == PIXELS).all()
    y, x = np.nonzero(PIXELS)
    tight = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert outline.bounds == pytest.approx(tight, abs=1)
    assert outline.area == pytest.approx(PIXELS.sum(), rel=0.05)
    assert reference.decode(outline.coded(SIZE)).tolist() == PIXELS.tolist()


@pytest.mark.parametrize("turn", range(1, 9))
def test_masks_turn_as_pillow_turns_pictures(turn):
    """Polygons and runs alike, and back."""
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = turn
    upright = np.asarray(ImageOps.exif_transpose(image))
    assert (turned(PIXELS, turn) == upright).all()
    assert (turned_back(upright, turn) == PIXELS).all()
    size = upright.shape[::-1]
    assert (read_outline(PIXELS).shown(size, turn).pixels(size) == upright).all()
    drawn = read_outline([POLYGON]).shown(size, turn).pixels(size)
    assert (drawn != upright).sum() < 0.1 * upright.sum()  # borders fall to the other side


def test_a_coarse_grid_becomes_a_mask_of_its_frame():
    """Also where the frame reaches beyond the picture, or is less than a pixel."""
    full = np.ones((28, 28), np.float32)
    mask = painted(full, (3.2, 4.6, 20.9, 9.4), SIZE, 0.5)
    y, x = np.nonzero(mask)
    assert (x.min(), y.min(), x.max(), y.max()) == (3, 5, 20, 8)
    assert mask.sum() == 18 * 4
    assert painted(full, (-10, -10, 100, 100), SIZE, 0.5).all()
    assert not painted(full, (3.6, 4, 4.2, 20), SIZE, 0.5).any()
    assert not painted(full * 0.4, (0, 0, 40, 30), SIZE, 0.5).any()
    y, x = (np.mgrid[:28, :28] + 0.5) / 28
    disc = (np.hypot(y - 0.5, x - 0.5) < 0.5).astype(np.float32)
    y, x = np.mgrid[:90, :120] + 0.5
    true = np.hypot((y - 45) / 40, (x - 60) / 50) < 1
    found = painted(disc, (10, 5, 110, 85), (120, 90), 0.5)
    assert (found & true).sum() / (found | true).sum() > 0.96


def cell(mask, **more):
    return [{"box": [5, 4, 31, 26], "class": "a", "mask": mask, **more}]


GOOD = cell([POLYGON])
LARGE = {"size": [60_000, 60_000], "counts": [60_000**2]}
HOSTILE = {
    "no mask": [[5, 4, 31, 26, "a"]],
    "no polygon": cell([]),
    "a text": cell("mask.png"),
    "flat": cell(POLYGON),
    "two points": cell([[1, 1, 9, 9]]),
    "one of two": cell([POLYGON, [1, 1, 9, 9]]),
    "pairs": cell([[[5, 4], [30, 8], [22, 25]]]),
    "odd": cell([[*POLYGON, 3.0]]),
    "NaN": cell([[*POLYGON, float("nan"), 3.0]]),
    "infinite": cell([[*POLYGON, float("inf"), 3.0]]),
    "far away": cell([[*POLYGON, 1e12, 3.0]]),
    "texts": cell([["1", "2", "3", "4", "5", "6"]]),
    "None inside": cell([[None, 2, 3, 4, 5, 6]]),
    "elsewhere": cell([[200, 200, 220, 200, 220, 230]]),
    "no counts": cell({"size": [30, 40]}),
    "no size": cell({"counts": COUNTS}),
    "counts of another size": cell({"size": [31, 40], "counts": COUNTS}),
    "counts cut off": cell({"size": [30, 40], "counts": COUNTS[:-1]}),
    "negative counts": cell({"size": [30, 40], "counts": [1300, -100]}),
    "counts with NaN": cell({"size": [30, 40], "counts": [float("nan"), 1200]}),
    "too large": cell(LARGE),
    "three axes": cell(np.zeros((30, 40, 3))),
    "class numbers": cell(np.arange(1200).reshape(30, 40)),
    "array with NaN": cell(np.full((30, 40), np.nan)),
    "array of texts": cell(np.full((30, 40), "a")),
    "both names": cell([POLYGON], segmentation=[POLYGON]),
    "two sizes": [*cell(PIXELS), {"class": "a", "mask": np.ones((9, 9))}],
    "no box, no mask": [{"class": "a", "segmentation": []}],
    "no box, bad mask": [{"class": "a", "segmentation": [[1, 2]]}],
}


def learned():
    task = InstanceSegmentation(None, ["rois"])
    task.learn(pd.DataFrame({"rois": pd.Series([GOOD], dtype=object)}))
    return task


@pytest.mark.parametrize("case", HOSTILE)
def test_masks_that_are_none_are_refused_by_row_and_thing(case):
    with pytest.raises(LabelError) as caught:
        learned().encode(pd.DataFrame({"rois": pd.Series([GOOD, HOSTILE[case]], dtype=object)}))
    assert (caught.value.column, list(caught.value.rows)) == ("rois", [1])
    assert "row 1 has" in str(caught.value)
    assert caught.value.remedy


def test_what_is_repaired_is_counted():
    """Masks without a pixel are left out; a crowd without a mask has its box."""
    crowd = [{"box": [1, 1, 3, 4], "class": "a", "crowd": 1}]
    cells = [cell(np.zeros((30, 40), bool)) + cell([[9, 9, 9, 9, 9, 9]]) + GOOD + crowd]
    with pytest.warns(MMWarning) as told:
        targets = learned().encode(pd.DataFrame({"rois": pd.Series(cells, dtype=object)}))
    text = str(told[0].message)
    assert "2 mask(s) had no pixel: their boxes were left out" in text
    assert "1 box(es) that are ignored have no mask: their box is taken for it" in text
    assert targets["boxes"][0].tolist() == [[5, 4, 31, 26], [1, 1, 3, 4]]
    assert targets["outlines"][0][1].pixels(SIZE).sum() == 6


def test_a_mask_tells_its_box():
    """Under COCO's name too."""
    cells = [
        [{"class": "a", "segmentation": mask_to_runs(PIXELS)}],
        [{"class": "a", "mask": [POLYGON]}],
    ]
    targets = learned().encode(pd.DataFrame({"rois": pd.Series(cells, dtype=object)}))
    y, x = np.nonzero(PIXELS)
    assert targets["boxes"][0].tolist() == [[x.min(), y.min(), x.max() + 1, y.max() + 1]]
    assert targets["boxes"][1].tolist() == [pytest.approx([5.5, 4.0, 30.2, 25.7])]
