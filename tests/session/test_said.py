"""What is said of a fit is so: of a calibration that ended early, of scores on known rows."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api.errors import ArtifactError, DataError, MMWarning
from mm_core.training.limited import EndedError, Limited

QUICK = {"training.epochs": 1, "backbones.tabular.width": 16}


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).normal(size=200)
    return pd.DataFrame({"x": x, "y": np.where(x + 0.1 * x**2 > 0, "yes", "no")})


@pytest.fixture(scope="module")
def fitted(rows):
    return MultiModalPredictor("y", hyperparameters=QUICK, verbosity=0).fit(rows)


def test_the_note_of_a_calibration_says_what_was_kept(rows, monkeypatch):
    def ended(self, decoded):
        raise EndedError("time_limit reached")

    monkeypatch.setattr(Limited, "__call__", ended)
    predictor = MultiModalPredictor("y", eval_metric="f1", hyperparameters=QUICK, verbosity=0)
    with pytest.warns(MMWarning, match="was cut short") as caught:
        predictor.fit(rows)
    (said,) = [str(one.message) for one in caught if "was cut short" in str(one.message)]
    temperature = predictor._model.task.state().values["temperature"]
    assert temperature != 1
    assert f"kept of it: temperature {temperature:.4g}; as without it: threshold 0.5" in said


def test_scores_on_rows_that_the_model_may_know_are_no_best_validation(
    rows, fitted, tmp_path, capsys
):
    further = MultiModalPredictor.load(fitted.save(tmp_path / "old"), verbosity=1)
    further.path = tmp_path / "new"
    capsys.readouterr()
    further.fit(rows.head(30), hyperparameters={"training.epochs": 1})
    said = capsys.readouterr().err
    again = repr(MultiModalPredictor.load(tmp_path / "new"))
    for text in (said, repr(further), again):
        assert "best validation" not in text
        assert re.search(r"roc_auc \d\.\d{4} on rows held out of these: no validation if", text)


def test_rows_of_the_users_own_are_a_validation(rows, fitted, tmp_path, capsys):
    further = MultiModalPredictor.load(fitted.save(tmp_path / "old"), verbosity=1)
    further.fit(rows.head(60), rows.tail(60), hyperparameters={"training.epochs": 1})
    assert "best validation roc_auc" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_the_work(rows, fitted, tmp_path, monkeypatch):
    (tmp_path / "a.csv").mkdir()

    def never(*args, **options):
        raise AssertionError("rows were answered")

    monkeypatch.setattr("mm_core.inference.stream", never)
    for out in (tmp_path / "a.csv", "/proc/nowhere/a.parquet"):
        with pytest.raises(DataError, match="cannot write") as caught:
            fitted.predict(rows, out=out)
        assert "(--out FILE)" in caught.value.remedy


def test_a_folder_that_cannot_be_written_says_what_to_type(fitted):
    with pytest.raises(ArtifactError) as caught:
        fitted.save("/proc/nowhere/model")
    assert "(--out FOLDER)" in caught.value.remedy
