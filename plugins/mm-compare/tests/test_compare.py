"""Comparisons on the same splits, resumed, tested, typed; models without some of their inputs."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from mm_compare.api import compare, corrected_t_test, holm
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError
from mm_core.cli.app import app
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

SETTINGS = {"training.epochs": 8, "training.batch_size": 16, "training.head_learning_rate": 1e-2}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    labels = {"kind": ["a", "b", "c"] * 20}
    return points(labels, ("left", "right")).assign(**labels)


def _compare(rows, vary, seeds=2, **more):
    return compare(rows, "kind", vary, seeds, hyperparameters=SETTINGS, plugins=[KIT], **more)


def test_variants_are_scored_on_the_same_rows_and_the_better_one_is_told(rows):
    vary = {"fusion": ["core:mean"], "training.head_learning_rate": [1e-2, 1e-6]}
    found = _compare(rows, vary, seeds=3)
    first, second = found.table.itertuples()
    assert first.variant == "fusion=core:mean training.head_learning_rate=0.01"
    assert math.isnan(first.p)
    assert first.difference == 0
    assert second.difference == pytest.approx(second.mean - first.mean)
    assert second.difference < -0.2
    assert second.p < 0.05
    assert found.metric == "accuracy"
    assert found.higher_is_better
    assert len(found.runs) == 6
    again = _compare(rows, vary, seeds=3)
    assert again.runs.score.tolist() == found.runs.score.tolist()


def test_runs_that_ended_are_not_run_again(rows, tmp_path, monkeypatch):
    vary = {"fusion": ["core:mean", "core:logit"]}
    first = _compare(rows, vary, seeds=1, folder=tmp_path)
    runs = tmp_path / "runs.jsonl"
    runs.write_text(runs.read_text() + '{"comparison": "cut o')  # a process was killed here
    fits = []
    fit = MultiModalPredictor.fit

    def counted(self, *given, **more):
        fits.append(more["seed"])
        return fit(self, *given, **more)

    monkeypatch.setattr(MultiModalPredictor, "fit", counted)
    more = _compare(rows, vary, seeds=2, folder=tmp_path)
    assert fits == [1, 1]
    assert more.runs.score.iloc[:2].tolist() == first.runs.score.tolist()
    fits.clear()
    _compare(rows.iloc[:-1], vary, seeds=1, folder=tmp_path)  # another table is another comparison
    assert fits == [0, 0]


@pytest.mark.slow
def test_runs_side_by_side_are_the_same_runs(rows, tmp_path):
    vary = {"fusion": ["core:mean", "core:logit"]}
    alone = _compare(rows, vary, seeds=1)
    together = _compare(rows, vary, seeds=1, jobs=2, folder=tmp_path)
    assert together.runs.variant.tolist() == alone.runs.variant.tolist()
    assert together.runs.score.tolist() == alone.runs.score.tolist()
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 2


def test_the_corrected_test_is_that_of_the_paper():
    differences = [0.01, 0.03, 0.02, 0.00, 0.02]
    mean, variance = np.mean(differences), np.var(differences, ddof=1)
    t = mean / math.sqrt((1 / 5 + 0.2 / 0.8) * variance)
    from scipy import stats

    assert corrected_t_test(differences, 0.2) == pytest.approx(2 * stats.t.sf(t, 4))
    assert corrected_t_test(differences, 0.2) > stats.ttest_1samp(differences, 0).pvalue
    assert corrected_t_test([0.0, 0.0], 0.2) == 1
    assert math.isnan(corrected_t_test([0.1], 0.2))
    assert math.isnan(corrected_t_test([0.1 + 0.2, 0.3, 0.3], 0.2))  # alike: no spread is known
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_no_difference_is_found_where_there_is_none():
    """Random splits of one table, two models that are equally good: p is below .05 in few."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        right = rng.random((2, 300)) < 0.8  # which rows each of two models gets right
        splits = [rng.choice(300, 60, replace=False) for _ in range(10)]
        found.append(
            corrected_t_test([right[0, s].mean() - right[1, s].mean() for s in splits], 0.2)
        )
    assert np.mean(np.array(found) < 0.05) < 0.25


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"vary": {}}, "nothing to compare"),
        ({"vary": {"fusion": ["core:mean"]}}, "nothing to compare"),
        ({"vary": {"fusion": ["core:mean", "core:logit"]}, "seeds": 0}, "0 splits"),
        ({"vary": {"fusion": ["core:mean", "core:logit"]}, "test_share": 0.001}, "0 to score on"),
        ({"vary": {"fusion": ["core:mean", "core:maen"]}}, "core:maen"),
    ],
)
def test_what_cannot_be_compared(given, says, rows):
    with pytest.raises(Exception, match=says) as caught:
        _compare(rows, **given)
    assert caught.value.remedy


def test_as_it_is_typed(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows.to_csv("rows.csv", index=False)
    typed = [
        *("compare", "rows.csv", "--label", "kind", "--vary", "fusion=core:mean,core:logit"),
        *("--seeds", "2", "--set", "training.epochs=1", "--out", "compared"),
        *("--plugin", str(KIT)),
    ]
    done = CliRunner().invoke(app, typed)
    assert done.exit_code == 0, done.stderr
    assert "accuracy, greater is better, 2 random splits" in done.stdout
    assert "fusion=core:logit" in done.stdout
    assert "--seeds 10 or more" in done.stdout
    written = json.loads((tmp_path / "compared" / "compared.json").read_text())
    drawn = (tmp_path / "compared" / "compared.svg").read_text()
    assert drawn.count("<circle") == 4  # a dot for each run
    assert all(name in drawn for name in ("fusion=core:mean", "fusion=core:logit", "accuracy"))
    again = CliRunner().invoke(app, [*typed, "--quiet", "--json"])
    assert json.loads(again.stdout) == written
    wrong = CliRunner().invoke(app, ["compare", "rows.csv", "--label", "kind", "--vary", "fusion"])
    assert wrong.exit_code == 2
    assert "--vary KEY=" in wrong.stderr


def test_a_model_without_some_of_its_inputs(rows, tmp_path):
    labels = {"kind": rows.kind.tolist()}
    noise = points({"other": ["x", "y"] * 30}, ("right",))["right"].to_numpy()
    frame = rows.assign(right=noise[np.random.default_rng(0).permutation(60)], **labels)
    model = MultiModalPredictor(
        "kind", hyperparameters=SETTINGS | {"fusion": "core:mean"}, plugins=[KIT], verbosity=0
    ).fit(frame)
    found = model.robustness(frame, shares=[0.0, 0.5]).set_index("kept")
    assert list(found.index) == ["left+right", "left", "right", "at random", "at random"]
    score = found["accuracy"]
    assert score["left+right"] == model.evaluate(frame)["accuracy"] == score["at random"].iloc[0]
    assert score["left"] > 0.85
    assert score["right"] < 0.6
    assert score["right"] < score["at random"].iloc[1] < score["left+right"]
    with pytest.raises(ConfigError, match="a share of 2"):
        model.robustness(frame, shares=[2])
