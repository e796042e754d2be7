"""New rows that are unlike those of training are told, once a call; rows like them never."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import MMWarning
from mm_core.data import chunks

BRIEF = {"training.epochs": 1, "backbones.tabular.width": 8, "backbones.tabular.n_blocks": 1}


def _rows(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    state = pd.Series(rng.choice(["NY", "CA", "TX", "1.50"], n), dtype="str")
    name = pd.Series([f"name {i}" for i in rng.zipf(1.4, n)], dtype="str")
    height = rng.normal(size=n)
    y = np.where(state.isin(["NY", "TX"]), "blue", "red")
    return pd.DataFrame({"state": state, "name": name, "height": height, "y": y})


@pytest.fixture(scope="module")
def predictor():
    types = {"state": "categorical", "name": "categorical"}
    found = MultiModalPredictor("y", hyperparameters=BRIEF, verbosity=0)
    return found.fit(_rows(300), column_types=types)


def _said(call) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in caught if issubclass(one.category, MMWarning)]


@pytest.mark.parametrize("call", ["predict", "predict_proba", "evaluate", "extract_embedding"])
def test_unseen_categories_are_told_once_a_call(predictor, call):
    frame = _rows(40).assign(state="36", name="none", height=1e6)
    (said,) = _said(lambda: getattr(predictor, call)(frame))
    assert "column 'state': 40 of 40 cells (100%)" in said
    assert "did not see ('36')" in said
    assert "column 'name': 40 of 40" in said
    assert "column 'height': 40 of 40 cells (100%) lie far outside" in said
    assert "'36' is" not in said


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (lambda cells: cells + " ", "'NY ' is 'NY' in training"),
        (lambda cells: cells.str.lower(), "'ny' is 'NY' in training"),
        (lambda cells: [1.5] * len(cells), "'1.5' is '1.50' in training"),
    ],
)
def test_the_same_value_written_otherwise_is_named(predictor, alter, told):
    frame = _rows(40).query("state != 'CA'").sort_values("state", ascending=False)
    frame = frame[frame.state == "NY"] if "NY" in told else frame
    (said,) = _said(lambda: predictor.predict(frame.assign(state=alter(frame.state))))
    assert told in said
    assert f"{len(frame)} of them are known ones" in said


def test_parts_of_a_file_are_told_together(predictor, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks.read_chunks, "__defaults__", (7,))
    frame = _rows(40)
    frame.loc[3:22, "state"] = "36"
    frame.to_parquet(tmp_path / "in.parquet")
    written = _said(lambda: predictor.predict(tmp_path / "in.parquet", out=tmp_path / "out.csv"))
    scored = _said(lambda: predictor.evaluate(tmp_path / "in.parquet"))
    assert written == scored
    assert len(written) == 1
    assert "column 'state': 20 of 40 cells (50%)" in written[0]


def test_rows_like_those_of_training_are_not(predictor):
    for seed in range(1, 6):  # their names are new to a good part, as they are in training
        frame = _rows(200, seed)
        assert not frame.name.isin(_rows(300).name).all()
        assert _said(lambda frame=frame: predictor.predict(frame)) == []
        assert _said(lambda frame=frame: predictor.predict(frame.head(4))) == []


def test_a_few_odd_cells_are_not(predictor):
    frame = _rows(40)
    frame.loc[:2, "state"] = "36"
    frame.loc[:2, "height"] = 1e6
    assert _said(lambda: predictor.predict(frame)) == []


def test_a_loaded_model_tells_as_well(predictor, tmp_path):
    predictor.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model")
    frame = _rows(40).assign(state="36", height=-1e6)
    assert _said(lambda: again.predict(frame)) == _said(lambda: predictor.predict(frame)) != []


def test_a_range_that_is_none_is_refused(predictor):
    processor = predictor._model.processors["tabular"]
    for ranges in ({"height": [0.0]}, {"height": ["a", 1.0]}, {"height": [float("nan"), 1.0]}):
        state = processor.state()
        state.values["ranges"] = ranges
        with pytest.raises(ValueError, match="no range"):
            type(processor).from_state(processor.config, processor.fields, state)


def _measured(n: int) -> pd.DataFrame:
    """Numbers from 31.1 to 65.3, a hundred days, and a counter."""
    x = (31.1 + np.arange(n) * 7 % 20 * 1.8).round(1)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(n) % 100, unit="D")
    count = 5000.0 + np.arange(n) * 2.5
    return pd.DataFrame({"x": x, "day": day, "count": count, "y": np.where(x > 48, "a", "b")})


@pytest.fixture(scope="module")
def measuring(tmp_path_factory):
    types = {"x": "numerical", "day": "datetime", "count": "numerical"}
    made = MultiModalPredictor("y", hyperparameters=BRIEF, verbosity=0)
    folder = tmp_path_factory.mktemp("measuring")
    made.fit(_measured(200), column_types=types).save(folder / "model")
    return MultiModalPredictor.load(folder / "model")


def test_a_column_in_another_unit_is_told_with_both_ranges(measuring, tmp_path, monkeypatch):
    frame = _measured(200).assign(x=lambda f: f.x / 100)
    (said,) = _said(lambda: measuring.predict(frame))
    assert said.count("column") == 1
    assert "column 'x': 200 of 200 cells (100%) lie outside the range of training" in said
    assert "(here: 0.311 to 0.653, training: 31.1 to 65.3)" in said
    monkeypatch.setattr(chunks.read_chunks, "__defaults__", (70,))
    frame.to_parquet(tmp_path / "in.parquet")
    written = _said(lambda: measuring.predict(tmp_path / "in.parquet", out=tmp_path / "out.csv"))
    assert "column 'x': 200 of 200 cells (100%) lie outside" in written[0]


@pytest.mark.parametrize("years", [15, -15])
def test_days_of_another_time_are_told_with_both_ranges(measuring, years):
    frame = _measured(100).assign(day=lambda f: f.day + pd.DateOffset(years=years))
    (said,) = _said(lambda: measuring.predict(frame))
    assert said.count("column") == 1
    assert "column 'day': 100 of 100 cells (100%) lie outside the range of training" in said
    start, end = frame.day.min().date(), frame.day.max().date()
    assert f"(here: {start} to {end}, training: 2020-01-01 to 2020-04-09)" in said


def test_counters_and_days_that_go_on_are_not(measuring):
    frame = _measured(90).assign(day=lambda f: f.day + pd.Timedelta(100, "D"))
    frame["count"] += 500.0
    assert _said(lambda: measuring.predict(frame)) == []


def test_few_cells_outside_of_the_range_are_not(measuring):
    few = _measured(19).assign(x=0.5, day=pd.Timestamp("1990-01-01"))
    assert _said(lambda: measuring.predict(few)) == []
    some = _measured(100)
    some.loc[:89, "x"] = 0.5  # one in ten is as before: these are other rows, no other column
    assert _said(lambda: measuring.predict(some)) == []
