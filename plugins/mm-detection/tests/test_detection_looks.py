"""Pictures of boxes, the table of confusion, slices of large pictures."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from mm_detection.boxes import Box
from mm_detection.draw import _COLOURS, side_by_side
from mm_detection.matching import matched
from mm_detection.methods import slices
from mm_detection.samples import COLOURS
from PIL import Image
from typer.testing import CliRunner

from mm_core.api import ConfigError, DataError
from mm_core.cli.app import app


def test_boxes_are_right_double_of_a_wrong_class_or_missed():
    true = [
        Box((0, 0, 10, 10), "a"),
        Box((20, 20, 30, 30), "a"),
        Box((40, 40, 50, 50), "b"),
        Box((60, 60, 70, 70), "a", more={"crowd": True}),
    ]
    said = [
        [0, 0, 10, 10, "a", 0.9],
        [1, 0, 10, 10, "a", 0.8],
        [40, 40, 50, 50, "a", 0.7],
        [80, 80, 90, 90, "b", 0.6],
        [60, 60, 70, 70, "b", 0.5],
    ]
    found = matched(true, said)
    assert found.found == ["right", "double", "class", "extra", "ignored"]
    assert found.true == ["right", "missed", "class", "ignored"]
    assert sorted(found.pairs, key=str) == sorted(
        [("a", "a"), (None, "a"), ("b", "a"), (None, "b"), ("a", None)], key=str
    )


def test_each_mistake_has_its_colour():
    picture = Image.new("RGB", (320, 320), "black")
    true = [Box((10, 30, 90, 100), "a"), Box((200, 200, 300, 300), "b")]
    said = [[10, 30, 90, 100, "a", 0.9], [120, 40, 180, 100, "a", 0.4]]
    sheet = np.asarray(side_by_side(picture, true, said))
    assert sheet.shape[1] == 2 * 320 + 8
    left, right = sheet[:320, :320], sheet[:320, 328:]

    def at(panel, x, y):
        return tuple(panel[y, x].tolist())

    assert at(left, 50, 100) == at(right, 50, 100) == _COLOURS["right"]
    assert at(right, 150, 100) == _COLOURS["extra"]
    dashes = {at(left, x, 300) for x in range(205, 295)}
    assert {_COLOURS["missed"], (0, 0, 0)} <= dashes


def test_pictures_are_drawn_from_python_and_in_a_terminal(frame, fitted, saved, tmp_path):
    sheets = fitted.visualize(frame, rows=[3, 2])
    assert [one.size[0] > one.size[1] for one in sheets] == [True, True]
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    arguments = ["detection", "draw", str(saved), str(tmp_path / "rows.jsonl"), "--most", "3"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "looks"), "--json"])
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    assert len(files) == 3
    assert all(Image.open(file).size[1] >= 320 for file in files)
    (alone,) = fitted.visualize(frame[["photo"]], rows=[1])  # without labels: one panel
    assert alone.size[0] < sheets[0].size[0]


def test_confusions_are_counted(frame, fitted):
    table = fitted.confusion(frame)
    counts = frame.boxes.explode().dropna().map(lambda box: box["class"]).value_counts()
    for name, count in counts.items():
        assert table.loc[name].sum() == count
        assert table.loc[name, name] > 0.7 * count
    with pytest.raises(DataError, match="no boxes to compare"):
        fitted.confusion(frame[["photo"]])


def test_small_things_in_a_large_picture_are_found_in_slices(fitted, frame, tmp_path):
    """Squares of 18 pixels in a picture of 400: shrunk to 64 pixels they are 3.

    Each lies in a quarter of a slice, as those that were learned do, and so is met squarely: that
    it is right must not hang on the last digit of a weight.
    """
    rng = np.random.default_rng(3)
    picture = rng.integers(90, 130, (400, 400, 3)).astype(np.uint8)
    starts = sorted({left for left, *_ in slices((400, 400), 64, 0.4)})
    cells = [(0, 0), (4, 0), (8, 1), (2, 5), (6, 5), (1, 8), (7, 9)]
    corners = [(starts[across] + 4, starts[down] + 4) for across, down in cells]
    for x, y in corners:
        picture[y : y + 18, x : x + 18] = COLOURS["red"]
    Image.fromarray(picture).save(tmp_path / "large.png")
    rows = pd.DataFrame({"photo": [str(tmp_path / "large.png")]}, index=["large"])
    true = [Box((x, y, x + 18, y + 18), "red") for x, y in corners]
    whole = matched(true, fitted.predict(rows)["large"])
    answers = fitted.predict_slices(rows, side=64, shared=0.4)
    assert answers.index.tolist() == ["large"]
    found = matched(true, answers["large"])
    assert found.true.count("right") >= 5 > whole.true.count("right")
    assert found.found.count("double") <= 1
    with pytest.raises(ConfigError, match="shared"):
        fitted.predict_slices(rows, shared=1)


def test_slices_cover_a_picture():
    """A small one is looked at as a whole only."""
    assert list(slices((300, 200), 640, 0.2)) == [(0, 0, 300, 200)]
    windows = list(slices((1500, 700), 640, 0.2))
    covered = np.zeros((700, 1500), bool)
    for left, top, right, bottom in windows[1:]:
        assert (right - left, bottom - top) == (640, 640)
        covered[top:bottom, left:right] = True
    assert covered.all()
    starts = sorted({window[0] for window in windows[1:]})
    assert all(b - a <= 640 * 0.8 + 1 for a, b in pairwise(starts))
