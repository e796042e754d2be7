"""The rows held out: passed over no more often than needed, and always by the weights at hand."""

from __future__ import annotations

import copy

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor, inference
from mm_core.api import MetricError, Table
from mm_core.pipeline import Pipeline
from mm_core.training import held_out
from mm_core.training.loop.fingerprint import fingerprint

SETTINGS = {"training.epochs": 4, "training.batch_size": 32, "training.head_learning_rate": 0.02}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    kind = np.where(x + rng.normal(size=400) > 0.3, "tall", "small")
    return pd.DataFrame({"x": x, "kind": kind})


@pytest.fixture
def passes(monkeypatch):
    """How many rows each pass of inference went over."""
    seen = []
    windows = inference.windows

    def counted(*arguments, **named):
        rows = 0
        for window in windows(*arguments, **named):
            rows += len(window.rows)
            yield window
        seen.append(rows)

    monkeypatch.setattr(inference, "windows", counted)
    return seen


def _fit(rows, tuning, **settings):
    given = SETTINGS | settings
    return MultiModalPredictor("kind", hyperparameters=given, verbosity=0).fit(
        rows, tuning_data=tuning
    )


class _Steps(pl.Callback):
    taken = 0

    def on_train_batch_end(self, *arguments):
        self.taken += 1


@pytest.mark.parametrize("average", ["best", "uniform_soup", "greedy_soup", "ema"])
def test_the_task_is_calibrated_by_the_final_weights(rows, average):
    train, tuning = rows[:300], rows[300:]
    settings = {"training.average": average, "data.validation_metric": "core:log_loss"}
    predictor = _fit(train, tuning, **settings)  # a soup of early weights is worse than the best
    model = copy.deepcopy(predictor._fitted.model)
    targets = model.task.encode(tuning[["kind"]])
    outputs, meta = inference.outputs(model, model.pipeline.encode(Table(tuning, None)))
    model.task.calibrate(outputs, meta, targets, lambda decoded: 0.0)
    assert (
        model.task.calibration.temperature == predictor._fitted.model.task.calibration.temperature
    )
    assert model.task.calibration.temperature != 1.0


def test_the_best_validation_calibrates_without_another_pass(rows, passes):
    _fit(rows[:300], rows[300:])
    assert passes == [1] + [100] * 4


class _Moves(pl.Callback):
    """Of a network's tensors, from one device to another, once it has been trained."""

    def __init__(self, monkeypatch):
        self.seen = []
        self._patch = monkeypatch

    def on_train_end(self, trainer, module):
        move = torch.nn.Module._apply

        def noted(module, *arguments, **named):
            self.seen.append(type(module).__name__)
            return move(module, *arguments, **named)

        self._patch.setattr(torch.nn.Module, "_apply", noted)


def test_the_network_stays_where_it_was_trained(rows, monkeypatch):
    moves = _Moves(monkeypatch)
    MultiModalPredictor("kind", hyperparameters=SETTINGS, verbosity=0).fit(
        rows[:300], tuning_data=rows[300:], callbacks=[moves]
    )
    assert moves.seen == []


def test_weights_are_told_apart_by_their_bits_in_whatever_order_a_device_adds_them(rows):
    model = _fit(rows[:300], rows[300:])._fitted.model
    weight = next(one for one in model.topology.parameters() if one.ndim == 2)
    before = fingerprint(model.topology)
    weight.data = weight.data.T.contiguous().T  # lies otherwise in memory
    assert np.array_equal(fingerprint(model.topology), before)
    weight.data[0, 0] = torch.nextafter(weight.data[0, 0], torch.tensor(torch.inf))
    assert not np.array_equal(fingerprint(model.topology), before)


def test_a_class_without_a_row_costs_no_other_pass(rows, passes):
    train = rows[:300].copy()
    train.loc[:3, "kind"] = "huge"
    _fit(train, rows[300:])
    assert passes == [1] + [100] * 4


def test_a_function_of_the_user_sees_as_many_rows_as_there_are(rows):
    train = rows[:300].copy()
    train.loc[:3, "kind"] = "huge"

    def careful(truth, answers):
        """Defined for many rows only."""
        if len(truth) < 50:
            raise ValueError("too few rows")
        return float(np.mean(np.asarray(truth) == np.asarray(answers)))

    predictor = MultiModalPredictor(
        "kind", eval_metric=careful, hyperparameters=SETTINGS, verbosity=0
    ).fit(train, tuning_data=rows[300:])
    assert len(predictor.history) == 4


def test_a_metric_that_is_not_defined_there_stops_the_fit_before_its_first_step(rows, passes):
    with pytest.raises(MetricError, match="roc_auc"):
        MultiModalPredictor(
            "kind", eval_metric="roc_auc", hyperparameters=SETTINGS, verbosity=0
        ).fit(rows[:300], tuning_data=rows[300:][rows[300:]["kind"] == "tall"])
    assert passes == [1, 32, len(rows[300:][rows[300:]["kind"] == "tall"])]


def test_a_label_that_no_held_out_row_has_is_told_before_the_first_step(rows, passes):
    tall = rows["kind"].eq("tall").astype(int)
    frame = pd.DataFrame({"x": rows["x"], "tall": tall, "small": 1 - tall})
    predictor = MultiModalPredictor(
        ["tall", "small"], validation_metric="roc_auc", hyperparameters=SETTINGS, verbosity=0
    )
    with pytest.raises(MetricError, match="roc_auc"):
        predictor.fit(frame, tuning_data=frame[frame["tall"] == 1])
    assert passes == [1, 32, tall.sum()]


def test_a_number_that_does_not_vary_is_told_before_the_first_step(rows, passes):
    frame = rows[["x"]].assign(z=rows["x"])
    with pytest.raises(MetricError, match="r2"):
        MultiModalPredictor("x", eval_metric="r2", hyperparameters=SETTINGS, verbosity=0).fit(
            frame, tuning_data=frame[:1]
        )
    assert passes == [1, 1, 1]


def _correlation(truth, answers):
    """Of the user; raises for one constant."""
    if np.ptp(answers) == 0:
        raise ValueError("all answers are alike")
    return float(np.corrcoef(truth, answers)[0, 1])


@pytest.mark.parametrize("metric", ["spearmanr", _correlation], ids=["installed", "function"])
def test_a_metric_that_wants_unlike_answers_is_tried_with_those_of_a_few_rows(rows, passes, metric):
    frame = rows[["x"]].assign(z=rows["x"])
    MultiModalPredictor("x", eval_metric=metric, hyperparameters=SETTINGS, verbosity=0).fit(
        frame[100:], tuning_data=frame[:100]
    )
    assert passes == [1, 32, *[100] * 4]


@pytest.fixture
def decoded(monkeypatch):
    """How many rows were decoded at once."""
    sizes = []
    decode = Pipeline.decode

    def counted(self, outputs, meta):
        sizes.append(len(outputs["logits"]))
        return decode(self, outputs, meta)

    monkeypatch.setattr(Pipeline, "decode", counted)
    return sizes


def test_large_outputs_are_tried_a_few_rows_at_once(rows, passes, decoded, monkeypatch):
    monkeypatch.setattr(held_out, "AT_ONCE_BYTES", 0)
    frame = rows[["x"]].assign(z=rows["x"])
    MultiModalPredictor("x", eval_metric="spearmanr", hyperparameters=SETTINGS, verbosity=0).fit(
        frame[100:], tuning_data=frame[:100]
    )
    assert passes == [1, 32, *[100] * 4]
    assert decoded == [1, 32, 4, *[100] * 4]
    with pytest.raises(MetricError, match="roc_auc"):  # all rows are looked at nevertheless
        _fit(rows[:300], rows[300:][rows[300:]["kind"] == "tall"])


def test_memory_that_is_full_is_no_metric_that_is_not_defined(rows):
    def hungry(truth, answers):
        raise MemoryError

    with pytest.raises(MemoryError):
        MultiModalPredictor("kind", eval_metric=hungry, hyperparameters=SETTINGS, verbosity=0).fit(
            rows[:300], tuning_data=rows[300:]
        )


def test_outputs_too_large_to_be_kept_are_made_again_to_calibrate(rows, passes, monkeypatch):
    kept = _fit(rows[:300], rows[300:])._fitted.model.task.calibration.temperature
    passes.clear()
    monkeypatch.setattr(held_out, "KEPT_BYTES", 0)
    again = _fit(rows[:300], rows[300:])._fitted.model.task.calibration.temperature
    assert passes == [1] + [100] * 5
    assert again == pytest.approx(kept, rel=1e-6)


def test_training_further_on_one_class_is_told_before_its_first_step(rows):
    predictor = MultiModalPredictor(
        "kind", eval_metric="roc_auc", hyperparameters=SETTINGS, verbosity=0
    ).fit(rows)
    steps = _Steps()
    tall = rows[rows["kind"] == "tall"]
    with pytest.raises(MetricError, match="roc_auc"):
        predictor.fit(tall, callbacks=steps)
    assert steps.taken == 0
    predictor.fit(tall, tuning_data=rows, callbacks=steps)
    assert steps.taken > 0


def test_a_class_that_only_an_earlier_fit_had_costs_no_other_pass(rows, passes):
    first = rows[:300].copy()
    first.loc[:9, "kind"] = "huge"
    predictor = _fit(first, first)
    passes.clear()
    predictor.fit(rows[:300], tuning_data=rows[300:])
    assert passes == [1] + [100] * 4
