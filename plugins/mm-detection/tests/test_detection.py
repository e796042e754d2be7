"""Boxes are found, in pixels of the pictures; from Python and in a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mm_detection.boxes import read_boxes
from mm_detection.matching import matched
from mm_detection.samples import IDS
from mm_detection.writers import rows_of, write

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, RecipeError, Table
from mm_core.testing import forked

LIBRARIES = ("timm", "torchvision", "transformers")


def mm(*arguments: str | Path, at: Path) -> str:
    """What ``mm`` prints, in a process of its own that reaches no hub."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = forked.mm(*arguments, cwd=at, env=environment, libraries=LIBRARIES)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_boxes_are_found_in_pixels_of_each_picture(frame, fitted):
    """Half of the pictures are wider than the others: they were scaled, and their boxes back."""
    scores = fitted.evaluate(frame, metrics=["map", "map_50", "mar"])
    assert scores["map_50"] > 0.85
    assert scores["map_50"] > scores["map"] > 0.4
    assert scores["map.50"] == scores["map_50"]
    assert scores["map.mar_100"] == scores["mar"]
    by_class = [scores[f"map.class.{name}"] for name in IDS]
    assert scores["map"] == pytest.approx(np.mean(by_class))
    answers = fitted.predict(frame)
    for parity in (0, 1):
        rows = range(parity, len(frame), 2)
        results = [matched(read_boxes(frame.boxes[row]), answers[row]) for row in rows]
        became = [what for one in results for what in one.true]
        assert became.count("right") > 0.75 * len(became)
    best = answers[3][0]
    assert [type(one) for one in best] == [float] * 4 + [str, float]


def test_ids_of_classes_stay_what_they_are(frame, fitted, saved, tmp_path):
    """7, 3 and 90, from the labels through training, saving and a new process to COCO."""
    assert [(one["name"], one["id"]) for one in fitted.predict_coco(frame)["categories"]] == [
        ("blue", 3),
        ("red", 7),
        ("green", 90),
    ]
    data = tmp_path / "rows.jsonl"
    frame.to_json(data, orient="records", lines=True)
    mm("detection", "coco", saved, data, tmp_path / "found.json", at=tmp_path)
    document = json.loads((tmp_path / "found.json").read_text())
    assert {one["id"]: one["name"] for one in document["categories"]} == {
        number: name for name, number in IDS.items()
    }
    answers = fitted.predict(frame, score_threshold=0.02)  # what scores see
    said = [
        (row + 1, IDS[box[4]], box[:2], box[5])
        for row, boxes in enumerate(answers)
        for box in boxes
    ]
    found = [
        (one["image_id"], one["category_id"], one["bbox"][:2], one["score"])
        for one in document["annotations"]
    ]
    assert len(found) == len(said) > 10
    for one, other in zip(found, said, strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=0.02)
        assert one[3] == pytest.approx(other[3], abs=2e-4)
    assert {"width": 96, "height": 64}.items() <= document["images"][1].items()
    few = fitted.predict_coco(frame, score_threshold=0.3)["annotations"]
    assert len(few) == fitted.predict(frame).map(len).sum() < len(found)


def test_scores_of_what_is_written_are_those_of_evaluate(frame, fitted, tmp_path):
    """By pycocotools, from the files alone: boxes of a low score are in them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    cells = frame.rename(columns={"photo": "image", "boxes": "rois"})
    rows = rows_of(Table(cells, tmp_path), frame.index, None, None)
    write(rows, tmp_path / "true.json", "coco")
    fitted.predict_coco(frame, tmp_path / "found.json")
    with contextlib.redirect_stdout(io.StringIO()):
        true = COCO(tmp_path / "true.json")
        said = json.loads((tmp_path / "found.json").read_text())["annotations"]
        judge = COCOeval(true, true.loadRes(said), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    scores = fitted.evaluate(frame)
    assert judge.stats[0] == pytest.approx(scores["map"], abs=5e-3)
    assert judge.stats[8] == pytest.approx(scores["map.mar_100"], abs=5e-3)


def test_options_choose_among_what_is_found(frame, fitted):
    """They change answers, and no score but by ``classes``."""
    few = fitted.predict(frame, score_threshold=0.9).map(len).sum()
    many = fitted.predict(frame, score_threshold=0.05).map(len)
    assert few < many.sum()
    assert fitted.predict(frame, score_threshold=0.05, most=1).map(len).max() == 1
    one = fitted.predict(frame, score_threshold=0.05, classes=["red"])
    assert {box[4] for boxes in one for box in boxes} == {"red"}
    assert fitted.evaluate(frame, score_threshold=1) == fitted.evaluate(frame)
    scores = fitted.evaluate(frame)
    red = fitted.evaluate(frame, classes=["red"])
    assert red["map"] == red["map.class.red"] == scores["map.class.red"]
    assert "map.class.blue" not in red
    tight = fitted.predict(frame, score_threshold=0.05, overlap=0.01).map(len).sum()
    assert tight < many.sum()
    (box,) = fitted.predict(frame.iloc[[1]], as_coco=True, most=1)[1]
    plain = fitted.predict(frame.iloc[[1]], most=1)[1][0]
    assert box["category_id"] == IDS[plain[4]]
    x1, y1, x2, y2 = plain[:4]
    assert box["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=0.02)
    with pytest.raises(ConfigError, match="no class 'cat'"):
        fitted.predict(frame, classes=["cat"])


def test_a_row_without_a_picture_has_no_boxes(frame, fitted):
    """And changes no other."""
    gaps = frame.assign(photo=frame.photo.where(frame.index != 3))
    answers = fitted.predict(gaps, score_threshold=0.02)
    assert answers[3] == []
    assert answers[2] == fitted.predict(frame, score_threshold=0.02)[2]


def test_a_terminal_answers_as_python_does(frame, fitted, saved, tmp_path):
    """In CSV an answer is JSON, as a label may be; one picture, a list and a folder are data."""
    frame.assign(boxes=frame.boxes.map(json.dumps)).to_csv(tmp_path / "rows.csv", index=False)
    option = ("--option", "score_threshold=0.2")
    mm("predict", saved, "rows.csv", *option, "--out", "said.csv", at=tmp_path)
    said = [json.loads(cell) for cell in pd.read_csv(tmp_path / "said.csv")["boxes"]]
    assert said == fitted.predict(frame, score_threshold=0.2).tolist()
    whole = fitted.predict({"photo": frame.photo.tolist()})
    assert whole.tolist() == fitted.predict(frame).tolist()


def test_the_label_asks_for_the_task(frame):
    """Nothing is named but the label; other columns are not used."""
    text = frame.assign(boxes=frame.boxes.map(json.dumps), side=range(len(frame)))
    recipe = MultiModalPredictor("boxes", verbosity=0).plan(text)
    assert recipe.task.id == "detection:object_detection"
    assert recipe.inputs["picture_image"].columns == ("photo",)
    assert recipe.backbones["picture_image"].id == "detection:torchvision"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backbones.picture_image": "image:timm"}, "needs detections"),
        ({"backbones.picture_image.head": "yolo"}, "fcos"),
    ],
)
def test_a_plan_refuses_what_a_fit_would(frame, settings, says):
    """Before a picture is opened."""
    with pytest.raises((ConfigError, RecipeError), match=says):
        MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0).plan(frame)


@pytest.mark.parametrize("head", ["fcos", "retinanet", "faster_rcnn"])
def test_every_head_trains_and_comes_back(frame, small, head, tmp_path):
    """One epoch, rows of different weights; saved, it finds the same boxes."""
    settings = {**small, "backbones.picture_image.head": head, "training.epochs": 1}
    weighed = frame.head(8).assign(weight=[1.0, 2.0] * 4)
    predictor = MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0)
    predictor.fit(weighed, tuning_data=frame.head(8), sample_weight="weight")
    expected = predictor.predict(frame.head(4), score_threshold=0.0, most=5)
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"), verbosity=0)
    found = again.predict(frame.head(4), score_threshold=0.0, most=5)
    assert found.tolist() == expected.tolist()
    assert found.map(len).min() > 0
    assert again.extract_embedding(frame.head(4)).shape[0] == 4
