"""A user's function that is not defined for some answers costs no fit."""

from __future__ import annotations

import subprocess
import sys
import warnings

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from mm_core import MultiModalPredictor
from mm_core.api import MetricError, MMWarning

SETTINGS = {"training.epochs": 6, "training.batch_size": 64, "training.head_learning_rate": 0.01}


@pytest.fixture(scope="module")
def rare():
    rng = np.random.default_rng(0)
    y = rng.random(600) < 0.15
    return pd.DataFrame({"x": rng.normal(size=600) + 1.3 * y, "y": np.where(y, "yes", "no")})


def f1_by_hand(true, answers):
    """Divides by zero where no answer is yes, or none of them is right."""
    right = sum(t == a == "yes" for t, a in zip(true, answers, strict=True))
    precision = right / sum(a == "yes" for a in answers)
    recall = right / sum(t == "yes" for t in true)
    return 2 * precision * recall / (precision + recall)


class Picky:
    """Share of right answers; not defined ``times`` times for answers that are not all right."""

    __name__ = "picky"

    def __init__(self, times):
        self.left = times

    def __call__(self, true, answers):
        if not (true == answers).all() and self.left:
            self.left -= 1
            raise ZeroDivisionError("of the user")
        return float((true == answers).mean())


TRIED = 3
"""Times before the first step: alike answers, those of a few rows, and of all, untrained."""


class Steps(pl.Callback):
    taken = 0

    def on_train_batch_end(self, *arguments):
        self.taken += 1


def fit(rows, metric, *, validation_metric=None, verbosity=0, path=None, settings=None, **given):
    """The predictor, and the texts of its MMWarnings."""
    predictor = MultiModalPredictor(
        "y",
        eval_metric=metric,
        validation_metric=validation_metric,
        hyperparameters=SETTINGS | (settings or {}),
        verbosity=verbosity,
        path=path,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictor.fit(rows, **given)
    return predictor, [str(one.message) for one in caught if one.category is MMWarning]


def threshold(predictor):
    return predictor._fitted.model.task.calibration.threshold


def test_thresholds_at_which_it_is_not_defined_are_left_out(rare):
    predictor, told = fit(rare, f1_by_hand, validation_metric="log_loss")
    assert 0.05 < threshold(predictor) < 0.45
    assert told == []
    plain, _ = fit(rare, "log_loss")
    answers = [one.predict(rare).to_numpy() for one in (predictor, plain)]
    assert (answers[0] == "yes").sum() > (answers[1] == "yes").sum()


def test_a_threshold_stays_where_the_metric_is_defined_at_none(rare):
    predictor, told = fit(rare, Picky(1000), validation_metric="log_loss")
    assert threshold(predictor) == 0.5
    assert len(told) == 1
    assert "picky raised ZeroDivisionError: of the user" in told[0]
    assert "0.5" in told[0]
    assert predictor.predict(rare).notna().all()


def test_a_validation_without_a_score_is_no_improvement(rare, tmp_path, capsys):
    predictor, told = fit(rare, Picky(TRIED + 2), verbosity=2, path=tmp_path / "model")
    scores = predictor.history["picky"]
    assert scores.isna().tolist() == [True, True, False, False, False, False]
    assert predictor._fitted.result.best_score == scores.max()
    assert len(told) == 1
    assert "picky raised ZeroDivisionError: of the user" in told[0]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert ["picky" in line for line in lines] == [False, False, True, True, True, True]
    again = MultiModalPredictor.load(tmp_path / "model", eval_metric=Picky(0))
    pd.testing.assert_frame_equal(again.history, predictor.history, check_dtype=False)


def test_patience_waits_for_a_first_score(rare):
    patient = {"training.patience": 1}
    predictor, _ = fit(rare, Picky(TRIED + 3), settings=patient)
    scores = predictor.history["picky"]
    assert scores.isna().tolist()[:4] == [True, True, True, False]
    assert len(scores) > 4


def test_a_fit_without_any_score_is_an_error(rare):
    steps = Steps()
    with pytest.raises(MetricError, match="picky raised ZeroDivisionError") as caught:
        fit(rare, Picky(1000), callbacks=steps)
    assert steps.taken == 6 * 8
    assert "validation_metric=" in caught.value.remedy


def test_a_function_that_fails_for_right_answers_too_is_told_before_the_first_step(rare):
    def broken(true, answers):
        raise ZeroDivisionError("of the user")

    steps = Steps()
    with pytest.raises(MetricError, match="broken raised ZeroDivisionError: of the user") as caught:
        fit(rare, broken, callbacks=steps)
    assert steps.taken == 0
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "return a number" in caught.value.remedy
    assert caught.value.value == "custom:broken"


def test_what_is_no_number_is_told_too(rare):
    def nothing(true, answers):
        return None

    predictor, _ = fit(rare, "accuracy")
    for metric in (nothing, lambda true, answers: f1_by_hand(true, ["no"] * len(true))):
        with pytest.raises(MetricError, match="raised"):
            predictor.evaluate(rare, metrics=metric)


@pytest.mark.parametrize("average", ["uniform_soup", "greedy_soup", "ema"])
def test_averages_of_weights_do_without_a_score(rare, average):
    class Soupless(Picky):
        """Not defined once training is over."""

        calls = 0

        def __call__(self, true, answers):
            self.calls += 1
            self.left = 1 if self.calls > 1 + 6 else 0
            return super().__call__(true, answers)

    predictor, _ = fit(
        rare, Soupless(0), settings={"training.average": average, "task.threshold": 0.5}
    )
    scores = predictor.history["picky"]
    assert scores.notna().all()
    assert predictor._fitted.result.best_score == scores.max()


def test_checkpoints_of_lightning_do_without_a_score(rare, tmp_path):
    keep = ModelCheckpoint(tmp_path, monitor="picky", mode="max", save_top_k=1)
    predictor, _ = fit(rare, Picky(TRIED + 1), callbacks=keep)
    assert keep.best_model_score.item() == pytest.approx(predictor.history["picky"].max())


def test_a_resumed_fit_does_without_a_score(rare, tmp_path):
    class Killed(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if trainer.global_step == 12:
                raise RuntimeError("killed")

    every = {"training.save_every": 0}
    with pytest.raises(RuntimeError, match="killed"):
        fit(rare, Picky(TRIED + 1), path=tmp_path / "model", settings=every, callbacks=Killed())
    predictor = MultiModalPredictor.load(
        tmp_path / "model", resume=True, eval_metric=Picky(0), verbosity=0
    ).fit(rare)
    assert predictor.history["picky"].isna().tolist() == [True] + [False] * 5


SCRIPT = """
import sys, warnings
import pandas as pd
sys.path.insert(0, sys.argv[2])
from test_undefined_metric import Picky, SETTINGS, TRIED
from mm_core import MultiModalPredictor
from mm_core.api import MetricError

if __name__ == "__main__":
    rows = pd.read_csv(sys.argv[1])
    settings = SETTINGS | {"training.devices": 2, "training.strategy": "ddp_fork"}
    for times in (TRIED + 1, 1000):
        predictor = MultiModalPredictor(
            "y", eval_metric=Picky(times), hyperparameters=settings, verbosity=0
        )
        try:
            predictor.fit(rows)
            print(predictor.history["picky"].isna().tolist())
        except MetricError as error:
            print(error.message)
"""


def test_several_processes_do_without_a_score(rare, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    rare.to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "script.py", "rows.csv", __file__.rpartition("/")[0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == str([True] + [False] * 5)
    assert "picky raised ZeroDivisionError" in second
    assert done.stderr.count("picky raised ZeroDivisionError") == 2  # once a fit, by one process


def test_the_last_line_tells_the_calibrated_score_too(rare, capsys):
    settings = SETTINGS | {"training.epochs": 2, "training.head_learning_rate": 0.001}
    predictor = MultiModalPredictor("y", eval_metric="f1", hyperparameters=settings, verbosity=1)
    predictor.fit(rare[:400], tuning_data=rare[400:])
    found = predictor.evaluate(rare[400:])["f1"]
    best = predictor.history["f1"].max()
    assert found > best  # a threshold of 0.5 finds too few of them
    said = capsys.readouterr().err
    assert f"best validation f1 {best:.4f}, calibrated: f1 {found:.4f}" in said
