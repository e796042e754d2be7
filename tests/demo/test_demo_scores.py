"""Standard errors and constants of the demo."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core.demo.scores import ACCURACY, MAE, grouped_mean


def test_rows_of_their_own_give_the_usual_standard_error():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = grouped_mean(values, pd.Series(range(400)))
    assert found.value == pytest.approx(values.mean())
    assert found.se == pytest.approx(values.std(ddof=1) / 20)


def test_repeating_the_rows_of_a_group_adds_no_certainty():
    values = np.random.default_rng(1).normal(size=100)
    once = grouped_mean(values, pd.Series(range(100)))
    often = grouped_mean(np.repeat(values, 9), pd.Series(np.repeat(range(100), 9)))
    assert often.value == pytest.approx(once.value)
    assert often.se == pytest.approx(once.se)
    pretended = grouped_mean(np.repeat(values, 9), pd.Series(range(900)))
    assert pretended.se == pytest.approx(once.se / 3, rel=0.02)


def test_accuracy_by_row_and_its_constant():
    truth = pd.Series(["yes", "no", "yes"], index=[7, 3, 5])
    answer = pd.Series(["yes", "yes", "yes"], index=[7, 3, 5])
    assert ACCURACY.by_row(truth, answer).tolist() == [1.0, 0.0, 1.0]
    assert ACCURACY.constant(truth) == "yes"
    assert ACCURACY.sign == 1


def test_error_by_row_and_its_constant():
    truth = pd.Series([1.0, 2.0, 30.0])
    assert MAE.by_row(truth, pd.Series([2.0, 2.0, 10.0])).tolist() == [1.0, 0.0, 20.0]
    constants = [1.0, 2.0, 11.0, 30.0]
    errors = [MAE.by_row(truth, pd.Series(c, index=truth.index)).mean() for c in constants]
    assert constants[int(np.argmin(errors))] == MAE.constant(truth)
    assert MAE.sign == -1
