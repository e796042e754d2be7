"""Labels, likelihood, curves and scores, each against what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_core.api import LabelError, MetricError, State

from mm_survival.answers import risk, survival
from mm_survival.configs import HazardsConfig
from mm_survival.curves import Intervals, cumulative, lost, median
from mm_survival.metrics import Concordance, IntegratedBrier
from mm_survival.task import Hazards
from mm_survival.topology import _polynomials

TIMES = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 9.0, 12.0]
EVENTS = [1, 0, 1, 1, 0, 1, 1, 0]


def learned(times: Any = TIMES, events: Any = EVENTS, intervals: int = 4) -> Hazards:
    """A task that has seen these labels."""
    task = Hazards(HazardsConfig(intervals=intervals), ["time", "event"])
    task.learn(pd.DataFrame({"time": times, "event": events}))
    return task


def score(metric: Any, truth: Any, answer: Any) -> float:
    """Of all rows at once."""
    metric.update(np.array(truth, dtype=float), answer)
    return float(metric.compute())


@pytest.mark.parametrize(
    ("time", "event", "column", "rows"),
    [
        ([1.0, None, 2.0], [1, 0, 1], "time", (1,)),
        ([1.0, 2.0, -1.0], [1, 0, 1], "time", (2,)),
        ([1.0, np.inf, 2.0], [1, 0, 1], "time", (1,)),
        ([1.0, 2.0, 3.0], [1, None, 1], "event", (1,)),
        ([1.0, 2.0, 3.0], [1, 0, 7], "event", (2,)),
        ([1.0, 2.0, 3.0], ["dead", "alive", "dead"], "event", ()),
        (pd.to_datetime(["2026-01-01"] * 3), [1, 0, 1], "time", ()),
        ([1.0, 2.0, 3.0], [0, 0, 0], "event", ()),
    ],
)
def test_labels_that_are_none_are_refused(time: Any, event: Any, column: str, rows: Any) -> None:
    """With the column and the rows."""
    with pytest.raises(LabelError) as caught:
        learned(time, event)
    assert (caught.value.column, caught.value.rows) == (column, rows)
    assert caught.value.remedy


def test_one_label_is_not_enough() -> None:
    """The error says which two."""
    with pytest.raises(LabelError, match="two label columns"):
        Hazards(HazardsConfig(), ["time"])


@pytest.mark.parametrize("event", [np.int64, np.float64, bool, "Int64", "boolean"])
@pytest.mark.parametrize("time", [np.int64, np.float32, "Float64"])
def test_answers_have_the_dtypes_of_the_labels(time: Any, event: Any) -> None:
    """Through JSON and back."""
    frame = pd.DataFrame({"time": pd.Series(TIMES, dtype=time)})
    frame["event"] = pd.Series(EVENTS).astype(event)
    task = learned(frame.time, frame.event)
    kept = task.state()
    task = Hazards.from_state(task.config, task.label, State(kept.values, kept.arrays))
    answer = task.decode({"logits": np.zeros((3, task.output_dim))}, {}).answer
    assert answer.dtypes.tolist() == frame.dtypes.tolist()


def test_zero_outputs_are_the_best_ones_for_all_rows_together() -> None:
    """Rates are events by time at risk: the likelihood has no slope there."""
    task = learned()
    targets = task.encode(pd.DataFrame({"time": TIMES, "event": EVENTS}))
    tensors = {name: torch.tensor(array) for name, array in targets.items()}
    logits = torch.zeros(len(TIMES), task.output_dim, requires_grad=True)
    task.loss(logits, tensors, None).backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad.sum(dim=0), torch.zeros(task.output_dim), atol=1e-6)


def test_the_loss_is_minus_the_log_density_or_survival() -> None:
    """One interval is an exponential distribution."""
    task = learned(intervals=1)
    rate = sum(EVENTS) / np.minimum(TIMES, 9).sum()
    for event in (0, 1):
        row = task.encode(pd.DataFrame({"time": [5.0], "event": [event]}))
        tensors = {name: torch.tensor(array) for name, array in row.items()}
        got = task.loss(torch.zeros(1, 1), tensors, None).item()
        assert got == pytest.approx(rate * 5 - event * np.log(rate * 9), rel=1e-5)


def test_a_censored_row_says_nothing_of_later_times() -> None:
    """No gradient after the end of observation."""
    task = learned()
    row = task.encode(pd.DataFrame({"time": [3.5], "event": [0]}))
    tensors = {name: torch.tensor(array) for name, array in row.items()}
    logits = torch.zeros(1, task.output_dim, requires_grad=True)
    task.loss(logits, tensors, None).backward()
    assert logits.grad is not None
    later = torch.tensor(task.intervals.edges[:-1] >= 3.5)
    assert (logits.grad[0][later] == 0).all()
    assert (logits.grad[0][~later] > 0).all()


def test_the_median_of_an_exponential_is_that() -> None:
    """Inside an interval; later than the horizon it is the horizon, and no event."""
    grid = Intervals(np.array([0.0, 1.0, 3.0, 10.0]))
    rates = np.array([[0.2], [2.0], [0.05]]) * np.ones((3, 3))
    hazard = cumulative(rates * grid.horizon, grid)
    time, reached = median(hazard, grid.edges)
    assert np.allclose(time, [np.log(2) / 0.2, np.log(2) / 2, 10])
    assert reached.tolist() == [True, True, False]
    assert (np.diff(lost(np.exp(-hazard), grid.edges)[[2, 0, 1]]) > 0).all()


def test_probabilities_are_of_intervals() -> None:
    """They add up to one, the last being that of no event until the horizon."""
    decoded = learned().decode({"logits": np.random.default_rng(0).normal(size=(5, 4))}, {})
    assert decoded.proba is not None
    assert np.allclose(decoded.proba.sum(axis=1), 1)
    assert decoded.proba.columns.tolist() == [*learned().intervals.edges[1:], np.inf]


def test_concordance_is_that_of_all_pairs() -> None:
    """Against two loops, with ties in time and in risk, in one part and in two."""
    rng = np.random.default_rng(0)
    truth = np.stack([rng.integers(1, 9, 60), rng.random(60) < 0.6], axis=1).astype(float)
    risk = rng.integers(0, 6, 60).astype(float)
    agreed = pairs = 0.0
    for i in range(60):
        for j in range(60):
            (ti, ei), (tj, ej) = truth[i], truth[j]
            if ei and (ti < tj or (ti == tj and not ej)):
                pairs += 1
                agreed += 1.0 if risk[i] > risk[j] else 0.5 * (risk[i] == risk[j])
    metric = Concordance()
    metric.update(truth[:25], risk[:25])
    metric.update(truth[25:], risk[25:])
    assert metric.compute() == pytest.approx(agreed / pairs)
    assert score(Concordance(), truth, truth[:, 1] / 2 - truth[:, 0]) == 1.0


def test_brier_without_censoring_is_the_mean_squared_error() -> None:
    """And a perfect curve has none."""
    time = np.arange(1.0, 41.0)
    truth = np.stack([time, np.ones(40)], axis=1)
    grid = np.linspace(0, 39, 79)
    half = pd.DataFrame(np.full((40, 79), 0.5), columns=grid)
    perfect = pd.DataFrame((time[:, None] > grid).astype(float), columns=grid)
    assert score(IntegratedBrier(), truth, half) == pytest.approx(0.25)
    assert score(IntegratedBrier(), truth, perfect) == 0


def test_brier_hardly_depends_on_the_censoring() -> None:
    """Rows that are left weigh for those that are not: the score of the true curve stays."""
    rng = np.random.default_rng(0)
    time, end = rng.exponential(10, 4000), rng.exponential(15, 4000)
    grid = np.linspace(0, 15, 31)
    curve = pd.DataFrame(np.tile(np.exp(-grid / 10), (4000, 1)), columns=grid)
    full = score(IntegratedBrier(), np.stack([time, np.ones(4000)], axis=1), curve)
    seen = np.stack([np.minimum(time, end), time <= end], axis=1)
    naive = score(IntegratedBrier(), np.stack([seen[:, 0], np.ones(4000)], axis=1), curve)
    assert score(IntegratedBrier(), seen, curve) == pytest.approx(full, abs=0.003)
    assert abs(naive - full) > 0.006


@pytest.mark.parametrize("metric", [Concordance, IntegratedBrier])
def test_scores_that_are_not_defined_are_errors(metric: Any) -> None:
    """Of no rows, and of rows that tell nothing."""
    with pytest.raises(MetricError):
        metric().compute()
    curve = pd.DataFrame(np.ones((2, 3)), columns=[0.0, 5.0, 9.0])
    answer = curve if metric is IntegratedBrier else np.zeros(2)
    with pytest.raises(MetricError):
        score(metric(), [[1, 0], [2, 0]], answer)


def test_changes_over_time_are_none_on_average() -> None:
    """Orthogonal polynomials; no more of them than intervals can tell apart."""
    basis = _polynomials(7, 3)
    assert torch.allclose(basis @ basis.T / 7, torch.eye(3), atol=1e-5)
    assert torch.allclose(basis.sum(dim=1), torch.zeros(3), atol=1e-5)
    assert _polynomials(1, 2).shape == (0, 1)


def test_probabilities_lead_back_to_curves_and_risks() -> None:
    """The views that metrics read, from what users get."""
    decoded = learned().decode({"logits": np.random.default_rng(0).normal(size=(5, 4))}, {})
    assert decoded.proba is not None
    assert np.allclose(risk(decoded.proba), decoded.views["risk"])
    pd.testing.assert_frame_equal(survival(decoded.proba), decoded.views["survival"])
