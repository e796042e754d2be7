"""Masks in all forms, and what goes wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mm_image.api import mask_to_runs, runs_to_mask
from mm_segmentation.augment import plain, varied
from mm_segmentation.checking import checked
from mm_segmentation.classes import VOID, learned
from mm_segmentation.configs import CanvasConfig, SegmentationConfig
from mm_segmentation.samples import png
from mm_segmentation.saving import save
from mm_segmentation.task import SemanticSegmentation, Truths
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import DataError, LabelError, MMWarning, tools
from mm_core.api.processors import Table

DISC = np.hypot(*(np.mgrid[:40, :30] - 14.0)) < 9


def task(cells, folder=Path(), **config):
    frame = pd.DataFrame({"mask": pd.Series(list(cells), dtype=object)})
    found = SemanticSegmentation(SegmentationConfig(**config), ["mask"])
    found.folder = folder
    found.learn(frame)
    return found, found.encode(frame)["mask"]


def test_forms_of_masks_are_one(tmp_path):
    grey = 255 * DISC.astype(np.uint8)
    indexed = Image.fromarray(DISC.astype(np.uint8), "P")
    indexed.putpalette([0, 0, 0, 200, 30, 30])
    indexed.save(tmp_path / "p.png")
    (tmp_path / "g.png").write_bytes(png(grey))
    (tmp_path / "c.png").write_bytes(png(np.dstack([grey] * 3)))
    Image.fromarray(DISC).save(tmp_path / "one.png")
    Image.fromarray(DISC.astype(np.uint16) * 3000).save(tmp_path / "deep.png")
    forms = ["p.png", "g.png", "c.png", "one.png", "deep.png", png(grey), DISC, DISC.astype(float)]
    forms += [DISC.astype(np.int64), mask_to_runs(DISC), str(mask_to_runs(DISC)).replace("'", '"')]
    forms += [Image.fromarray(grey), str(tmp_path / "g.png")]
    for form in forms:
        found, (cell,) = task([form], tmp_path)
        assert found.output_dim == 1
        assert (cell.codes() == DISC).all(), form


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_runs_come_back(seed, height, width):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    assert (runs_to_mask(mask_to_runs(mask)) == mask).all()


def test_runs_are_cocos():
    masks = pytest.importorskip("pycocotools.mask")
    code = masks.encode(np.asfortranarray(DISC.astype(np.uint8)))
    assert mask_to_runs(DISC)["counts"] == code["counts"].decode()
    assert (runs_to_mask(code) == DISC).all()


def test_void_above_indices_is_told():
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    with pytest.warns(MMWarning, match="255 above 3 others is read as void"):
        found, (cell,) = task([mask])
    assert found.classes.values == [0, 1, 2]
    assert cell.codes().tolist() == [[0, 1], [2, VOID]]
    assert task([mask], ignore=None)[0].classes.values == [0, 1, 2, 255]
    assert task([mask], ignore=2)[1][0].codes().tolist() == [[0, 1], [VOID, 2]]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (np.arange(1600).reshape(40, 40), "photographs, or a number for each thing"),
        (np.eye(4) * 0.5, "numbers with a fraction"),
        (np.where(np.eye(4), np.nan, 1), "holds NaN"),
        ("absent.png", "no such file"),
        (None, "missing"),
        ({"size": [4, 4], "counts": [3, 4]}, "runs of 7 pixels"),
        (np.zeros((4, 4, 7), np.uint8), "has the shape"),
        (b"\x89PNG\r\n\x1a\n" + b"?" * 60, "cannot be read"),
    ],
)
def test_a_cell_that_is_no_mask_is_named(cell, said):
    with pytest.raises(LabelError, match=said) as caught:
        task([np.eye(4, dtype=int), cell])
    assert (caught.value.column, caught.value.rows) == ("mask", (1,))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("cells", "config", "said"),
    [
        ([np.zeros((4, 4), np.uint8)], {}, "nothing to tell apart"),
        ([np.full((4, 4), 7, np.uint8)], {"ignore": 7}, "nothing to tell apart"),
        ([np.arange(16).reshape(4, 4) * 1000], {"kind": "binary"}, "have 16 values"),
        ([np.eye(4, dtype=int)], {"classes": ("a", "b", "c")}, None),
        ([np.eye(4, dtype=int) * 9], {"classes": ("a", "b", "c")}, "2 classes"),
        ([np.eye(4, dtype=int) * 9], {"classes": {"a": 0, "b": 1}}, "does not name: 9"),
    ],
)
def test_what_is_no_mask(cells, config, said):
    if said is None:
        assert task(cells, **config)[0].output_dim == 3  # one that no row has
        return
    with pytest.raises(LabelError, match=said) as caught:
        task(cells, **config)
    assert caught.value.column == "mask"
    assert caught.value.remedy


def test_the_truth_of_one_thread_is_not_that_of_another(monkeypatch):
    """Another's comes between the look and the answer."""
    found, cells = task([np.eye(4, dtype=int), 1 - np.eye(4, dtype=int)])
    made = Truths.__init__

    def between(self, own, classes):
        made(self, own, classes)
        if own is not cells:
            return
        found.truth({"mask": cells[::-1]}, "masks")

    monkeypatch.setattr(Truths, "__init__", between)
    first = next(iter(found.truth({"mask": cells}, "masks")))
    assert (first["codes"] == np.eye(4)).all()


def test_a_number_below_0_may_be_void():
    """It looks like a colour: the remedy says how it is none."""
    mask = np.array([[0, 1], [2, -1]])
    with pytest.raises(LabelError, match=r"task\.ignore=-1"):
        task([mask])
    assert task([mask], ignore=-1)[1][0].codes().tolist() == [[0, 1], [2, VOID]]


def test_photographs_are_told_before_all_of_them_are_read():
    """A thousand coloured photographs have more values than fit into memory."""
    half = np.arange(600).reshape(20, 30)
    with pytest.raises(LabelError, match=r"mask of row 1 .* have 1200 values: photographs"):
        task([half, half + 600, {"size": [4, 4], "counts": "never read"}])
    assert task([half, half + 600], grey_from=500)[0].output_dim == 1


def test_what_is_wrong_with_a_set_is_told_by_row(tmp_path):
    mask = 255 * DISC.astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png(np.dstack([mask] * 3)))
    (tmp_path / "m.png").write_bytes(png(mask))
    (tmp_path / "short.png").write_bytes(png(mask)[:45])
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    (tmp_path / "photo.png").write_bytes(png(noise))
    (tmp_path / "red.png").write_bytes(png(np.dstack([mask, 0 * mask, 0 * mask])))
    masks = ["m.png", "short.png", "m.png", "m.png", "photo.png", "red.png"]
    images = ["a.png", "a.png", None, "a.png;a.png", "a.png", "a.png"]
    frame = pd.DataFrame({"image": images, "mask": masks})
    report = checked(Table(frame, tmp_path), "image", "mask")
    wrong = {one["row"]: one["what"] for one in report["wrong"]}
    assert wrong[1].startswith("the mask cannot be read: ")
    assert wrong[2] == "the picture is missing"
    assert wrong[3] == "the picture holds 2 pictures, not one"
    assert "values: photographs" in wrong[4]
    assert wrong.keys() == {1, 2, 3, 4}
    assert "are coloured, " in report["told"]
    assert "task.classes={name: [r, g, b], ...}" in report["told"]
    assert checked(Table(frame.head(1), tmp_path), "image", "mask")["told"] == ""


def test_values_that_no_png_holds(tmp_path):
    """They would come back as others."""
    cells = pd.DataFrame({"mask": pd.Series([np.eye(4, dtype=np.int32) * 70_000], dtype=object)})
    with pytest.raises(DataError, match="row 7: no PNG holds the value 70000") as caught:
        save(cells, [7], tmp_path)
    assert caught.value.rows == (7,)


def test_grey_masks(tmp_path):
    soft = Image.fromarray(255 * DISC.astype(np.uint8))
    soft.save(tmp_path / "soft.jpg", quality=60)
    with pytest.raises(LabelError, match=r"have .* values"):
        task(["soft.jpg"], tmp_path, kind="binary")
    _, (cell,) = task(["soft.jpg"], tmp_path, grey_from=128)
    assert (cell.codes() == DISC).mean() > 0.97


def test_a_mask_of_another_size_is_named(fitted, table):
    frame = pd.read_csv(table).map(lambda one: str(table.parent / one)).head(3)
    frame["mask"] = [DISC * 255] * 3
    said = r"row 0 .* is 30 x 40 pixels, and its picture 64 x 64"
    with pytest.raises(LabelError, match=said) as caught:
        fitted.evaluate(frame)
    assert (caught.value.column, caught.value.rows) == ("mask", (0,))
    assert "at its size" in caught.value.remedy


def test_a_picture_of_sixteen_bits_is_the_one_of_eight(fitted):
    bright = np.where(DISC, 200, 40).astype(np.uint8)
    pictures = [png(bright), png(bright.astype(np.uint16) * 257)]
    one, other = fitted.predict(pd.DataFrame({"photo": pictures}), form="probability")
    assert one.shape == DISC.shape
    assert np.abs(one - other).max() < 0.02


def test_masks_that_are_all_void_and_one_of_a_single_pixel(small):
    picture = np.zeros((64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[:20], mask[40:] = 1, 2
    masks = [mask] * 5 + [mask[:1, :1]] + [np.full_like(mask, 9)] * 2
    pictures = [picture] * 5 + [picture[:1, :1]] + [picture] * 2
    rows = pd.DataFrame({"photo": pictures, "mask": masks})
    settings = {**small, "training.epochs": 1, "task.ignore": 9}
    predictor = MultiModalPredictor("mask", hyperparameters=settings, verbosity=0)
    predictor.fit(rows, tuning_data=rows)
    assert np.isfinite(predictor.history["loss"]).all()
    assert predictor.evaluate(rows)["iou"] >= 0
    assert predictor.predict(rows)[5].shape == (1, 1)
    assert predictor.evaluate(rows[5:6], metrics=["pixel_accuracy"])["pixel_accuracy"] in (0, 1)
    with pytest.raises(Exception, match="no pixel has a class"):
        predictor.evaluate(rows.tail(2))


def test_a_picture_as_large_as_ten_thousand_pixels(fitted):
    wide = np.zeros((40, 10_000, 3), np.uint8)
    (answer,) = fitted.predict(pd.DataFrame({"photo": pd.Series([wide], dtype=object)}))
    assert answer.shape == (40, 10_000)


def test_folders_matched_by_name(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for name in ("a", "b"):
        (tmp_path / f"images/{name}.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
        (tmp_path / f"masks/{name}_mask.png").write_bytes(png(np.zeros((4, 4), np.uint8)))
    rows = tools.read_rows(str(tmp_path), tools.installed())
    assert rows.table.frame["mask"].tolist() == ["masks/a_mask.png", "masks/b_mask.png"]
    (tmp_path / "images/c.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(DataError, match=r"1 picture\(s\) without a mask: c.png"):
        tools.read_rows(str(tmp_path), tools.installed())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "light", "strong"]),
    st.booleans(),
    st.sampled_from(["keep", "stretch"]),
    st.tuples(st.integers(20, 150), st.integers(20, 150)),
)
def test_masks_stay_with_their_pictures(seed, augment, upside_down, form, size):
    """The mask is the picture's own threshold, also after any augmentation, but for borders."""
    width, height = size
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 2, (height // 10 + 1, width // 10 + 1))
    mask = np.kron(blocks, np.ones((10, 10), int))[:height, :width]
    picture = Image.fromarray(np.dstack([mask * 200 + 20] * 3).astype(np.uint8))
    config = CanvasConfig(augment=augment, upside_down=upside_down, form=form)
    codes = mask.astype(np.int16)
    for placed in (
        plain(picture, codes, (96, 128), form == "stretch"),
        varied(picture, codes, (96, 128), config, seed),
    ):
        assert placed.codes.shape == placed.pixels.shape[:2]
        assert placed.at[0] + placed.codes.shape[1] <= 128
        assert placed.at[1] + placed.codes.shape[0] <= 96
        bright = placed.pixels.mean(axis=2)
        flat = bright.copy()  # where a neighbourhood is of one brightness the mask has to agree
        shifts = [np.roll(flat, (y, x), (0, 1)) for y in (-2, 0, 2) for x in (-2, 0, 2)]
        calm = np.ptp(np.stack(shifts), axis=0) < 1
        calm[[0, 1, -2, -1]] = calm[:, [0, 1, -2, -1]] = False
        middle = (bright.min() + bright.max()) / 2
        if calm.any() and np.ptp(bright) > 20:
            assert ((bright > middle) == (placed.codes == 1))[calm].all()


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (200, 90)])
def test_a_picture_without_augmentation_is_where_it_is_in_a_prediction(size):
    """What a frozen encoder says of it is kept, and found again in the next epoch."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    codes = rng.integers(0, 3, size).astype(np.int16)
    config = CanvasConfig(augment="none", flip=False)
    still = plain(picture, codes, (64, 64), False)
    for seed in range(3):
        moved = varied(picture, codes, (64, 64), config, seed)
        assert (*moved.at,) == still.at
        assert (moved.pixels == still.pixels).all()
        assert (moved.codes == still.codes).all()


def test_one_mask_or_the_other_of_a_seed_only():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8))
    config = CanvasConfig()
    one, same, other = (varied(picture, None, (64, 64), config, seed) for seed in (1, 1, 2))
    assert (one.pixels == same.pixels).all()
    assert one.pixels.shape != other.pixels.shape or (one.pixels != other.pixels).any()


def test_values_of_colours_are_told_apart_from_indices():
    classes, _ = learned(
        [-1 - 0xFF0000, -1], SegmentationConfig(classes={"a": (0, 0, 0), "b": (255, 0, 0)})
    )
    codes = classes.codes(np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8))
    assert codes.tolist() == [[0, 1]]
    assert classes.palette == [(0, 0, 0), (255, 0, 0)]
