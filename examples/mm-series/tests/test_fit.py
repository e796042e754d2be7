"""Through the predictor, on data of known structure.

Each recording holds one ramp among noise, upwards or downwards in sign, anywhere. Either it builds
up and ends suddenly, or it starts suddenly and decays: a matter of order in time, which the summary
numbers of a series hardly show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import BadCellError

RAMP = np.linspace(0.0, 2.0, 12)
SMALL = {"backbones.series.width": 16}
QUICK = SMALL | {"training.epochs": 1}


def recording(builds: bool, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """30 to 59 points, one in twenty of them a gap."""
    points = 0.2 * random.normal(size=random.integers(30, 60))
    start = random.integers(0, len(points) - len(RAMP))
    ramp = RAMP if builds else RAMP[::-1]
    points[start : start + len(RAMP)] += random.choice([-1, 1]) * ramp
    points[random.random(len(points)) < 0.05] = np.nan
    return points


def recordings(n_rows: int, seed: int) -> pd.DataFrame:
    """``wear`` = 2 for ramps that build up + ``load`` + a little noise."""
    random = np.random.default_rng(seed)
    builds = random.random(n_rows) < 0.5
    load = random.normal(size=n_rows)
    return pd.DataFrame(
        {
            "trace": [recording(bool(b), random) for b in builds],
            "load": load,
            "shape": np.where(builds, "builds", "decays"),
            "wear": 2.0 * builds + load + 0.1 * random.normal(size=n_rows),
        }
    )


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers of each recording, instead of the recording."""
    functions: list[Any] = [np.nanmean, np.nanstd, np.nanmin, np.nanmax]
    functions += [np.nanmedian, np.nanargmin, np.nanargmax, len]
    columns = {f.__name__: frame["trace"].map(f) for f in functions}
    rough = frame["trace"].map(lambda points: np.nanmean(np.abs(np.diff(points))))
    return pd.DataFrame(columns | {"rough": rough, "shape": frame["shape"]})


def as_text(cells: pd.Series) -> pd.Series:
    """Recordings as texts, gaps empty."""
    texts = [";".join("" if p != p else f"{p:.6f}" for p in points) for points in cells]
    return pd.Series(texts, index=cells.index)


TRAIN, TEST = recordings(300, seed=1), recordings(300, seed=2)


def test_it_learns_shapes_that_summaries_do_not_show() -> None:
    """Accuracy on 300 new recordings: 0.997 against 0.65."""
    columns = ["trace", "shape"]
    predictor = MultiModalPredictor("shape", hyperparameters=SMALL, verbosity=0)
    predictor.fit(TRAIN[columns])
    assert predictor.column_types == {"trace": "series:array"}
    assert predictor.evaluate(TEST, metrics="accuracy")["accuracy"] > 0.95
    numbers = MultiModalPredictor("shape", verbosity=0).fit(summary(TRAIN))
    assert numbers.evaluate(summary(TEST), metrics="accuracy")["accuracy"] < 0.75


def test_series_and_numbers_know_more_together() -> None:
    """RMSE on 300 new rows: either alone about 1, both together 0.2."""
    rmse = {}
    for columns in (["trace"], ["load"], ["trace", "load"]):
        settings = SMALL if "trace" in columns else {}
        predictor = MultiModalPredictor("wear", hyperparameters=settings, verbosity=0)
        predictor.fit(TRAIN[[*columns, "wear"]])
        rmse[tuple(columns)] = predictor.evaluate(TEST, metrics="rmse")["rmse"]
    assert min(rmse["trace",], rmse["load",]) > 0.9
    assert rmse["trace", "load"] < 0.4


def test_a_model_of_texts_answers_lists_and_arrays_after_loading(tmp_path: Path) -> None:
    train = TRAIN[["trace", "shape"]].assign(trace=as_text(TRAIN["trace"]))
    predictor = MultiModalPredictor("shape", hyperparameters=QUICK, verbosity=0).fit(train)
    assert predictor.column_types == {"trace": "series:separated"}
    predictor.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    texts = predictor.predict_proba({"trace": list(as_text(TEST["trace"])[:20])})
    arrays = again.predict_proba({"trace": list(TEST["trace"][:20])})
    lists = again.predict_proba({"trace": [points.tolist() for points in TEST["trace"][:20]]})
    np.testing.assert_allclose(texts, arrays, atol=1e-4)
    np.testing.assert_array_equal(lists, arrays)


def test_several_columns_are_one_input_and_any_cell_may_be_missing() -> None:
    frame = TRAIN[["trace", "shape"]].assign(other=TRAIN["trace"].map(lambda points: -points[:9]))
    frame.loc[::7, "trace"] = None
    frame.loc[::5, "other"] = None
    predictor = MultiModalPredictor("shape", hyperparameters=QUICK, verbosity=0).fit(frame)
    assert predictor.recipe.inputs["series"].columns == ("trace", "other")
    assert len(predictor.predict(frame)) == len(frame)


def test_a_broken_cell_is_named_with_its_row() -> None:
    """It is an error, unless it may be taken as missing."""
    frame = TRAIN[["trace", "shape"]][:60].copy()
    predictor = MultiModalPredictor("shape", hyperparameters=QUICK, verbosity=0).fit(frame)
    frame["trace"] = [[1.0, np.inf] if row == 7 else c for row, c in enumerate(frame["trace"])]
    with pytest.raises(BadCellError, match="infinite") as caught:
        predictor.predict(frame)
    assert (caught.value.column, caught.value.rows) == ("trace", (7,))
    with pytest.warns(Warning, match="trace"):
        assert len(predictor.predict(frame, on_error="missing")) == len(frame)


def test_a_user_may_say_that_short_lists_are_series() -> None:
    texts = [f"{row % 5};{row % 3};{row}" for row in range(40)]
    frame = pd.DataFrame({"counts": texts, "y": [0, 1] * 20})
    predictor = MultiModalPredictor("y", verbosity=0)
    plan = predictor.plan(frame, column_types={"counts": "series"}).columns.plan("counts")
    assert plan is not None
    assert plan.modality == "series:series"


def test_presets_set_the_width_and_new_networks_train_long_together() -> None:
    columns = ["trace", "load", "wear"]
    plan = MultiModalPredictor("wear", presets="best_quality", verbosity=0).plan(TRAIN[columns])
    assert dict(plan.backbones["series"])["width"] == 128
    assert plan.training.epochs >= 40
