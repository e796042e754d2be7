"""COCO, VOC, YOLO, LabelMe, CSV: read, written, checked; what is wrong is an error or counted."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mm_detection.boxes import read_boxes
from mm_detection.readers import read_coco
from mm_detection.task import ObjectDetection
from PIL import Image
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import DataError, LabelError, MMError, MMWarning, tools
from mm_core.cli.app import app


def mm(*arguments, code=0):
    """What it prints, and notes with it where it is not read as JSON."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == code, done.output
    return done.stdout if "--json" in arguments else done.output


def save(path, size=(80, 60), turn=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8))
    exif = image.getexif()
    exif[0x0112] = turn
    image.save(path, exif=exif)


@pytest.fixture
def coco(tmp_path):
    """A COCO file of three pictures, one of them empty; ids 7, 3, 90, crowd, a mask."""
    for name in ("a", "b", "c"):
        save(tmp_path / "images" / f"{name}.jpg")
    document = {
        "images": [
            {"id": 70 + n, "file_name": f"{name}.jpg", "width": 80, "height": 60}
            for n, name in enumerate("abc")
        ],
        "categories": [
            {"id": 90, "name": "toothbrush"},
            {"id": 7, "name": "train"},
            {"id": 3, "name": "car"},
        ],
        "annotations": [
            {"id": 1, "image_id": 70, "category_id": 90, "bbox": [1, 2, 30, 40]},
            {"id": 2, "image_id": 70, "category_id": 3, "bbox": [10, 20, 5, 6], "iscrowd": 1},
            {
                "id": 3,
                "image_id": 72,
                "category_id": 7,
                "bbox": [0, 0, 80, 60],
                "segmentation": [[0, 0, 80, 0, 80, 60]],
            },
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(document))
    return path, document


def read(data):
    return tools.read_rows(data, tools.installed())


def boxes_of(data):
    """Corners, class and id of each box, picture by picture, by the stem of its file."""
    rows = read(data)
    frame = rows.table.frame
    return {
        Path(path).stem: sorted(
            (tuple(np.round(box.corners, 2).tolist()), str(box.name), box.id)
            for box in read_boxes(cell)
        )
        for path, cell in zip(frame["image"], frame["rois"], strict=True)
    }


@pytest.mark.parametrize(
    ("form", "name", "keeps_ids"),
    [
        ("coco", "again.json", True),
        ("csv", "again.csv", True),
        ("yolo", "yolo", True),
        ("voc", "voc", False),
        ("labelme", "labelme", False),
    ],
)
def test_there_and_back(coco, tmp_path, form, name, keeps_ids):
    """Every form gives the same boxes; those that have a place for ids keep them."""
    path, _ = coco
    target = tmp_path / "out" / name
    said = json.loads(mm("detection", "convert", path, target, "--to", form, "--json"))
    assert (said["pictures"], said["boxes"]) == (3, 3)
    wanted, found = boxes_of(path), boxes_of(target)
    if not keeps_ids:
        wanted = {stem: [(*box[:2], None) for box in boxes] for stem, boxes in wanted.items()}
    assert found == wanted
    back = tmp_path / "back.json"
    mm("detection", "convert", target, back)
    assert {stem: [box[:2] for box in boxes] for stem, boxes in boxes_of(back).items()} == {
        stem: [box[:2] for box in boxes] for stem, boxes in wanted.items()
    }
    if keeps_ids:
        document = json.loads(back.read_text())
        assert {(one["id"], one["name"]) for one in document["categories"]} == {
            (90, "toothbrush"), (7, "train"), (3, "car")
        }  # fmt: skip
    mm("detection", "convert", path, target, "--to", form, code=1)  # nothing is overwritten


def test_coco_keeps_crowd_masks_and_image_ids(coco, tmp_path):
    path, document = coco
    mm("detection", "convert", path, tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert [one["id"] for one in again["images"]] == [70, 71, 72]
    assert [one["iscrowd"] for one in again["annotations"]] == [0, 1, 0]
    assert again["annotations"][2]["segmentation"] == document["annotations"][2]["segmentation"]
    said = mm("detection", "convert", path, tmp_path / "voc", "--to", "voc")
    assert "VOC has no place for 1 mask, 1 crowd" in said


def test_a_file_without_annotations_is_pictures_alone(coco, tmp_path):
    """As it is for prediction."""
    path, document = coco
    path.write_text(json.dumps({"images": document["images"]}))
    rows = read(path)
    assert list(rows.table.frame) == ["image"]
    assert rows.index.tolist() == [70, 71, 72]


def test_pictures_without_a_table_are_called_by_their_files(coco):
    """A folder, one picture, a list: each answer says of which picture it is."""
    folder = sorted((coco[0].parent / "images").glob("*.jpg"))
    names = [one.name for one in folder]
    assert read(folder[0].parent).index.tolist() == names
    assert read(folder[0]).index.tolist() == names[:1]
    rows = read([str(one) for one in folder])
    assert rows.index.tolist() == [str(one) for one in folder]
    assert rows.index.name == "picture"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["annotations"][0].update(image_id=5),
        lambda d: d["annotations"][0].update(category_id=5),
        lambda d: d["annotations"][0].pop("bbox"),
        lambda d: d["annotations"][0].update(bbox=[1, 2, 3]),
        lambda d: d["images"][0].pop("file_name"),
        lambda d: d["images"][0].update(id=71),
    ],
    ids=["no such image", "no such class", "no box", "short box", "no file", "id twice"],
)
def test_a_file_that_contradicts_itself_is_an_error(coco, change):
    path, document = coco
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        read_coco(path)
    assert caught.value.remedy


def test_what_lies_beyond_a_picture_is_cut_and_counted(coco):
    path, document = coco
    boxes = [[-20, 0, 40, 30], [100, 5, 5, 5], [70, 50, 30, 30]]
    for one, box in zip(document["annotations"], boxes, strict=True):
        one["bbox"] = box
    path.write_text(json.dumps(document))
    with pytest.warns(MMWarning, match=r"2 box\(es\) reach beyond.*1 box\(es\) lie outside"):
        table = read_coco(path)
    cells = [[box.corners for box in read_boxes(cell)] for cell in table.frame["rois"]]
    assert cells == [[(0, 0, 20, 30)], [], [(70, 50, 80, 60)]]


def test_boxes_of_a_stored_picture_are_turned_with_it(coco):
    """A file that gives the sides of the stored picture was labelled so: EXIF turns boxes too."""
    path, document = coco
    save(path.parent / "images" / "a.jpg", turn=6)
    document["images"][0] |= {"width": 80, "height": 60}
    document["annotations"] = document["annotations"][:1]
    path.write_text(json.dumps(document))
    with pytest.warns(MMWarning, match=r"1 picture\(s\) are turned by EXIF"):
        table = read_coco(path)
    assert read_boxes(table.frame["rois"].iloc[0])[0].corners == (60 - 42, 1, 60 - 2, 31)
    document["images"][0] |= {"width": 60, "height": 80}  # as it is shown: nothing to turn
    path.write_text(json.dumps(document))
    table = read_coco(path)
    assert read_boxes(table.frame["rois"].iloc[0])[0].corners == (1, 2, 31, 42)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_shares_of_a_turned_picture_are_of_its_upright_sides(tmp_path, ending):
    save(tmp_path / "images" / f"a.{ending}", turn=6)  # 80 x 60 as stored
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1 1")
    (cell,) = read(tmp_path).table.frame["rois"]
    assert read_boxes(cell)[0].corners == (0, 0, 60, 80)


def learned(cells):
    task = ObjectDetection(None, ["rois"])
    task.learn(pd.DataFrame({"rois": pd.Series(cells, dtype=object)}))
    return task


GOOD = [[0, 0, 10, 10, "a"]]
HOSTILE = {
    "no json": "boxes",
    "json of something else": '{"a": 1}',
    "a number": 3,
    "no class": [[0, 0, 1, 1]],
    "class is None": [[0, 0, 1, 1, None]],
    "class is empty": [[0, 0, 1, 1, ""]],
    "class is a float": [[0, 0, 1, 1, 1.5]],
    "NaN": [[0, 0, float("nan"), 1, "a"]],
    "NaN in JSON": '[[0, 0, NaN, 1, "a"]]',
    "infinite": [[0, 0, float("inf"), 1, "a"]],
    "text as corner": [["0", 0, 1, 1, "a"]],
    "six values": [[0, 0, 1, 1, "a", 0.9]],
    "not nested": [0, 0, 1, 1, "a"],
    "unknown key": [{"box": [0, 0, 1, 1], "class": "a", "bbox": 1}],
    "dict without class": [{"box": [0, 0, 1, 1]}],
    "id is text": [{"box": [0, 0, 1, 1], "class": "a", "id": "7"}],
    "two ids of a class": [
        {"box": [0, 0, 1, 1], "class": "a", "id": 7},
        {"box": [0, 0, 1, 1], "class": "a", "id": 8},
    ],
    "two classes of an id": [
        {"box": [0, 0, 1, 1], "class": "c", "id": 7},
        {"box": [0, 0, 1, 1], "class": "d", "id": 7},
    ],
    "class not seen": [[0, 0, 1, 1, "z"]],
    "missing": None,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_labels_that_are_no_boxes_are_refused_by_row(case):
    """Twenty of them, each with column, row and what to write."""
    cell = HOSTILE[case]
    task = learned([GOOD, [[0, 0, 1, 1, "b"]]])
    with pytest.raises(LabelError) as caught:
        task.encode(pd.DataFrame({"rois": pd.Series([GOOD, cell], dtype=object)}))
    assert (caught.value.column, list(caught.value.rows)) == ("rois", [1])
    assert caught.value.remedy


def test_swapped_corners_and_boxes_without_area_are_repaired_and_counted():
    task = learned([GOOD])
    cell = [[10, 10, 0, 0, "a"], [3, 3, 3, 9, "a"], {"box": [1, 1, 2, 2], "class": "a", "crowd": 1}]
    with pytest.warns(MMWarning) as told:
        targets = task.encode(pd.DataFrame({"rois": pd.Series([cell, []], dtype=object)}))
    text = str(told[0].message)
    assert "1 box(es) had their corners swapped" in text
    assert "1 box(es) had no area" in text
    assert "1 box(es) are marked crowd or difficult" in text
    assert targets["boxes"][0].tolist() == [[0, 0, 10, 10], [1, 1, 2, 2]]
    assert targets["ignore"][0].tolist() == [False, True]
    assert targets["boxes"][1].shape == (0, 4)
    with pytest.raises(LabelError, match="no row has a box"):
        learned([[], []])


def test_a_fit_of_all_that_is_repaired_says_so(frame, small, tmp_path):
    """And a picture that is missing ends it. A class of difficult boxes alone is none to learn."""
    odd = [
        [{"box": [0, 0, 60, 60], "class": "red", "crowd": True}, [4, 4, 20, 20, "red"]],
        [{"box": [0, 0, 9, 9], "class": "strange", "difficult": True}],
        [],
        [[30, 30, 10, 10, "blue"]],
        [[5, 5, 5, 20, "green"], [8, 8, 30, 30, "green"]],
        [[-10, -10, 20, 20, "red"], [500, 500, 600, 600, "blue"]],
    ]
    rows = frame.head(6).assign(boxes=odd)
    settings = {**small, "training.epochs": 1}
    predictor = MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0)
    with pytest.warns(MMWarning) as told:
        predictor.fit(rows, tuning_data=rows)
    text = " ".join(str(one.message) for one in told)
    for said in (
        "1 box(es) had their corners swapped",
        "1 box(es) had no area",
        "2 box(es) are marked crowd or difficult",
        "reach beyond their picture",
    ):
        assert said in text
    found = predictor.predict_coco(rows, score_threshold=0.0, most=3)
    assert {one["name"] for one in found["categories"]} == {"red", "blue", "green"}
    assert np.isfinite([[*one["bbox"], one["score"]] for one in found["annotations"]]).all()
    gone = rows.assign(photo=[*rows.photo[:5], str(tmp_path / "gone.png")])
    other = MultiModalPredictor("boxes", hyperparameters=settings, verbosity=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)
        with pytest.raises(MMError, match=r"gone\.png"):
            other.fit(gone, tuning_data=rows)


def test_crowds_are_neither_learned_nor_scored(frame, small, fitted):
    """A box that nobody could find costs nothing where it is a crowd."""
    crowd = {"box": [0.0, 0.0, 60.0, 60.0], "class": "red", "crowd": True}
    marked = frame.assign(boxes=[[*boxes, crowd] for boxes in frame.boxes])
    with pytest.warns(MMWarning, match=f"{len(frame)} box"):
        scores = fitted.evaluate(marked)
    assert scores["map.mar_100"] == fitted.evaluate(frame)["map.mar_100"]


@pytest.mark.parametrize(
    "cells",
    [["absent.png"], ["empty.png"], ["text.png"], [b"\x89PNG"], [["0.png", "1.png"]], [3.5]],
    ids=["absent", "empty", "text", "cut off", "two pictures", "a number"],
)
def test_pictures_that_cannot_be_read_are_told_by_row(fitted, frame, tmp_path, cells):
    """Or have no boxes, where the user says so."""
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    absolute = [str(tmp_path / one) if isinstance(one, str) else one for one in cells]
    rows = pd.DataFrame({"photo": pd.Series([frame.photo[1], *absolute], dtype=object)})
    with pytest.raises(MMError) as caught:
        fitted.predict(rows)
    assert "row" in str(caught.value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)
        answers = fitted.predict(rows, on_error="missing")
    assert answers[1] == []
    assert answers[0] == fitted.predict(frame.iloc[[1]])[1]


def test_check_lists_what_is_wrong(tmp_path):
    save(tmp_path / "a.png")
    cells = ['[[5, 5, 90, 20, "a"], [9, 9, 1, 1, "b"]]', '[[200, 0, 210, 5, "a"]]', "[]", "[[0]]"]
    rows = pd.DataFrame({"image": ["a.png", "a.png", "gone.png", "a.png"], "rois": cells})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    report = json.loads(mm("detection", "check", tmp_path / "rows.csv", "--json", code=1))
    assert report["classes"] == {"a": 2, "b": 1}
    assert [(one["row"], one["what"].split(":")[0]) for one in report["wrong"]] == [
        (0, "corners are swapped"),
        (0, "a box reaches beyond its picture"),
        (1, "a box lies outside its picture"),
        (2, "no such picture, or it cannot be opened"),
        (3, "label has 1 values where a box has 5"),
    ]


def test_a_coco_file_is_trained_on_as_it_is(coco, small):
    """One epoch, from the reader to answers by image id."""
    path, document = coco
    for one in document["annotations"]:
        one["iscrowd"] = 0
    path.write_text(json.dumps(document))
    settings = {**small, "training.epochs": 1}
    predictor = MultiModalPredictor("rois", hyperparameters=settings, verbosity=0)
    predictor.fit(path, tuning_data=path)
    assert predictor.predict(path).index.tolist() == [70, 71, 72]
    found = predictor.predict_coco(path, score_threshold=0.0, most=2)
    assert {one["image_id"] for one in found["annotations"]} == {70, 71, 72}
    assert {one["category_id"] for one in found["annotations"]} <= {7, 3, 90}
    assert sorted(one["id"] for one in found["categories"]) == [3, 7, 90]
