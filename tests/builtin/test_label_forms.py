"""Labels in many forms, through predictor and ``mm``: chosen, missing, scored, written."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError
from mm_core.testing import forked

QUICK = {"training.epochs": 2, "training.batch_size": 32, "backbones.tabular.width": 16}
ROWS = 80
HIGH = np.arange(ROWS) % 2 == 0
COLD = np.arange(ROWS) % 3 == 0
SETS = [["round"] * int(h) + ["cold"] * int(c) for h, c in zip(HIGH, COLD, strict=True)]
"""Not in sorted order, and some of them empty."""


def rows(labels: Any) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=ROWS)
    return pd.DataFrame({"x": x + 3 * HIGH, "z": x + 3 * COLD, "y": labels})


def predictor(**more: Any) -> MultiModalPredictor:
    settings = QUICK | more.pop("settings", {})
    return MultiModalPredictor(
        more.pop("label", "y"), hyperparameters=settings, verbosity=0, **more
    )


def mm(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return forked.mm(*arguments, cwd=folder)


def exact(true: np.ndarray, answers: np.ndarray) -> float:
    return float(np.mean([t == a for t, a in zip(true, answers, strict=True)]))


@pytest.mark.parametrize(
    ("labels", "settings"),
    [
        (SETS, {}),
        ([tuple(one) for one in SETS], {}),
        ([set(one) for one in SETS], {}),
        ([json.dumps(one) for one in SETS], {}),
        ([" ; ".join(one) for one in SETS], {"task.separator": ";"}),
    ],
    ids=["list", "tuple", "set", "json", "joined"],
)
def test_a_function_is_given_true_lists_as_answers_are_written(labels, settings):
    frame = rows(labels)
    fitted = predictor(settings=settings, eval_metric=exact).fit(frame)
    scores = fitted.evaluate(frame, metrics=["accuracy", exact])
    assert scores["exact"] == scores["accuracy"] > 0


@pytest.mark.parametrize("write", [str, Decimal, float])
def test_a_function_is_given_true_numbers_as_numbers(write):
    def mae(true: np.ndarray, answers: np.ndarray) -> float:
        assert true.dtype == answers.dtype == np.float64
        return float(np.abs(true - answers).mean())

    frame = rows([write(str(round(value, 3))) for value in np.linspace(0, 9, ROWS)])
    fitted = predictor(problem_type="regression", validation_metric=mae).fit(frame)
    scores = fitted.evaluate(frame, metrics=["mae"])
    assert scores["mae"] == pytest.approx(fitted.evaluate(frame, metrics=mae)["mae"])


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [False, True]])
def test_a_function_is_given_classes_of_one_type(labels):
    frame = rows([labels[high] for high in HIGH.astype(int)])
    fitted = predictor().fit(frame)
    written = frame.assign(y=frame["y"].astype(float))  # equal labels of another type

    def same_type(true: np.ndarray, answers: np.ndarray) -> float:
        return float(true.dtype == answers.dtype)

    assert fitted.evaluate(written, metrics=same_type)["same_type"] == 1


def test_a_separator_alone_asks_for_labels(tmp_path):
    rows(["; ".join(one) or "none" for one in SETS]).to_csv(tmp_path / "train.csv", index=False)
    done = mm("plan", "train.csv", "--label", "y", "--set", "task.separator=;", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "core:multilabel" in done.stdout
    recipe = predictor(settings={"task.separator": ";"}).plan(tmp_path / "train.csv")
    assert recipe.origin("task.id") == "the only task with the setting separator"


def test_settings_choose_among_the_tasks_that_have_them():
    frame = rows(HIGH.astype(int))
    assert predictor(settings={"task.positive": 0}).plan(frame).task.id == "core:binary"
    with pytest.raises(ConfigError, match="seperator"):
        predictor(settings={"task.seperator": ";"}).plan(frame)


def test_an_empty_cell_is_no_label_where_the_user_says_so(tmp_path):
    frame = rows([";".join(one) for one in SETS])
    frame.to_csv(tmp_path / "train.csv", index=False)
    settings = {"task.separator": ";"}
    with pytest.raises(LabelError, match="missing") as caught:
        predictor(settings=settings).fit(tmp_path / "train.csv")
    assert "task.missing='no_labels'" in caught.value.remedy
    settings["task.missing"] = "no_labels"
    fitted = predictor(settings=settings).fit(tmp_path / "train.csv")
    read = pd.read_csv(tmp_path / "train.csv")
    assert read["y"].isna().any()
    assert fitted.evaluate(read) == fitted.evaluate(frame)


def test_missing_indicators_are_no_where_the_user_says_so():
    frame = (
        rows(0)
        .drop(columns="y")
        .assign(high=np.where(HIGH, 1.0, np.nan), cold=np.where(COLD, 1.0, 0.0))
    )
    both = ["high", "cold"]
    with pytest.raises(LabelError, match="missing") as caught:
        predictor(label=both, problem_type="multilabel").fit(frame)
    assert "no_labels" in caught.value.remedy
    settings = {"task.missing": "no_labels"}
    fitted = predictor(label=both, problem_type="multilabel", settings=settings).fit(frame)
    filled = frame.fillna({"high": 0.0})
    assert fitted.evaluate(frame) == fitted.evaluate(filled)
    assert fitted.predict(frame).isin([0, 1]).all(axis=None)


@pytest.mark.parametrize(
    ("dtype", "answered"), [("Int64", "Int64"), ("boolean", "boolean"), (object, "bool")]
)
def test_a_missing_indicator_does_not_change_the_dtype_of_the_answers(dtype, answered):
    cells = pd.Series(HIGH.astype(bool), dtype=dtype)
    cells[3] = None if dtype is object else pd.NA
    frame = rows(0).drop(columns="y").assign(high=cells, cold=COLD.astype(int))
    settings = {"task.missing": "no_labels"}
    asked = predictor(label=["high", "cold"], problem_type="multilabel", settings=settings)
    assert str(asked.fit(frame).predict(frame)["high"].dtype) == answered


@pytest.mark.parametrize(
    ("label", "setting", "task", "others"),
    [
        (HIGH * 0.7 + np.arange(len(HIGH)) / 9, "temperature", "core:regression", "core:binary"),
        (np.arange(len(HIGH)) % 3, "threshold", "core:multiclass", "core:binary, core:multilabel"),
    ],
)
def test_a_setting_of_another_task_is_said_to_be_one(label, setting, task, others):
    with pytest.raises(ConfigError, match=f"{task}, which the label y asks for, has no") as caught:
        predictor(settings={f"task.{setting}": 0.3}).plan(rows(label))
    assert f"task.{setting}" in str(caught.value)
    assert others in caught.value.remedy


@pytest.mark.parametrize("to_file", [True, False])
def test_lists_are_written_to_csv_as_they_are_read(tmp_path, to_file):
    frame = rows(SETS)
    fitted = predictor().fit(frame)
    fitted.save(tmp_path / "model")
    frame.drop(columns="y").to_csv(tmp_path / "test.csv", index=False)
    out = ["--out", "answers.csv"] if to_file else []
    done = mm("predict", "model", "test.csv", *out, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    if not to_file:
        (tmp_path / "answers.csv").write_text(done.stdout)
    read = pd.read_csv(tmp_path / "answers.csv")["y"]
    assert [json.loads(cell) for cell in read] == fitted.predict(frame).tolist()
    assert fitted.evaluate(frame.assign(y=read))["f1_macro"] == 1


def test_columns_of_classes_are_told_what_several_labels_are():
    frame = rows(0).assign(y=np.where(HIGH, "a", "b"), w=np.where(COLD, "c", "d"))
    with pytest.raises(LabelError, match="no task recognises the label y, w") as caught:
        predictor(label=["y", "w"]).plan(frame)
    assert "0 and 1" in caught.value.remedy
    assert "multiclass" not in caught.value.remedy


def test_categories_of_0_and_1_are_labels():
    frame = rows(pd.Categorical(HIGH.astype(int))).assign(w=pd.Categorical(COLD.astype(int)))
    assert predictor(label=["y", "w"]).plan(frame).task.id == "core:multilabel"
