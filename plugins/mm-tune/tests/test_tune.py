"""Trials are whole fits on one split, written down as they end, and their best is a recipe."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from mm_tune.api import Search, tune
from mm_tune.pruning import Pruning
from mm_tune.spaces import read_search, usual
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, MMWarning, TrainingError
from mm_core.api.tools import installed
from mm_core.cli.app import app
from mm_core.recipe.recipe import Recipe
from mm_core.testing.kit import KIT

QUICK = {"fit": "core:finetune", "training.epochs": 2, "training.batch_size": 16}
RATE = {"training.head_learning_rate": Search(1e-4, 3e-2, log=True)}
PAGE = (Path(__file__).parents[3] / "docs" / "tuning.md").read_text(encoding="utf-8")


def table(n: int = 80, seed: int = 0) -> pd.DataFrame:
    """Points of two kinds, as the kit's own plugin reads them."""
    points = np.random.default_rng(seed).normal(size=(n, 32))
    cells = ["left " + " ".join(f"{x:.3f}" for x in point) for point in points]
    return pd.DataFrame({"point": cells, "kind": np.where(points[:, 0] > 0, "a", "b")})


def search(rows: pd.DataFrame | None = None, **more: Any) -> Any:
    given: dict[str, Any] = {"trials": 3, "hyperparameters": QUICK | RATE, "plugins": [KIT]}
    return tune(table() if rows is None else rows, "kind", **{**given, **more})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tuned")
    return search(folder=folder, trials=4), folder


def test_the_best_is_a_recipe_that_fits_the_same(found: Any) -> None:
    """The first trial is of the settings as they are: the best is not below it."""
    tuned, folder = found
    trials = tuned.trials
    assert list(trials.trial) == [0, 1, 2, 3]
    assert trials["training.head_learning_rate"][0] == 1e-3
    assert tuned.metric == "roc_auc"
    assert tuned.score == trials.score[trials.state == "done"].max() >= trials.score[0]
    text = (folder / "recipe.json").read_text()
    assert Recipe.from_json(text) == tuned.recipe
    again = MultiModalPredictor("kind", verbosity=0, plugins=[KIT])
    again.fit(table(), recipe=folder / "recipe.json")
    assert again.history.roc_auc.max() == pytest.approx(tuned.score)
    rate = again.recipe.training.head_learning_rate
    assert rate == tuned.settings["training.head_learning_rate"]


def test_table_and_picture(found: Any) -> None:
    """A point for each trial in each panel."""
    tuned, folder = found
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "trials.csv")[["trial", "state", "score"]],
        tuned.trials[["trial", "state", "score"]],
    )
    drawing = ElementTree.parse(folder / "trials.svg").getroot()
    marks = [one.tag.rpartition("}")[2] for one in drawing.iter()]
    assert marks.count("circle") == 2 * (tuned.trials.state == "done").sum()
    assert "training.head_learning_rate" in (folder / "trials.svg").read_text()


def test_it_goes_on_where_it_was(found: Any) -> None:
    """With the same folder; another search there is refused."""
    tuned, folder = found
    more = search(folder=folder, trials=5)
    assert more.resumed == 4
    assert len(more.trials) == 5
    pd.testing.assert_frame_equal(more.trials.head(4), tuned.trials)
    assert more.trials["training.head_learning_rate"].is_unique
    with pytest.raises(ConfigError, match="holds another search: other rows"):
        search(table(seed=1), folder=folder)
    with pytest.raises(ConfigError, match="column types: point was none, is "):
        search(folder=folder, column_types={"point": tuned.recipe.columns.types["point"]})
    with pytest.raises(ConfigError, match=r"its presets was .*, is .*medium_quality"):
        search(folder=folder, presets="medium_quality")
    with pytest.raises(ConfigError, match="other tuning rows"):
        search(folder=folder, tuning_data=table(seed=2))
    with pytest.raises(ConfigError, match=r"rate was log\(0.0001, 0.03\), is log\(0.0001, 0.01\)"):
        search(
            folder=folder,
            hyperparameters=QUICK,
            space={"training.head_learning_rate": "log(1e-4, 1e-2)"},
        )


_KILLED = """
import sys
from test_tune import search
search(folder=sys.argv[1], trials=50, tell=lambda line: print(line, flush=True))
"""


@pytest.mark.slow
def test_no_trial_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """kill -9 in the midst of a trial: those that had ended are there, with the same scores."""
    folder = tmp_path / "tuned"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGKILL)
    told = [float(re.search(r": ([\d.]+) in", line).group(1)) for line in lines]  # type: ignore[union-attr]
    again = search(folder=folder, trials=5)
    assert again.resumed in (3, 4)
    assert len(again.trials) == 5
    assert list(again.trials.score.head(3).round(4)) == pytest.approx(told)


def test_networks_that_validate_worse_are_given_up() -> None:
    """After four trials whose medians they are below."""
    settings = {**QUICK, "training.epochs": 6, "training.patience": 6}
    space = {"training.head_learning_rate": Search(choices=(1e-2, 2e-2, 3e-2, 1e-8))}
    told: list[str] = []
    given = {"hyperparameters": settings | space, "sampler": "random", "seed": 4}
    found = search(trials=6, **given, tell=told.append)
    states = found.trials.state
    assert "pruned" in set(states)
    said = [float(re.search(r": ([\d.]+) ", line).group(1)) for line in told]  # type: ignore[union-attr]
    assert list(found.trials.score.round(4)) == said
    rates = found.trials["training.head_learning_rate"]
    assert set(states[rates == 1e-8]) == {"pruned"}
    assert found.settings["training.head_learning_rate"] > 1e-3
    kept = search(trials=6, **given, prune=False)
    assert set(kept.trials.state) == {"done"}


def test_time_ends_it() -> None:
    """After the trial that is under way."""
    began = time.monotonic()
    found = search(trials=500, time=2)
    assert time.monotonic() - began < 30
    assert 0 < len(found.trials) < 500


def test_trials_that_fail_are_told_and_counted() -> None:
    """The others go on; where all fail, so does the search."""
    wild = {"training.head_learning_rate": Search(choices=(1e30, 1e-2)), "training.clip_norm": None}
    found = search(trials=6, hyperparameters=QUICK | wild)
    failed = found.trials[found.trials.state == "failed"]
    assert set(failed["training.head_learning_rate"]) == {1e30}
    assert failed.why.str.contains("finite|number|loss").all()
    never = {"training.head_learning_rate": 1e30, "training.clip_norm": None}
    space = {"training.weight_decay": "log(1e-3, 1e-2)"}
    with pytest.raises(TrainingError, match="none of 2 trials came to a score"):
        search(trials=2, hyperparameters=QUICK | never, space=space)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"training.head_learning_rat": "log(1e-4, 1e-2)"}, "head_learning_rate"),
        ({"training.epochs": "int(1, 2"}, "no range"),
        ({"training.epochs": "int(1)"}, "two numbers"),
        ({"training.epochs": "int(3, 2)"}, "ends above"),
        ({"training.epochs": "int(1.5, 2)"}, "whole"),
        ({"training.learning_rate": "log(0, 1)"}, "above 0"),
    ],
)
def test_what_is_no_range_is_told_before_any_trial(space: Any, said: str) -> None:
    """And so is a setting that does not exist."""
    with pytest.raises(ConfigError) as caught:
        search(hyperparameters=QUICK, space=space)
    assert said in str(caught.value)


def test_ranges_are_read_as_they_are_written() -> None:
    for text in ("log(1e-05, 0.001)", "uniform(0, 0.5)", "int(2, 8)", 'choice(1, "a", true, null)'):
        assert str(read_search(text, "x")) == text
    assert 3 in Search(2, 8, whole=True)
    assert 3.5 not in Search(2, 8, whole=True)
    assert True not in Search(0, 2)


def test_without_a_space_the_usual_ranges_are_searched() -> None:
    """Of what the plan has, and the user did not set."""
    found = search(trials=1, hyperparameters=QUICK)
    searched = {name for name in found.trials if "." in name}
    assert "training.head_learning_rate" in searched
    assert "training.batch_size" not in searched
    names = ("training.learning_rate", "training.weight_decay", "training.head_learning_rate")
    with pytest.raises(ConfigError, match="nothing is usually searched") as caught:
        search(hyperparameters=QUICK | dict.fromkeys(names, 1e-3))
    assert shlex.split(str(caught.value.remedy))[-1] == "training.learning_rate=log(1e-5, 1e-3)"


MINE = """
from mm_core.api import FusionHeadSpec, PluginInfo, Search, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A head whose width is searched.")


@hookimpl
def mm_fusion_heads():
    return [
        FusionHeadSpec(
            name="m",
            summary="A mean.",
            target="mm_core.builtin.fusion.mean:Mean",
            config="mm_core.builtin.configs:MeanConfig",
            search_space={"dim": Search(choices=(16, 128))},
        )
    ]
"""


def test_a_component_of_a_stranger_brings_its_own_range(tmp_path: Path) -> None:
    """Wherever it stands, inside another too."""
    pytest.importorskip("mm_fusion")
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    settings = {**QUICK, "fusion": "fusion:modality_dropout", "fusion.head": "mine:m"}
    found = search(trials=2, hyperparameters=settings, plugins=[KIT, mine])
    assert found.trials["fusion.head.dim"].isin([16, 128]).all()
    assert found.trials["fusion.rate"].between(0, 0.5).all()
    assert "fusion.head.dropout" not in found.trials  # the core's ranges are those of its own heads


PRESET = """
from mm_core.api import PluginInfo, PresetSpec, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Much dropout.")


@hookimpl
def mm_presets():
    values = {"dropout": 0.5}
    return [PresetSpec(name="wet", summary="Wet.", components=("tabular:mlp",), values=values)]
"""


def test_a_network_with_a_pace_of_its_own_has_ranges_of_its_own(tmp_path: Path) -> None:
    """What the plan has outside of its range is left, which is told."""
    pytest.importorskip("mm_tabular")
    rows = pd.DataFrame({"a": np.arange(40.0) ** 2 % 7, "y": np.arange(40.0) % 3})
    settings = {"fit": "core:finetune", "training.epochs": 1}
    given = {"problem_type": "regression"}
    network = settings | {"backbones.tabular": "tabular:realmlp"}
    plan = MultiModalPredictor("y", hyperparameters=network, **given).plan(rows)
    searched, left = usual(plan, installed())
    assert plan.training.weight_decay == 0.2
    assert 0.2 in searched["training.weight_decay"]
    assert str(searched["training.batch_size"]) == "choice(128, 256, 512)"
    assert "training.learning_rate" not in searched  # of pretrained networks, and there is none
    assert not left
    wet = tmp_path / "wet.py"
    wet.write_text(PRESET)
    told: list[str] = []
    tune(
        rows,
        "y",
        trials=1,
        hyperparameters=settings,
        presets="wet",
        plugins=[wet],
        tell=told.append,
        **given,
    )
    assert told[0].startswith("searched: ")
    assert told[0].endswith("outside of the usual and left: backbones.tabular.dropout=0.5")


def test_a_range_of_what_is_no_setting_is_told(tmp_path: Path) -> None:
    """It is its plugin's mistake, and the search goes on without it."""
    mine = tmp_path / "mine.py"
    mine.write_text(MINE.replace('"dim": Search', '"dimm": Search'))
    settings = {**QUICK, "fusion": "mine:m"}
    with pytest.warns(MMWarning, match=r"mine:m names 'dimm' .* mm plugins check mine"):
        found = search(trials=1, hyperparameters=settings, plugins=[KIT, mine])
    assert "fusion.dimm" not in found.trials


@pytest.mark.parametrize(
    ("key", "space"),
    [
        ("training.epochs", Search(4, 9)),
        ("training.layer_decay", Search(0.5, 2)),
        ("training.schedule", Search(choices=("cosine", "moon"))),
    ],
)
def test_what_cannot_be_set_is_told_before_any_trial(key: str, space: Search) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{key}={space}: {key} = ")):
        search(hyperparameters={**QUICK, key: space})


def test_what_is_no_search_is_refused() -> None:
    """And what is one is written so that it is read again, to the last digit."""
    for wrong in (
        {"low": "1e-5", "high": "1e-3"},
        {"low": True, "high": 5},
        {"low": 2, "high": 1},
        {"choices": "abc"},
        {"choices": 5},
        {"choices": (1, 1)},
        {"choices": (float("nan"), 1)},
        {"choices": (1, 2), "log": True},
    ):
        with pytest.raises(ConfigError, match="no such search"):
            Search(**wrong)  # type: ignore[arg-type]
    for one in (
        Search(1, 1_048_576, whole=True),
        Search(0.12345678, 0.2),
        Search(1e-5, 1e-3, log=True),
        Search(choices=["a, b", 1, None, "c"]),
    ):
        assert read_search(str(one), "x") == one
        assert hash(one) == hash(read_search(str(one), "x"))
    assert read_search("choice(adam, 16)", "x").choices == ("adam", 16)


def test_what_is_advised_where_nothing_is_usually_searched_can_be_typed(tmp_path: Path) -> None:
    """As it stands, in a shell."""
    pytest.importorskip("mm_trees")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    rows.assign(y=rows.a + rows.b).to_csv(tmp_path / "rows.csv", index=False)
    given = ["tune", str(tmp_path / "rows.csv"), "--label", "y", "--trials", "2"]
    fixed = ["trees:lightgbm", "learning_rate=0.1", "leaves=4", "min_rows=5", "feature_share=1.0"]
    given += [f"--set=fit{'=' if ':' in one else '.'}{one}" for one in [*fixed, "rounds=4"]]
    told = CliRunner().invoke(app, given)
    assert "nothing is usually searched of" in told.output
    assert "trees:lightgbm" in told.output
    advised = told.output[told.output.index("--space") :]
    tried = CliRunner().invoke(app, [*given, *shlex.split(advised)])
    assert tried.exit_code == 0, tried.output
    assert "fit.rounds = " in tried.stdout


def test_the_command(tmp_path: Path) -> None:
    """Answers as text, that says what to type next, and as JSON."""
    table().to_csv(tmp_path / "rows.csv", index=False)
    given = ["--plugin", str(KIT), "tune", str(tmp_path / "rows.csv"), "--label", "kind"]
    given += [f"--set={key}={value}" for key, value in QUICK.items()]
    given += ["--space", "training.head_learning_rate=log(1e-4, 1e-2)", "--trials", "2", "-q"]
    given += ["--plugin", str(KIT), "--out", str(tmp_path / "tuned")]
    told = CliRunner().invoke(app, given)
    assert told.exit_code == 0, told.output
    assert f"--recipe {tmp_path / 'tuned' / 'recipe.json'}" in told.stdout
    asked = CliRunner().invoke(app, [*given, "--json"])
    said = json.loads(asked.stdout)
    assert (said["resumed"], len(said["trials"])) == (2, 2)
    assert CliRunner().invoke(app, [*given[:5], "--space", "x"]).exit_code == 2


def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mm_trees")
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, {})
    assert capsys.readouterr().out == "rmse ['fit.depth'] ['done', 'done', 'done']\n"


def test_epochs_of_a_training_that_begins_again_are_told_once() -> None:
    """The search has those of the first; one that was given up is not trained on."""
    trial = optuna.create_study().ask()

    def worse(epoch: int, score: float) -> bool:
        trial.report(score, epoch)
        return trial.should_prune()

    pruning = Pruning(worse, "loss")
    trainer = SimpleNamespace(current_epoch=0, callback_metrics={}, should_stop=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of what is told twice
        for epoch, score in [(0, 0.9), (1, 0.8), (0, 0.3), (1, 0.2), (2, 0.1)]:
            trainer.current_epoch, trainer.callback_metrics = epoch, {"loss": score}
            pruning.on_train_epoch_end(trainer, None)
    told = trial.study.get_trials(deepcopy=False)[0].intermediate_values
    assert told == {0: 0.9, 1: 0.8, 2: 0.1}
    assert not trainer.should_stop
    pruning.pruned = True
    pruning.on_train_epoch_end(trainer, None)
    assert trainer.should_stop
