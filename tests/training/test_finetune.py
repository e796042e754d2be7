"""What fit does with its settings, seen from outside."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import TrainingError


class _Steps(pl.Callback):
    def __init__(self):
        self.steps = 0

    def on_train_end(self, trainer, module):
        self.steps = trainer.global_step


def test_max_steps_and_accumulation(small_table, fit_table):
    for settings, steps in [
        ({"training.max_steps": 3, "training.batch_size": 16}, 3),
        ({"training.batch_size": 16, "training.epochs": 2}, 8),  # 64 of 80 rows train
        ({"training.batch_size": 16, "training.accumulate": 3, "training.epochs": 2}, 4),
    ]:
        counter = _Steps()
        fit_table(small_table, hyperparameters=settings, callbacks=[counter])
        assert counter.steps == steps


def test_val_every_fraction_of_an_epoch(small_table, fit_table):
    settings = {"training.batch_size": 16, "training.val_every": 0.5, "training.epochs": 2}
    predictor = fit_table(small_table, hyperparameters=settings)
    assert predictor.history["epoch"].tolist() == [0.5, 1.0, 1.5, 2.0]


def test_patience_stops_and_the_best_weights_are_kept(small_table):
    predictor = MultiModalPredictor(
        "kind",
        eval_metric="log_loss",
        hyperparameters={"training.epochs": 400, "training.patience": 3},
        verbosity=0,
    ).fit(small_table)
    history = predictor.history
    best = history["log_loss"].idxmin()
    assert len(history) < 400
    assert len(history) - 1 - best <= 3
    held = _held_out(predictor, small_table)
    score = predictor.evaluate(held)["log_loss"]
    assert score == pytest.approx(history["log_loss"].min(), rel=1e-5)


def test_tuning_data_is_what_is_scored(small_table, fit_table):
    train, tuning = small_table.iloc[:60], small_table.iloc[60:]
    predictor = fit_table(train, tuning_data=tuning)
    assert predictor.evaluate(tuning)["roc_auc"] == pytest.approx(
        predictor.history["roc_auc"].max()
    )


def test_other_seed_other_model_same_seed_same_model(small_table, fit_table):
    first, again, other = (
        fit_table(small_table, seed=seed).predict_proba(small_table).to_numpy()
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_diverging_training_stops_with_an_error(small_table, fit_table):
    settings = {
        "training.head_learning_rate": 1e30,
        "training.clip_norm": None,
        "training.epochs": 50,
    }
    with pytest.raises(TrainingError, match=r"learning_rate|not finite"):
        fit_table(small_table, hyperparameters=settings)


def test_a_users_logger_is_used(small_table, fit_table, tmp_path):
    logger = pl.loggers.CSVLogger(tmp_path)
    fit_table(small_table, loggers=[logger])
    assert (tmp_path / "lightning_logs").is_dir()


def _held_out(predictor, frame):
    from mm_core.data.split import split_rows

    classes = (frame["kind"] == "b").to_numpy().astype(int)
    return frame.iloc[split_rows(len(frame), None, classes, seed=0)[1]]
