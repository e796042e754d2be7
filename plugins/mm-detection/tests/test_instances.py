"""Masks of things: learned, answered, saved, drawn, scored; from Python and in a terminal."""

from __future__ import annotations

import base64
import inspect
import io
import json
import typing

import numpy as np
import pandas as pd
import pytest
from mm_detection import api
from mm_detection.methods import predict_slices
from mm_detection.outlines import read_outline
from mm_detection.readers import read_coco, read_labelme
from mm_detection.samples import SIDE
from mm_detection.writers import checked_boxes
from mm_image.api import mask_to_runs, runs_to_mask
from PIL import Image
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError, MMWarning, RecipeError, tools
from mm_core.cli.app import app

READER = "backbones.picture_image"


def mm(*arguments):
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def rows(shapes):
    return shapes(3)


@pytest.fixture(scope="module")
def settings():
    """Of a Mask R-CNN that learns shapes in seconds."""
    return {
        f"{READER}.checkpoint": "random",
        f"{READER}.width": 32,
        f"{READER}.levels": 3,
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": 12,
        "training.batch_size": 1,
        "training.head_learning_rate": 4e-3,
    }


def fit(rows, settings, tuning_data=None, **more):
    """The last of three pictures chooses the epoch: masks of all would cost more than the fit."""
    predictor = MultiModalPredictor(
        "things",
        problem_type="instance_segmentation",
        hyperparameters={**settings, **more},
        verbosity=0,
    )
    return predictor.fit(rows, tuning_data=rows[2:] if tuning_data is None else tuning_data)


@pytest.fixture(scope="module")
def fitted(rows, settings):
    return fit(rows, settings)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("saved") / "model")


def test_each_thing_has_a_mask_at_the_size_of_its_picture(rows, fitted):
    """The best head for it is taken by itself; masks lie in their boxes."""
    assert type(tools.model_of(fitted).topology.detector.head).__name__ == "MaskRCNN"
    answers = fitted.predict(rows, score_threshold=0.1, most=5)
    assert answers.map(len).sum() > 8
    for row, things in enumerate(answers):
        for x1, y1, x2, y2, name, score, runs in things:
            assert name in ("disc", "triangle")
            assert 0.1 <= score <= 1
            mask = runs_to_mask(runs)
            assert mask.shape == (SIDE, SIDE + 32 * (row % 2))
            y, x = np.nonzero(mask)
            if len(x):
                assert x1 - 1 <= x.min() <= x.max() <= x2 + 1
                assert y1 - 1 <= y.min() <= y.max() <= y2 + 1
    smaller = fitted.predict(rows, score_threshold=0.1, most=5, mask_threshold=0.8)
    areas = [
        sum(int(runs_to_mask(one[6]).sum()) for things in said for one in things)
        for said in (answers, smaller)
    ]
    assert areas[1] < areas[0]


def test_scores_of_masks_stand_beside_those_of_boxes(rows, fitted):
    scores = fitted.evaluate(rows, metrics=["segm_map", "segm_map_50", "map_50"])
    assert scores["segm_map_50"] == scores["segm_map.50"]
    assert scores["segm_map_50"] > 0.1
    assert "segm_map.class.disc" in scores
    assert scores["map_50"] != scores["segm_map_50"]
    assert fitted.recipe.data.eval_metric == "detection:segm_map"


def test_a_model_comes_back_with_its_masks(rows, fitted, saved):
    expected = fitted.predict(rows, score_threshold=0.05)
    again = MultiModalPredictor.load(saved, verbosity=0).predict(rows, score_threshold=0.05)
    assert again.tolist() == expected.tolist()


def test_a_terminal_answers_as_python_does(rows, fitted, saved, tmp_path):
    """JSON in CSV, for labels and answers; COCO's results have segmentations."""
    rows.assign(things=rows.things.map(json.dumps)).to_csv(tmp_path / "rows.csv", index=False)
    mm("predict", saved, tmp_path / "rows.csv", "--out", tmp_path / "said.csv")
    said = [json.loads(cell) for cell in pd.read_csv(tmp_path / "said.csv")["things"]]
    assert said == fitted.predict(rows).tolist()
    found = tmp_path / "found.json"
    mm("detection", "coco", saved, tmp_path / "rows.csv", found, "--threshold", "0.3")
    document = json.loads((tmp_path / "found.json").read_text())
    plain = [one for things in fitted.predict(rows) for one in things]
    assert len(plain) == len(document["annotations"]) > 0
    for one, found in zip(plain, document["annotations"], strict=True):
        assert found["segmentation"] == one[6]
        assert found["area"] == runs_to_mask(one[6]).sum()


def test_pictures_show_masks(rows, fitted, saved, tmp_path):
    """What is right by its mask is veiled in the colour of what is right."""
    (sheet,) = fitted.visualize(rows, rows=[2], score_threshold=0.3)
    assert sheet.size[0] > sheet.size[1]
    (alone,) = fitted.visualize(rows[["photo"]], rows=[1])
    answer = fitted.predict(rows[2:3]).tolist()
    (over,) = fitted.overlays(rows[2:3], answer)
    assert len(over["boxes"]) == len(answer[0]) > 0
    covered = np.any([runs_to_mask(box[6]) for box in answer[0]], axis=0)
    drawn = Image.open(io.BytesIO(base64.b64decode(over["mask"].partition(",")[2])))
    assert ((np.asarray(drawn)[..., 3] > 0) == covered).all()
    (true,) = fitted.overlays(rows[2:3])
    assert [box["score"] for box in true["boxes"]] == [None] * len(rows.things[2])
    assert sum(one["share"] for one in true["legend"]) > 0
    assert alone.size[0] < sheet.size[0]
    table = fitted.confusion(rows)
    counts = rows.things.explode().map(lambda one: one["class"]).value_counts()
    assert all(table.loc[name].sum() >= count for name, count in counts.items())
    with pytest.raises(ConfigError, match="masks of slices"):
        predict_slices(fitted, rows)


def test_a_row_without_a_picture_has_no_masks(rows, fitted):
    """It misses what is there, and changes no other."""
    gaps = rows.assign(photo=rows.photo.where(rows.index != 1))
    answers = fitted.predict(gaps, score_threshold=0.05)
    assert answers[1] == []
    assert answers[2] == fitted.predict(rows, score_threshold=0.05)[2]
    assert fitted.evaluate(gaps)["segm_map.mar_100"] <= fitted.evaluate(rows)["segm_map.mar_100"]


@pytest.mark.parametrize(
    ("task", "settings_", "says"),
    [
        ("instance_segmentation", {"head": "fcos"}, "'fcos' finds boxes without masks"),
        ("object_detection", {"head": "mask_rcnn"}, "learns masks, and the labels are boxes"),
        ("instance_segmentation", {"id": "detection:hf", "checkpoint": "random"}, "without masks"),
        ("object_detection", {"id": "detection:hf_masks", "checkpoint": "random"}, "learns masks"),
    ],
)
def test_detectors_that_do_not_suit_the_labels_say_so(rows, settings, task, settings_, says):
    given = {
        key: value
        for key, value in settings.items()
        if "id" not in settings_ or not key.startswith(READER)
    }
    given |= {f"{READER}.{key}": value for key, value in settings_.items()}
    predictor = MultiModalPredictor("things", problem_type=task, hyperparameters=given, verbosity=0)
    with pytest.raises((ConfigError, RecipeError), match=says):
        predictor.fit(rows, tuning_data=rows)


def test_a_mask_of_another_size_ends_a_fit(rows, settings):
    wrong = {"class": "disc", "mask": np.ones((9, 9), bool)}
    with pytest.raises(LabelError, match=r"1.png is 9 x 9 pixels, and its picture 96 x 64"):
        fit(
            rows.assign(things=[[wrong] if n == 1 else cell for n, cell in enumerate(rows.things)]),
            settings,
        )


@pytest.mark.slow
def test_eight_pictures_are_learned_by_heart(shapes, settings):
    """From random weights."""
    rows = shapes(8)
    long = {"training.epochs": 120, "training.patience": 1000, "training.batch_size": 8}
    predictor = fit(rows, settings, tuning_data=rows, **long)
    assert predictor.evaluate(rows)["segm_map.50"] > 0.9


def test_what_a_detector_takes_and_gives_has_public_names():
    """One of another plugin gives masks too, by what it may import."""
    methods = [one for one in vars(api.Detector).values() if inspect.isfunction(one)]
    hints = [hint for one in methods for hint in typing.get_type_hints(one).values()]
    ours = {
        one.__name__
        for hint in hints
        for one in (hint, *typing.get_args(hint))
        if getattr(one, "__module__", "").startswith("mm_detection.")
    }
    assert ours == {"Wanted", "Said", "Found", "Drawn"}
    assert ours <= set(api.__all__)
    assert all(getattr(api, name).__name__ == name for name in ours)


# ---- readers


def save(path, size=(80, 60), turn=1):
    image = Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8))
    exif = image.getexif()
    exif[0x0112] = turn
    image.save(path, exif=exif)


def test_masks_of_a_stored_picture_are_turned_with_it(tmp_path):
    """Polygons and runs alike, where the file gives the sides of the stored picture."""
    save(tmp_path / "a.jpg", turn=6)
    mask = np.zeros((60, 80), bool)
    mask[2:42, 1:31] = True
    polygon = [1, 2, 31, 2, 31, 42, 1, 42]
    runs = mask_to_runs(mask)
    annotation = {"image_id": 1, "category_id": 3, "bbox": [1, 2, 30, 40]}
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 80, "height": 60}],
        "categories": [{"id": 3, "name": "car"}],
        "annotations": [
            {**annotation, "id": 1, "segmentation": [polygon]},
            {**annotation, "id": 2, "segmentation": runs},
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.warns(MMWarning, match="boxes and masks were turned too"):
        (cell,) = read_coco(tmp_path / "a.json").frame["rois"]
    upright = np.rot90(mask, -1)
    for one in cell:
        assert (read_outline(one["mask"]).pixels((60, 80)) == upright).all()


def test_labelme_tells_pieces_and_small_pictures(tmp_path):
    """Polygons of one group are one thing; there and back by `mm detection convert`."""
    save(tmp_path / "a.png")
    runs = {"size": [60, 80], "counts": [125, 10, 50, 10, 4605]}
    cell = [
        {"box": [1, 1, 30, 9], "class": "a",
         "mask": [[1, 1, 9, 1, 9, 9], [20, 1, 30, 1, 30, 9]]},
        {"box": [40, 1, 50, 9], "class": "a", "mask": [[40, 1, 50, 1, 50, 9]]},
        {"box": [2, 5, 4, 15], "class": "b", "mask": runs},
    ]  # fmt: skip
    rows = pd.DataFrame({"image": ["a.png"], "rois": [json.dumps(cell)]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    mm("detection", "convert", tmp_path / "rows.csv", tmp_path / "labelme", "--to", "labelme")
    mm("detection", "convert", tmp_path / "labelme", tmp_path / "again.json")
    document = json.loads((tmp_path / "again.json").read_text())
    found = {
        (tuple(one["bbox"]), json.dumps(one["segmentation"])) for one in document["annotations"]
    }
    short = mask_to_runs(runs_to_mask(runs))
    assert found == {
        (
            (1, 1, 29, 8),
            json.dumps([[1.0, 1.0, 9.0, 1.0, 9.0, 9.0], [20.0, 1.0, 30.0, 1.0, 30.0, 9.0]]),
        ),
        ((40, 1, 10, 8), json.dumps([[40.0, 1.0, 50.0, 1.0, 50.0, 9.0]])),
        ((2, 5, 2, 10), json.dumps(short)),
    }


def test_labelme_names_what_has_no_pixel(tmp_path):
    """And leaves it out: of a mask in which nothing is drawn nobody was told."""
    save(tmp_path / "a.png")
    small = io.BytesIO()
    Image.new("L", (4, 4)).save(small, "PNG")
    mask = base64.b64encode(small.getvalue()).decode()
    shapes = [
        {"label": "cell", "shape_type": "mask", "points": [[2, 2], [5, 5]], "mask": mask},
        {"label": "line", "shape_type": "rectangle", "points": [[2, 2], [2, 9]]},
        {"label": "area", "shape_type": "rectangle", "points": [[2, 2], [8, 9]]},
    ]
    document = {"imagePath": "a.png", "imageWidth": 80, "imageHeight": 60, "shapes": shapes}
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.warns(MMWarning) as said:
        (cell,) = read_labelme(tmp_path / "a.json").frame["rois"]
    (told,) = [str(one.message) for one in said]
    assert "2 thing(s) have no pixel: they were left out" in told
    assert "'cell' at [2.0, 2.0, 6.0, 6.0] of a.json, 'line' at [2.0, 2.0, 2.0, 9.0] of" in told
    assert cell == [[2.0, 2.0, 8.0, 9.0, "area"]]
    hollow = {"box": [2, 2, 6, 6], "class": "cell", "mask": {"size": [60, 80], "counts": [4800]}}
    with pytest.warns(MMWarning, match="1 a mask without a pixel and were left out"):
        assert checked_boxes(pd.Series([[hollow]], name="rois"), masks=True) == [[]]


def test_check_lists_masks(tmp_path):
    save(tmp_path / "a.png")
    box = {"box": [1, 1, 30, 9], "class": "a"}
    cells = [
        [{**box, "mask": [[1, 1, 9, 1]]}],
        [{**box, "mask": {"size": [9, 9], "counts": [12, 7, 62]}}],
        [{**box, "mask": [[1, 1, 30, 1, 30, 9]]}],
        [{**box, "mask": [[50, 40, 60, 40, 60, 50]]}],
    ]
    rows = pd.DataFrame({"image": ["a.png"] * 4, "rois": [json.dumps(one) for one in cells]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    done = CliRunner().invoke(app, ["detection", "check", str(tmp_path / "rows.csv"), "--json"])
    wrong = [(one["row"], one["what"]) for one in json.loads(done.stdout)["wrong"]]
    assert [row for row, _ in wrong] == [0, 1, 3]
    assert "a polygon of 2 point(s)" in wrong[0][1]
    assert wrong[1][1] == "a mask is 9 x 9 pixels, and its picture 80 x 60"
    assert "lies elsewhere" in wrong[2][1]
