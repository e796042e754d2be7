"""What fit does with its settings, seen from outside."""

from __future__ import annotations

import signal

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, TrainingError


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


@pytest.mark.parametrize(
    ("val_every", "epochs"),
    [
        (0.5, [0.5, 1.0, 1.5, 2.0]),
        (0.9, [1.0, 2.0]),
        (0.3, [0.375, 0.625, 1.0, 1.375, 1.625, 2.0]),
        (0.01, [i / 8 for i in range(1, 17)]),
    ],
)
def test_validations_are_evenly_apart(small_table, fit_table, val_every, epochs):
    settings = {"training.batch_size": 8, "training.epochs": 2, "training.patience": 99}
    settings["training.val_every"] = val_every
    predictor = fit_table(small_table, hyperparameters=settings)  # 64 of 80 rows: 8 batches
    assert predictor.history["epoch"].tolist() == epochs


@pytest.mark.parametrize("average", ["best", "uniform_soup"])
def test_no_weights_are_validated_twice(small_table, fit_table, average):
    settings = {
        "training.batch_size": 8,
        "training.epochs": 4,
        "training.accumulate": 5,
        "training.val_every": 0.1,
        "training.patience": 99,
        "training.average": average,
    }
    predictor = fit_table(small_table, hyperparameters=settings)  # 8 batches, 2 steps an epoch
    assert predictor.history["step"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert predictor.history["epoch"].tolist() == [0.625, 1, 1.625, 2, 2.625, 3, 3.625, 4]


def test_a_fit_that_a_callback_ends_before_its_first_step_has_a_score(small_table, fit_table):
    settings = {"training.batch_size": 8, "training.accumulate": 5}
    predictor = fit_table(small_table, hyperparameters=settings, callbacks=[_StopAt(0)])
    assert predictor.history["step"].tolist() == [0]


class _StopAt(pl.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        trainer.should_stop = trainer.global_step >= self.step


@pytest.mark.parametrize(
    ("settings", "callbacks", "stopped", "epoch"),
    [
        ({"training.max_steps": 3}, [], "max_steps reached", 0.375),
        ({"training.max_steps": 16}, [], "all epochs done", 2.0),
        ({}, [], "all epochs done", 2.0),
        ({}, [_StopAt(10)], "stopped by a callback", 1.25),
    ],
)
def test_why_and_where_a_fit_ends(small_table, fit_table, settings, callbacks, stopped, epoch):
    settings = {"training.batch_size": 8, "training.epochs": 2} | settings
    predictor = fit_table(small_table, hyperparameters=settings, callbacks=callbacks)
    assert predictor._fitted.result.stopped == stopped
    assert predictor.history["epoch"].iloc[-1] == epoch


def test_accumulation_does_not_change_the_loss_reported(small_table, fit_table):
    settings = {"training.batch_size": 8, "training.epochs": 1, "training.head_learning_rate": 1e-9}
    one, four = (
        fit_table(small_table, hyperparameters=settings | {"training.accumulate": n}).history
        for n in (1, 4)
    )
    assert four["loss"].iloc[0] == pytest.approx(one["loss"].iloc[0], rel=1e-3)


@pytest.mark.usefixtures("on_cpu")
def test_half_precision_needs_a_gpu(small_table, fit_table):
    with pytest.raises(ConfigError, match="16-mixed") as caught:
        fit_table(small_table, hyperparameters={"training.precision": "16-mixed"})
    assert "bf16-mixed" in caught.value.remedy


@pytest.mark.parametrize("clip_norm", [1.0, None])
def test_bfloat16_learns_what_full_precision_does(small_table, fit_table, clip_norm):
    settings = {"training.epochs": 10, "training.clip_norm": clip_norm}
    half, full = (
        fit_table(small_table, hyperparameters=settings | {"training.precision": precision})
        for precision in ("bf16-mixed", 32)
    )
    assert full.recipe.training.precision == "32"
    scores = [one.history["roc_auc"].max() for one in (half, full)]
    assert scores[0] == pytest.approx(scores[1], abs=0.1)
    assert scores[0] > 0.8
    assert half.history["loss"].tolist() != full.history["loss"].tolist()


class _Norms(pl.Callback):
    """Norm of the gradients that the optimiser sees."""

    def __init__(self):
        self.seen = []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.seen.append(self._norm(module))  # before clipping

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.seen[-1] = (self.seen[-1], self._norm(module))

    def _norm(self, module):
        return torch.nn.utils.get_total_norm(
            [p.grad for p in module.parameters() if p.grad is not None]
        ).item()


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_gradients_are_clipped(small_table, fit_table, precision):
    norms = _Norms()
    settings = {"training.clip_norm": 0.01, "training.precision": precision}
    fit_table(small_table, hyperparameters=settings, callbacks=[norms])
    before, after = zip(*norms.seen, strict=True)
    assert min(before) > 0.02
    assert max(after) == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize("stop", ["", "early"])
def test_a_fit_leaves_no_gradients_nor_numbers_of_the_optimiser(small_table, fit_table, stop):
    held = []

    class Look(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            held.append(trainer.optimizers[0])
            trainer.should_stop = bool(stop)

    predictor = fit_table(small_table, callbacks=[Look()])
    assert held
    assert not held[-1].state
    assert all(parameter.grad is None for parameter in predictor._model.topology.parameters())


def test_patience_stops_and_the_best_weights_are_kept(small_table):
    predictor = MultiModalPredictor(
        "kind",
        eval_metric="log_loss",
        hyperparameters={
            "training.epochs": 400,
            "training.patience": 3,
            "task.temperature": False,  # which evaluate() would count in
        },
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


def test_a_users_logger_receives_loss_learning_rate_and_score(small_table, fit_table, tmp_path):
    logger = pl.loggers.CSVLogger(tmp_path)
    settings = {"training.batch_size": 8, "training.epochs": 3, "training.schedule": "constant"}
    predictor = fit_table(small_table, hyperparameters=settings, loggers=[logger])
    logged = pd.read_csv(f"{logger.log_dir}/metrics.csv")
    assert logged["roc_auc"].dropna().tolist() == pytest.approx(predictor.history["roc_auc"])
    assert logged["loss"].dropna().between(0.05, 5).all()
    assert logged["loss"].count() == 3
    rates = logged["learning_rate"].dropna()
    assert rates.iloc[-1] == pytest.approx(predictor.recipe.training.head_learning_rate)
    assert logged["step"].max() == 23


@pytest.mark.parametrize(
    ("callback", "setting"),
    [
        (pl.callbacks.EMAWeightAveraging(), "training.average"),
        (pl.callbacks.StochasticWeightAveraging(swa_lrs=1e-3), "training.average"),
        (pl.callbacks.GradientAccumulationScheduler({0: 2}), "training.accumulate"),
        (pl.callbacks.BatchSizeFinder(), "training.batch_size"),
        (pl.callbacks.LearningRateFinder(), "learning_rate"),
    ],
)
def test_callbacks_that_would_undo_the_fit_are_refused(small_table, fit_table, callback, setting):
    with pytest.raises(ConfigError, match=type(callback).__name__) as caught:
        fit_table(small_table, callbacks=callback)
    assert setting in caught.value.remedy


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"loggers": False}, "leave it out"),
        ({"callbacks": "early"}, "lightning.pytorch.callbacks"),
        ({"callbacks": [pl.callbacks.EarlyStopping]}, "an instance: EarlyStopping(...)"),
    ],
)
def test_what_is_no_callback_and_no_logger_is_refused(small_table, fit_table, given, remedy):
    with pytest.raises(ConfigError, match="this is no Lightning") as caught:
        fit_table(small_table, **given)
    assert remedy in caught.value.remedy


class _OutOfMemory(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_memory_that_runs_out_late_is_said_with_what_helps(small_table, fit_table):
    with pytest.raises(TrainingError, match="memory of the GPU") as caught:
        fit_table(small_table, callbacks=_OutOfMemory())
    assert "training.batch_size" in caught.value.remedy


class _Seen(pl.Callback):
    def __init__(self):
        self.metrics = []

    def on_train_epoch_end(self, trainer, module):
        self.metrics.append({k: v.item() for k, v in trainer.callback_metrics.items()})


def test_callbacks_find_the_last_validation(small_table, fit_table):
    seen = _Seen()
    settings = {"training.batch_size": 8, "training.val_every": 0.5}
    history = fit_table(small_table, hyperparameters=settings, callbacks=[seen]).history
    ends = history[history["epoch"] % 1 == 0]
    for name in ("loss", "roc_auc"):
        assert [metrics[name] for metrics in seen.metrics] == pytest.approx(ends[name].tolist())


@pytest.mark.parametrize("steps", [None, 3])
def test_early_stopping_of_lightning(small_table, fit_table, steps):
    stop = EarlyStopping("roc_auc", mode="max", patience=1, min_delta=2.0)
    settings = {"training.batch_size": 8, "training.epochs": 9, "training.max_steps": steps}
    predictor = fit_table(small_table, hyperparameters=settings, callbacks=[stop])
    assert len(predictor.history) == (2 if steps is None else 1)
    expected = "stopped by a callback" if steps is None else "max_steps reached"
    assert predictor._fitted.result.stopped == expected


def test_checkpoints_of_lightning(small_table, fit_table, tmp_path):
    keep = ModelCheckpoint(tmp_path, monitor="roc_auc", mode="max", save_top_k=-1)
    predictor = fit_table(small_table, callbacks=[keep])
    assert len(list(tmp_path.glob("*.ckpt"))) == 2
    assert keep.best_model_score.item() == pytest.approx(predictor.history["roc_auc"].max())
    saved = torch.load(keep.best_model_path, weights_only=True)["state_dict"]
    topology = predictor._model.topology.state_dict()
    assert set(saved) == {f"topology.{name}" for name in topology}


def test_checkpoints_need_a_folder_that_stays(small_table, fit_table):
    with pytest.raises(ConfigError, match="folder") as caught:
        fit_table(small_table, callbacks=[ModelCheckpoint(monitor="roc_auc")])
    assert "dirpath" in caught.value.remedy


def _held_out(predictor, frame):
    from mm_core.data.split import split_rows

    classes = (frame["kind"] == "b").to_numpy().astype(int)
    return frame.iloc[split_rows(len(frame), None, classes, seed=0)[1]]


class _CtrlC(pl.Callback):
    def __init__(self, step, times):
        self.step = step
        self.times = times

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if trainer.global_step == self.step:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.fixture
def on_interrupt():
    """Set what Ctrl-C does: the tests may run in the background, where it does nothing."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_one_interrupt_keeps_the_best_weights(small_table, fit_table, on_interrupt):
    on_interrupt(signal.default_int_handler)
    found = signal.getsignal(signal.SIGINT)
    settings = {"training.batch_size": 16, "training.epochs": 50}  # 4 steps an epoch
    predictor = fit_table(small_table, hyperparameters=settings, callbacks=_CtrlC(10, times=1))
    assert predictor.history["step"].tolist() == [4, 8, 11]
    assert predictor._fitted.result.stopped == "interrupted"
    scores = predictor.history["roc_auc"]
    assert predictor._fitted.result.best_score == scores.max()
    assert predictor.predict(small_table).notna().all()
    assert signal.getsignal(signal.SIGINT) is found


def test_a_process_that_ignores_interrupts_trains_on(small_table, fit_table, on_interrupt):
    on_interrupt(signal.SIG_IGN)
    predictor = fit_table(small_table, callbacks=_CtrlC(1, times=2))
    assert predictor._fitted.result.stopped != "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_two_interrupts_are_a_keyboard_interrupt(small_table, fit_table, on_interrupt):
    on_interrupt(signal.default_int_handler)
    found = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit_table(small_table, callbacks=_CtrlC(1, times=2))
    assert signal.getsignal(signal.SIGINT) is found
