"""Boxes are found, in pixels of the pictures; from Python and in a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import ColumnSample, ConfigError, LabelSample, MMError, RecipeError

from mm_boxes.detect import detect
from mm_boxes.metrics import iou
from mm_boxes.samples import drawn

SMALL = {
    "backbones.picture_image.checkpoint": "random",
    "inputs.picture_image.processor.image_size": 64,
    "topology.width": 32,
    "training.epochs": 20,
    "training.batch_size": 4,
    "training.head_learning_rate": 3e-3,
}


def pictures(folder: Path, n: int, seed: int = 0) -> pd.DataFrame:
    """Grey pictures of two sizes with none to three squares, red or blue."""
    rows = []
    for number in range(n):
        content, boxes = drawn(number, number % 4, seed)
        (folder / f"{seed}-{number}.png").write_bytes(content)
        rows.append({"photo": str(folder / f"{seed}-{number}.png"), "boxes": boxes})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Rows to train on."""
    return pictures(tmp_path_factory.mktemp("photos"), 32)


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> MultiModalPredictor:
    """Nothing but the size of things is set: the label asks for the task, and it for the rest."""
    return MultiModalPredictor("boxes", hyperparameters=SMALL, verbosity=0).fit(
        frame, tuning_data=frame
    )


def found(true: list[Any], said: list[Any]) -> int:
    """True boxes that one of their class lies on."""
    hits = 0
    for *corners, name in true:
        of_class = [other[:4] for other in said if other[4] == name]
        hits += bool(of_class) and iou(np.array([corners]), np.array(of_class)).max() > 0.5
    return int(hits)


def test_boxes_are_found_in_pixels_of_each_picture(
    frame: pd.DataFrame, fitted: MultiModalPredictor
) -> None:
    """Half of the pictures are wider than the others: they were scaled, and their boxes back."""
    scores = fitted.evaluate(frame, metrics=["map", "map50"])
    assert scores["map50"] > 0.9
    assert scores["map50"] > scores["map"] > 0.4
    answers = fitted.predict(frame)
    for parity in (0, 1):
        rows = range(parity, len(frame), 2)
        hits = sum(found(frame.boxes[row], answers[row]) for row in rows)
        assert hits > 0.8 * sum(len(frame.boxes[row]) for row in rows)
    best = answers[3][0]
    assert [type(one) for one in best] == [float] * 4 + [str, float]


def test_options_choose_boxes_and_scores_do_not_depend_on_them(
    frame: pd.DataFrame, fitted: MultiModalPredictor
) -> None:
    """The threshold cuts the answer; metrics see what is below it."""
    count = {at: fitted.predict(frame, score_threshold=at).map(len).sum() for at in (0.05, 0.3, 1)}
    assert count[0.05] > count[0.3] > count[1] == 0
    assert fitted.predict(frame, most=1, score_threshold=0.05).map(len).max() == 1
    assert fitted.evaluate(frame, score_threshold=1) == fitted.evaluate(frame)
    with pytest.raises(ConfigError, match="score_threshold"):
        fitted.predict(frame, score_threshold=2)


def test_a_row_without_a_picture_has_no_boxes(
    frame: pd.DataFrame, fitted: MultiModalPredictor
) -> None:
    """And changes no other."""
    gaps = frame.assign(photo=frame.photo.where(frame.index != 3))
    answers = fitted.predict(gaps, score_threshold=0.02)
    assert answers[3] == []
    assert answers[2] == fitted.predict(frame, score_threshold=0.02)[2]


def test_a_saved_model_gives_the_same_boxes_in_a_terminal(
    frame: pd.DataFrame, fitted: MultiModalPredictor, tmp_path: Path
) -> None:
    """In CSV and in Parquet an answer is JSON, as a label may be."""
    fitted.save(tmp_path / "model")
    frame.assign(boxes=frame.boxes.map(json.dumps)).to_csv(tmp_path / "rows.csv", index=False)
    expected = fitted.predict(frame, score_threshold=0.2).tolist()
    for name, read in (("said.csv", pd.read_csv), ("said.parquet", pd.read_parquet)):
        mm(
            "predict",
            "model",
            "rows.csv",
            "--option",
            "score_threshold=0.2",
            "--out",
            name,
            at=tmp_path,
        )
        assert [json.loads(cell) for cell in read(tmp_path / name)["boxes"]] == expected
    scores = json.loads(mm("evaluate", "model", "rows.csv", "--json", at=tmp_path))
    assert scores["scores"]["map"] == pytest.approx(fitted.evaluate(frame)["map"])


def mm(*arguments: str, at: Path) -> str:
    """What ``mm`` prints, in a process of its own."""
    program = str(Path(sys.executable).with_name("mm"))
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=at)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_cells_of_boxes_ask_for_the_task(frame: pd.DataFrame) -> None:
    """Lists and JSON of them, where one at least has a box; other lists are another's."""
    frame = frame.assign(boxes=frame.boxes.map(json.dumps), side=range(len(frame)))
    recipe = MultiModalPredictor("boxes", verbosity=0).plan(frame)
    assert recipe.task.id == "boxes:detection"
    assert {name: part.columns for name, part in recipe.inputs.items()} == {
        "picture_image": ("photo",)
    }


@pytest.mark.parametrize("cells", [[["red", "blue"], ["red"]], [["red"], []], [["a", 1], []]])
def test_other_lists_are_not_taken_for_boxes(cells: list[Any]) -> None:
    """The claim is on the form of every cell."""
    assert detect(LabelSample((column_of(cells),))) is None
    boxes = [[[0, 0, 1, 1, "a"]], []]
    claim = detect(LabelSample((column_of(boxes),)))
    assert claim is not None
    assert (claim.kind, claim.score) == ("detection", 1.0)


def column_of(cells: list[Any]) -> ColumnSample:
    """What a detector sees of these."""
    return ColumnSample("boxes", "object", tuple(cells), 0.0, len(cells), len(cells), Path())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backbones.picture_image": "image:timm"}, "needs spatial features"),
        ({"task.nothing": 1}, "nothing"),
    ],
)
def test_a_plan_refuses_what_a_fit_would(
    frame: pd.DataFrame, settings: dict[str, Any], says: str
) -> None:
    """Before a picture is opened."""
    with pytest.raises((ConfigError, RecipeError), match=says):
        MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0).plan(frame)


def test_without_a_picture_there_is_no_plan() -> None:
    """The role is required; what else the table holds is of no use."""
    boxes = [[[0, 0, 1, 1 + row, "a"]] for row in range(20)]
    rows = pd.DataFrame({"width": range(20), "boxes": boxes})
    with pytest.raises(MMError, match=r"picture|no column can be used"):
        MultiModalPredictor("boxes", verbosity=0).plan(rows)


@pytest.mark.slow
def test_blood_cells_are_found(tmp_path: Path) -> None:
    """BCCD: three kinds of cells, from pretrained weights; nothing is named but the label."""
    data = Path(os.environ.get("MM_DATA", "nowhere")) / "bccd"
    if not data.is_dir():
        pytest.skip("MM_DATA names no folder with bccd")
    settings = {"training.epochs": 8, "training.batch_size": 8}
    size = {"inputs.picture_image.processor.image_size": 256}
    predictor = MultiModalPredictor("rois", hyperparameters=settings | size, verbosity=0)
    predictor.fit(data / "train.csv")
    assert predictor.evaluate(data / "test.csv", metrics=["map50"])["map50"] > 0.5
