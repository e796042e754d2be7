"""Row numbers are no feature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api.errors import MMWarning

N = 120


@pytest.fixture
def frame():
    x = np.random.default_rng(0).normal(size=N)
    return pd.DataFrame({"x": x, "y": np.where(x > 0, "up", "down")})


def test_an_index_that_was_written_is_left_out_and_told(frame, tmp_path):
    for rows in (frame, frame.sample(frac=1, random_state=0)[:100]):
        rows.to_csv(tmp_path / "t.csv")
        with pytest.warns(MMWarning, match="--column-type 'Unnamed: 0=numerical'"):
            plan = MultiModalPredictor("y", verbosity=0).plan(tmp_path / "t.csv")
        assert plan.columns.types == {"Unnamed: 0": None, "x": "tabular:numerical"}
        asked = {"Unnamed: 0": "numerical"}
        plan = MultiModalPredictor("y", verbosity=0).plan(tmp_path / "t.csv", column_types=asked)
        assert plan.columns.types["Unnamed: 0"] == "tabular:numerical"


def test_another_column_that_counts_the_rows_is_told(frame):
    counted = frame.assign(number=np.random.default_rng(1).permutation(N) + 1)
    with pytest.warns(
        MMWarning,
        match="'number': it counts the rows, 1 to 120.*'ignore'}, --column-type number=ignore",
    ):
        plan = MultiModalPredictor("y", verbosity=0).plan(counted)
    assert plan.columns.types["number"] == "tabular:numerical"


def test_an_unnamed_column_that_numbers_nothing_is_a_feature(frame):
    odd = frame.assign(**{"Unnamed: 0": np.arange(N) // 2})
    plan = MultiModalPredictor("y", verbosity=0).plan(odd)
    assert plan.columns.types["Unnamed: 0"] == "tabular:numerical"
