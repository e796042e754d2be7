"""From a table of pictures and masks to masks, in Python and in the terminal."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from mm_image.api import runs_to_mask
from mm_segmentation.samples import SIDE, drawn
from PIL import Image
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, DataError, LabelError
from mm_core.cli.app import app


@pytest.fixture(scope="module")
def test_rows(pictures):
    return pictures(20, seed=1)


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_label_of_masks_asks_for_the_task_and_learns(fitted, test_rows):
    assert fitted.recipe.task.id == "segmentation:semantic_segmentation"
    scores = fitted.evaluate(test_rows, metrics=["iou", "miou", "dice", "ber", "mask_mae"])
    assert scores["iou"] > 0.8
    assert scores["miou"] == pytest.approx(
        np.mean([scores["miou.class.0"], scores["miou.class.255"]])
    )
    assert scores["dice"] > scores["iou"]
    assert scores["ber"] < 20
    assert scores["mask_mae"] < 0.2


def test_masks_are_of_the_size_of_their_pictures_and_lie_where_things_are(fitted, test_rows):
    found = fitted.predict(test_rows)
    for number, mask in enumerate(found):
        true = drawn(number, 1, wider=32)[1]
        assert mask.shape == true.shape
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 255}
    areas = [(mask > 0).mean() for mask in found]
    assert min(areas) < 0.02  # every fifth has none
    assert max(areas) > 0.05
    assert max(areas) < 0.5


def test_a_loaded_model_draws_the_same(fitted, saved, test_rows):
    again = MultiModalPredictor.load(saved)
    one, other = fitted.predict(test_rows), again.predict(test_rows)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_a_row_without_a_picture_has_no_mask_and_counts_as_wrong(fitted, table):
    frame = pd.read_csv(table).head(4)
    for name in frame:
        frame[name] = [str(table.parent / one) for one in frame[name]]
    whole = fitted.evaluate(frame)["iou"]
    frame.loc[1, "photo"] = None
    answers = fitted.predict(frame)
    assert [one is None for one in answers] == [False, True, False, False]
    assert fitted.evaluate(frame)["iou"] < whole


def test_forms_of_answers(fitted, table):
    rows = pd.read_csv(table).head(3).map(lambda one: str(table.parent / one))
    masks = fitted.predict(rows)
    runs = fitted.predict(rows, form="rle")
    sure = fitted.predict(rows, form="probability")
    each = fitted.predict(rows, form="probabilities")
    records = fitted.predict(rows, form="record")
    threshold = fitted._session.held.model.task.threshold
    for row in range(3):
        assert (runs_to_mask(runs[row]["255"]) * 255 == masks[row]).all()
        assert ((sure[row] >= threshold) * 255 == masks[row]).all()
        assert each[row].shape == (2, *masks[row].shape)
        assert np.abs(each[row][1] - sure[row]).max() < 0.01
        assert records[row]["rle"] == runs[row]
        assert 0.5 <= records[row]["confidence"] <= 1
        assert sum(records[row]["shares"].values()) == pytest.approx(1, abs=1e-5)
    strict = fitted.predict(rows, threshold=0.99)
    assert sum((one > 0).sum() for one in strict) < sum((one > 0).sum() for one in masks)


def test_the_mirrored_picture_is_looked_at_too(fitted, test_rows):
    frame = pd.read_csv(test_rows).map(lambda one: str(test_rows.parent / one)).head(6)
    plain = fitted.predict(frame, form="probability")
    both = fitted.predict(frame, form="probability", tta=True)
    for row, name in enumerate(frame["photo"]):
        turned = np.asarray(Image.open(name))[:, ::-1]
        cells = pd.DataFrame({"photo": pd.Series([np.ascontiguousarray(turned)], dtype=object)})
        (mirrored,) = fitted.predict(cells, form="probability")
        if turned.shape[1] == SIDE:  # as large as the canvas: nothing is resized
            mean = (plain[row] + mirrored[:, ::-1]) / 2
            assert np.abs(mean - both[row]).max() < 0.01
    assert fitted.evaluate(frame.assign(), tta=True)["iou"] > 0.7


def test_the_terminal(saved, test_rows, tmp_path):
    said = json.loads(run("evaluate", saved, test_rows, "--json"))
    assert said["scores"]["iou"] > 0.8
    run("predict", saved, test_rows, "--out", tmp_path / "said.jsonl", "--option", "form=rle")
    lines = (tmp_path / "said.jsonl").read_text().splitlines()
    runs = [json.loads(line)["mask"]["255"] for line in lines]
    assert [runs_to_mask(one).shape[1] for one in runs] == [SIDE, SIDE + 32] * 10
    run("segmentation", "draw", saved, test_rows, "--out", tmp_path / "looks", "--most", 3)
    looks = sorted((tmp_path / "looks").glob("*.png"))
    assert len(looks) == 3
    colours = {tuple(one) for one in np.asarray(Image.open(looks[0])).reshape(-1, 3).tolist()}
    assert len(colours) > 50
    assert "nothing is wrong" in run("segmentation", "check", test_rows, "--image", "photo")


def test_a_folder_of_masks(fitted, saved, test_rows, tmp_path):
    run("predict", saved, test_rows, "--out", tmp_path / "found", "--keep", "photo")
    table = pd.read_csv(tmp_path / "found/answers.csv")
    assert list(table) == ["photo", "mask"]
    assert table["photo"].tolist() == pd.read_csv(test_rows)["photo"].tolist()
    for name, mask in zip(table["mask"], fitted.predict(test_rows), strict=True):
        assert (np.asarray(Image.open(tmp_path / "found" / name)) == mask).all()
    with pytest.raises(DataError, match="not empty"):
        fitted.predict(test_rows, out=tmp_path / "found")
    none = fitted.predict(pd.read_csv(test_rows).head(0), out=tmp_path / "none", keep="photo")
    assert (none.rows, none.columns) == (0, ("photo", "mask"))
    assert list(pd.read_csv(tmp_path / "none/answers.csv")) == ["photo", "mask"]
    fitted.predict(test_rows, out=tmp_path / "sure", form="probability")
    (first,) = fitted.predict(
        pd.read_csv(test_rows).head(1).map(lambda one: str(test_rows.parent / one)),
        form="probability",
    )
    sure = np.asarray(Image.open(tmp_path / "sure/masks/000000.png")) / 65535
    assert np.abs(sure - first).max() < 1e-4
    with pytest.raises(DataError, match="is no picture"):
        fitted.predict(test_rows, out=tmp_path / "each", form="probabilities")
    assert not (tmp_path / "each").exists()
    assert not (tmp_path / "each.part").exists()


def test_a_fit_in_the_terminal(table, small, tmp_path):
    settings = small | {"training.epochs": 1}
    sets = [w for k, v in settings.items() for w in ("--set", f"{k}={json.dumps(v)}")]
    run("fit", table, "--label", "mask", "--out", tmp_path / "m", *sets)
    assert "semantic_segmentation" in run("inspect", tmp_path / "m")


def test_large_pictures_in_tiles(fitted, tmp_path):
    """What is too small on the canvas is found at its own scale, borders of tiles leave no seam."""
    parts = [[drawn(4 * y + x + 1, 5) for x in range(4)] for y in range(4)]
    picture = np.vstack([np.hstack([one[0] for one in row]) for row in parts])
    true = np.vstack([np.hstack([one[1] for one in row]) for row in parts])
    frame = pd.DataFrame({"photo": pd.Series([picture], dtype=object)})

    def iou(mask):
        return ((mask > 0) & true).sum() / ((mask > 0) | true).sum()

    (shrunk,), (tiled,) = fitted.predict(frame), fitted.predict_tiles(frame, side=SIDE, shared=0.5)
    assert tiled.shape == true.shape
    assert iou(tiled) > 0.75
    assert iou(tiled) > iou(shrunk) + 0.1
    with pytest.raises(ConfigError, match="cannot be cut"):
        fitted.predict_tiles(frame, side=8)


def test_what_cannot_be_drawn(fitted, test_rows):
    with pytest.raises(ConfigError, match="form='rle' cannot be drawn"):
        fitted.visualize(test_rows, form="rle")
    with pytest.raises(ConfigError, match=r"rows=\[20, -1\]: the data has 20 rows"):
        fitted.visualize(test_rows, rows=[0, 20, -1])
    assert len(fitted.visualize(test_rows, rows=[3, 0], form="mask")) == 2


def test_tiles_in_the_terminal(fitted, saved, test_rows, tmp_path):
    """Each mask is written before the next picture is looked at."""
    rows = pd.read_csv(test_rows).head(2).map(lambda one: str(test_rows.parent / one))
    rows.loc[2] = ["nowhere.png", None]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["segmentation", "tiles", saved, tmp_path / "rows.csv", "--out", tmp_path / "found"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 1
    assert "row 2 of 'photo' has no picture: no such file" in " ".join(done.output.split())
    for row, mask in enumerate(fitted.predict_tiles(rows.head(2))):
        assert (np.asarray(Image.open(tmp_path / f"found/masks/{row:06d}.png")) == mask).all()


def _quarters(values):
    """Pictures of four grey levels, and masks of these values, as the level says."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(16):
        codes = np.kron(rng.integers(0, 3, (2, 2)), np.ones((SIDE // 2, SIDE // 2), int))
        picture = (codes * 90 + rng.integers(0, 40, (SIDE, SIDE))).astype(np.uint8)
        rows.append({"photo": np.dstack([picture] * 3), "mask": np.array(values)[codes]})
    return pd.DataFrame(rows)


def test_several_classes_void_and_names(small):
    frame = _quarters([3, 7, 9]).assign()
    for mask in frame["mask"]:
        mask[:8] = 200
    settings = {**small, "task.ignore": 200, "task.classes": ["low", "mid", "high"]}
    predictor = MultiModalPredictor("mask", hyperparameters=settings, verbosity=0)
    predictor.fit(frame, tuning_data=frame)
    scores = predictor.evaluate(frame, metrics=["iou", "pixel_accuracy"])
    assert scores["iou"] > 0.9
    assert {"iou.class.low", "iou.class.mid", "iou.class.high"} <= scores.keys()
    answer = predictor.predict(frame)[0]
    assert set(np.unique(answer)) <= {3, 7, 9}
    each = predictor.predict(frame.head(1), form="probabilities")[0]
    assert each.shape == (3, SIDE, SIDE)
    assert np.abs(each.astype(float).sum(axis=0) - 1).max() < 0.01
    assert (np.array([3, 7, 9])[each.argmax(axis=0)] == answer).mean() > 0.99
    with pytest.raises(LabelError, match="has the value 5, which no class has") as caught:
        predictor.evaluate(_quarters([3, 7, 5]))
    assert (caught.value.column, caught.value.rows) == ("mask", (0,))
    assert "task.ignore=5" in caught.value.remedy


def test_masks_in_colours(small):
    colours = {"sky": (0, 0, 255), "grass": (0, 255, 0), "road": (90, 90, 90)}
    frame = _quarters([0, 1, 2])
    frame["mask"] = [np.array(list(colours.values()), np.uint8)[one] for one in frame["mask"]]
    with pytest.raises(LabelError, match=r"task.classes=\{name: \[r, g, b\]"):
        MultiModalPredictor("mask", hyperparameters=small, verbosity=0).fit(frame)
    settings = {**small, "task.classes": colours}
    predictor = MultiModalPredictor("mask", hyperparameters=settings, verbosity=0)
    predictor.fit(frame, tuning_data=frame)
    assert predictor.evaluate(frame)["iou"] > 0.9
    answer = predictor.predict(frame)[0]
    true = (frame["mask"][0] == [90, 90, 90]).all(axis=2)
    assert ((answer == 2) == true).mean() > 0.95
