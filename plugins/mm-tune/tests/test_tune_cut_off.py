"""Whatever ends a search, the next call goes on with what was written down."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightning import Callback
from mm_tune import objective
from mm_tune.api import Search, tune

from mm_core.api import ConfigError, MMWarning
from mm_core.api.tools import MultiModalPredictor

pytest.importorskip("mm_trees")
pytest.importorskip("lightgbm")

RATE = "fit.learning_rate"
TREES = {"fit": "trees:lightgbm", "fit.rounds": 2, RATE: Search(0.01, 0.5, log=True)}
SHARE = "fit.feature_share"
DRAWN = {"fit": "trees:lightgbm", "fit.rounds": 2, SHARE: Search(0.5, 1)}
"""The settings as they are have a share, which could be drawn; they have no rate."""
PARAM, ATTRIBUTE = 5, 8  # of Optuna's lines


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    return found.assign(y=found.a + found.b)


def search(folder: Path | None, trials: int = 3, **more: Any) -> Any:
    return tune(rows(), "y", **{"hyperparameters": TREES, **more}, folder=folder, trials=trials)


def written(folder: Path) -> list[str]:
    return (folder / "trials.log").read_text().splitlines(keepends=True)


def cut(lines: list[str], folder: Path) -> Path:
    folder.mkdir()
    (folder / "trials.log").write_text("".join(lines))
    return folder


def ended(lines: list[str]) -> dict[int, float]:
    """Trial -> its score, by what the lines say."""
    said = [json.loads(line) for line in lines]
    marks = [one for one in said if one["op_code"] == ATTRIBUTE and "ended" in one["user_attr"]]
    return {one["trial_id"]: one["user_attr"]["ended"]["score"] for one in marks}


def drawn(lines: list[str]) -> list[int]:
    """After which lines a trial has its setting, and is under way."""
    said = [json.loads(line) for line in lines]
    return [place + 1 for place, one in enumerate(said) if one["op_code"] == PARAM]


def begun(lines: list[str]) -> list[int]:
    """After which lines the fit of a trial has begun."""
    said = [json.loads(line) for line in lines]
    marks = [one["op_code"] == ATTRIBUTE and "begun" in one["user_attr"] for one in said]
    return [place + 1 for place, here in enumerate(marks) if here]


def cut_off_once(place: Path, settings: Any) -> list[str]:
    """Of a search of three trials, of which one was cut off and tried again."""
    search(place / "once", hyperparameters=settings)
    lines = written(place / "once")
    again = cut(lines[: drawn(lines)[1]], place / "again")
    search(again, hyperparameters=settings)
    return written(again)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return cut_off_once(tmp_path_factory.mktemp("whole"), TREES)


@pytest.mark.parametrize(("settings", "rate"), [(TREES, RATE), (DRAWN, SHARE)])
def test_cut_off_after_any_line_no_trial_is_lost_or_there_twice(
    settings: Any, rate: str, tmp_path: Path
) -> None:
    """As a process is killed between two of them."""
    whole = cut_off_once(tmp_path, settings)
    for length in range(len(whole)):
        lines = whole[:length]
        folder = cut(lines, tmp_path / str(length))
        trials = search(folder, hyperparameters=settings).trials
        assert len(trials) == 3, length
        assert trials[rate].is_unique, length
        scores = dict(zip(trials.trial, trials.score, strict=True))
        assert ended(lines).items() <= scores.items(), length
        values = [json.loads(lines[place - 1])["param_value_internal"] for place in drawn(lines)]
        known = trials[rate].dropna().to_numpy()
        assert all(np.isclose(one, known).any() for one in values), length
        assert set(trials.state) <= {"done", "failed"}, length


def test_a_trial_that_ends_its_process_twice_has_failed(whole: list[str], tmp_path: Path) -> None:
    """Once it is tried again, the settings as they are too; the others go on."""
    for number in (0, 1):
        folder = cut(whole[: begun(whole)[number]], tmp_path / str(number))
        search(folder)
        lines = written(folder)
        there = len(begun(whole[: begun(whole)[number]]))
        again = cut(lines[: begun(lines)[there]], tmp_path / f"{number} again")
        told: list[str] = []
        trials = search(again, tell=told.append).trials
        assert list(trials.state).count("failed") == 1
        failed = trials[trials.state == "failed"].iloc[0]
        assert "ended twice" in failed.why
        assert any("failed" in line and "ended twice" in line for line in told)
        assert len(trials) == 3
        assert trials[RATE].is_unique
        assert set(search(again).trials.trial) == set(trials.trial)


def test_a_half_written_line_is_cut_off(whole: list[str], tmp_path: Path) -> None:
    """With a word; what cannot be read before the end is refused, and stays as it is."""
    folder = cut([*whole, whole[-1][:20]], tmp_path / "half")
    with pytest.warns(MMWarning, match="half-written") as told:
        found = search(folder)
    assert sum("half-written" in str(one.message) for one in told) == 1
    assert found.resumed == 3
    assert written(folder)[: len(whole)] == whole
    assert all(json.loads(line) for line in written(folder))
    folder = cut([*whole[:5], "\0\0\n", *whole[5:]], tmp_path / "within")
    with pytest.raises(ConfigError, match=f"line 6 of {len(whole) + 1}"):
        search(folder)
    assert len(written(folder)) == len(whole) + 1


def test_what_the_end_of_the_time_cut_short_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its score is not that of its settings; where no other has one, it is the best for now."""
    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(objective, "CUT", 0.0)  # as if all of the time had been needed
        first = search(tmp_path, 2, time=600, tell=told.append)
    assert list(first.trials.state) == ["cut", "cut"]
    assert "cut short: the time is over" in told[0]
    assert first.score == first.trials.score.min()
    assert (tmp_path / "recipe.json").is_file()
    again = search(tmp_path, 3, tell=told.append)
    assert again.resumed == 0
    assert list(again.trials.state) == ["done"] * 3
    assert list(again.trials[RATE].head(2).dropna()) == list(first.trials[RATE].dropna())
    assert search(tmp_path, 3).resumed == 3


def test_rows_in_another_order_are_other_rows(tmp_path: Path) -> None:
    """Others would be held out of them; and doubled rows do not hide what changed."""
    there = pd.concat([rows(), rows()], ignore_index=True)
    settings = {"hyperparameters": TREES, "folder": tmp_path, "trials": 1}
    tune(there, "y", **settings)
    for other in (there.iloc[::-1].reset_index(drop=True), there.assign(a=0.0)):
        with pytest.raises(ConfigError, match="other rows"):
            tune(other, "y", **settings)
    assert tune(there, "y", **settings).resumed == 1


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """What would wait for ever raises."""

    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_lock_that_points_nowhere_is_none(
    whole: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a killed process leaves it, of a folder given as a relative path."""
    monkeypatch.chdir(tmp_path)
    folder = cut(whole, Path("tuned"))
    (folder / "trials.log.lock").symlink_to("tuned/trials.log")
    with at_most(60):
        assert search(folder, trials=4).resumed == 3


def test_a_lock_that_a_killed_process_held_is_taken(whole: list[str], tmp_path: Path) -> None:
    """At once, wherever the folder lies now: nobody else is in it."""
    folder = cut(whole, tmp_path / "tuned")
    (folder / "trials.log.lock").touch()
    with at_most(20):
        assert search(folder, trials=4).resumed == 3


def test_a_folder_serves_one_search_at_a_time(tmp_path: Path) -> None:
    """The second one is refused, and the first goes on."""
    refused: list[str] = []

    def another(_: str) -> None:
        with pytest.raises(ConfigError, match="another search is at work") as caught:
            search(tmp_path)
        refused.append(str(caught.value))

    assert list(search(tmp_path, tell=another).trials.state) == ["done"] * 3
    assert len(refused) == 3
    assert search(tmp_path, trials=4).resumed == 3


def breaking(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fit with settings of its own raises it."""
    fit = MultiModalPredictor.fit
    begun: list[int] = []

    def broken(*given: Any, **more: Any) -> Any:
        begun.append(1)
        if len(begun) == 2:
            raise error
        return fit(*given, **more)

    monkeypatch.setattr(MultiModalPredictor, "fit", broken)


def test_an_error_of_a_library_is_that_of_one_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(ZeroDivisionError("no leaf\n"), monkeypatch)
    told: list[str] = []
    found = search(tmp_path, tell=told.append)
    assert list(found.trials.state) == ["done", "failed", "done"]
    assert "(ZeroDivisionError: no leaf)" in told[1]
    assert pd.read_csv(tmp_path / "trials.csv").why[1] == "ZeroDivisionError: no leaf"


def test_a_trial_that_is_stopped_by_hand_is_tried_again_as_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(tmp_path, trials=1)
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(MultiModalPredictor, "fit", _stopped)
            with pytest.raises(KeyboardInterrupt):
                search(tmp_path)
    trials = search(tmp_path).trials
    assert list(trials.state) == ["done"] * 3
    lines = written(tmp_path)
    stopped = json.loads(lines[drawn(lines)[0] - 1])
    assert trials[RATE][1] == stopped["param_value_internal"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """It is heard, also where the tests are a job that a shell made deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_the_first_ctrl_c_ends_it(tmp_path: Path) -> None:
    """A network that is stopped by it keeps what it learned, and is no trial that is done."""

    class Stopping(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    fit = MultiModalPredictor.fit

    def stopped(predictor: Any, *given: Any, **more: Any) -> Any:
        return fit(predictor, *given, **{**more, "callbacks": Stopping()})

    settings = {"fit": "core:finetune", "training.epochs": 5}
    space = {"training.head_learning_rate": Search(1e-4, 1e-2, log=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MultiModalPredictor, "fit", stopped)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, hyperparameters=settings | space)
    assert search(tmp_path, 1, hyperparameters=settings | space).resumed == 0


def _stopped(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
