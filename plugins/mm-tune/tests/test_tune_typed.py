"""What a stranger types: every option reaches the fit, every mistake is told, and so is the end."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_tune.api import Ray, Search, tune
from typer.testing import CliRunner

from mm_core.api import ConfigError, TrainingError
from mm_core.cli.app import app
from mm_core.recipe.recipe import Recipe

pytest.importorskip("mm_trees")
pytest.importorskip("lightgbm")

TREES = {"fit": "trees:lightgbm", "fit.rounds": 2}
SPACE = "fit.leaves=int(2, 9)"


def rows(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    found = pd.DataFrame({one: rng.normal(size=60) for one in "abc"})
    return found.assign(weight=rng.uniform(1, 2, size=60), y=found.a + found.b)


def typed(place: Path, *more: str, space: str = SPACE) -> Any:
    rows().to_csv(place / "rows.csv", index=False)
    given = ["tune", str(place / "rows.csv"), "--label", "y", "--trials", "3"]
    given += [f"--set={key}={value}" for key, value in TREES.items()]
    return CliRunner().invoke(app, [*given, "--space", space, *more])


METRIC = """
import numpy as np

from mm_core.api import MetricSpec, PluginInfo, hookimpl


class Far:
    def __init__(self):
        self.reset()

    def reset(self):
        self.parts = []

    def update(self, true, values):
        self.parts.append(np.abs(np.ravel(true) - np.ravel(values)))

    def compute(self):
        return float(np.concatenate(self.parts).mean())


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A score.")


@hookimpl
def mm_metrics():
    kind = {"needs": "values", "higher_is_better": False}
    return [MetricSpec(name="far", summary="Far.", target="mine:Far", **kind)]
"""


def test_the_last_line_is_the_command_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands in a shell: plugins and tuning data are not in the recipe."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "of May"
    place.mkdir()
    (place / "mine.py").write_text(METRIC)
    rows(1).to_csv(place / "tuning.csv", index=False)
    given = ["--plugin", str(place / "mine.py"), "--validation-metric", "mine:far"]
    given += ["--tuning", str(place / "tuning.csv"), "--out", str(place / "tuned")]
    told = typed(place, *given)
    assert told.exit_code == 0, told.output
    following = shlex.split(told.stdout.splitlines()[-1])
    assert following[following.index("--tuning") + 1] == str(place / "tuning.csv")
    fitted = CliRunner().invoke(app, following[1:])
    assert fitted.exit_code == 0, fitted.output
    assert (tmp_path / "model").is_dir()


def test_options_of_a_plan_reach_it(tmp_path: Path) -> None:
    """And without a folder the answer says how to keep it."""
    given = ["--column-type", "c=ignore", "--sample-weight", "weight", "--holdout-frac", "0.3"]
    given += ["--eval-metric", "mae", "--trials", "1", "--out", str(tmp_path / "tuned")]
    told = typed(tmp_path, *given)
    assert told.exit_code == 0, told.output
    recipe = Recipe.from_json((tmp_path / "tuned" / "recipe.json").read_text())
    assert recipe.data.sample_weight == "weight"
    assert recipe.data.holdout_frac == 0.3
    assert recipe.data.eval_metric == recipe.data.validation_metric == "core:mae"
    assert "c" not in recipe.inputs["tabular"].columns
    other = typed(tmp_path, *given, "--holdout-frac", "0.2")
    assert "settings: data.holdout_frac was 0.3, is 0.2" in other.output
    twice = typed(tmp_path, "--holdout-frac", "0.2", "--tuning", str(tmp_path / "rows.csv"))
    assert "leave one of them out" in twice.output
    assert "--out FOLDER" in typed(tmp_path, "--trials", "1").stdout
    assert "query" in typed(tmp_path, "--role", "query=a").output


@pytest.mark.parametrize("out", ["rows.csv", "rows.csv/tuned", "/proc/nope"])
def test_where_nothing_can_be_written_is_told_first(out: str, tmp_path: Path) -> None:
    told = typed(tmp_path, "--out", str(tmp_path / out))
    assert told.exit_code == 2
    assert "no search can be written into" in told.output
    assert "--out tuned" in told.output
    assert "trial 0" not in told.output


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("fit.leaves=int(9, 4)", "fit.leaves='int(9, 4)': .* ends above where it begins"),
        ("fit.leaves=log(0, 9)", r"fit.leaves='log\(0, 9\)': .* log range begins above 0"),
        ("fit.leaves=int(4 9)", "int needs two numbers, with a comma between"),
        ("training.learning_rate=log(1e-4, 1e-2)", "unknown key 'fit.rounds'; .*core:finetune"),
    ],
)
def test_a_range_is_told_as_it_was_typed(space: str, said: str, tmp_path: Path) -> None:
    """And what a setting brings with it: another fitter."""
    rows().to_csv(tmp_path / "rows.csv", index=False)
    given = ["tune", str(tmp_path / "rows.csv"), "--label", "y", "--set=fit.rounds=2"]
    told = CliRunner().invoke(app, [*given, "--space", space])
    assert told.exit_code == 2
    assert re.search(said.replace("(9, 4)", r"\(9, 4\)"), told.output), told.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"space": {"fit.leaves": [2, 3, 4]}}, r"fit.leaves=.*Search\(choices=\[2, 3, 4\]\)"),
        ({"space": {"fit.leaves": (2, 4)}}, r"Search\(2, 4, whole=True\) for all between"),
        ({"space": {"fit.leaves": 5}}, "fit.leaves=5 is no range"),
        ({"space": "fit.leaves=int(2, 9)"}, "space='fit"),
        ({"trials": None}, "trials=None"),
        ({"trials": 2.5}, "trials=2.5"),
        ({"time": "5"}, "time='5'"),
        ({"sampler": "grid"}, "^sampler='grid'\n  -> one of: tpe, random$"),
        ({"executor": "local"}, r'executor=Ray\("local"\)'),
        ({"executor": Ray}, r'executor=Ray\("local"\)'),
        ({"space": {"fit.leaves": "int(2, 8)"}, "among": Search(2, 9)}, "in two ranges"),
    ],
)
def test_an_argument_of_another_type_is_told(given: dict[str, Any], said: str) -> None:
    among = {"fit.leaves": given.pop("among")} if "among" in given else {}
    with pytest.raises(ConfigError) as caught:
        tune(rows(), "y", hyperparameters=TREES | among, **given)
    assert re.search(said, str(caught.value), re.DOTALL), caught.value


@pytest.mark.parametrize(
    "wrong", [{"cpus_per_trial": "4"}, {"gpus_per_trial": True}, {"max_concurrent": 1.5}]
)
def test_the_room_of_a_trial_is_a_number(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Ray("local", **wrong)


def test_what_came_of_the_trials_is_counted(tmp_path: Path) -> None:
    """Failed ones too; scores in JSON are to the last digit; going on is told."""
    out = str(tmp_path / "tuned")
    some = ["--sampler", "random", "--seed", "1", "--trials", "5", "--out", out]
    space = "fit.min_rows=choice(1, 1000000000000)"
    told = typed(tmp_path, *some, space=space)
    assert told.exit_code == 0, told.output
    assert re.search(r"the best of 5 trials \(\d failed\)", told.stdout), told.output
    again = typed(tmp_path, *some, space=space)
    assert "the search goes on: 5 trials had ended before" in again.stderr
    said = json.loads(typed(tmp_path, *some, "--json", space=space).stdout)
    scores = [one["score"] for one in said["trials"] if one["score"] is not None]
    assert said["score"] in scores
    with pytest.raises(TrainingError, match="the time was over before a trial"):
        tune(rows(), "y", hyperparameters=TREES, time=1e-9)


ENDING = """
import signal

from mm_core.api import FitEndSpec, PluginInfo, hookimpl

fits = []


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A user's patience.")


def end(model, result):
    fits.append(result)
    if len(fits) % 3 == 0:
        signal.raise_signal(signal.NAME)


@hookimpl
def mm_fit_end():
    return [FitEndSpec(name="ending", summary="Ends it.", target="SELF:end")]
"""


@pytest.fixture
def spared() -> Iterator[None]:
    """SIGTERM does not end the tests where nothing takes it; what takes it puts this back."""

    def nothing(*_: Any) -> None:
        pass

    before = signal.signal(signal.SIGTERM, nothing)
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # by shells, in jobs
    yield
    signal.signal(signal.SIGINT, ignored)
    assert signal.signal(signal.SIGTERM, before) is nothing


@pytest.mark.usefixtures("spared")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_search_that_is_ended_says_so_and_leaves_what_it_found(name: str, tmp_path: Path) -> None:
    """The same command goes on; without a folder it is said what is lost."""
    ending = tmp_path / f"{name.lower()}.py"
    ending.write_text(ENDING.replace("NAME", name).replace("SELF", ending.stem))
    keep = ["--plugin", str(ending), "--out", str(tmp_path / "tuned")]
    told = typed(tmp_path, *keep)
    assert told.exit_code in ((143,) if name == "SIGTERM" else (1, 130)), told.output
    assert "stopped after 2 trials; the same command goes on" in told.stderr
    assert len(pd.read_csv(tmp_path / "tuned" / "trials.csv")) == 2
    assert (tmp_path / "tuned" / "recipe.json").is_file()
    lost = typed(tmp_path, *keep[:2], "-q")
    assert re.search("after 2 trials, the best .* the settings as .*; they are lost", lost.stderr)
    on = typed(tmp_path, "--out", str(tmp_path / "tuned"))
    assert on.exit_code == 0, on.output
    assert "the search goes on: 2 trials had ended before" in on.stderr


def test_help_shows_the_arguments_and_loads_nothing() -> None:
    assert {"folder", "tuning_data", "plugins"} <= set(inspect.signature(tune).parameters)
    assert "folder: where each trial is written" in str(inspect.getdoc(tune))
    code = "import sys, mm_tune.api; print({'optuna', 'ray', 'torch'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
