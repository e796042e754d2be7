"""A fit whose process is killed goes on where it was, to the bit."""

from __future__ import annotations

import errno
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import (
    ArtifactError,
    ConfigError,
    DataError,
    LabelError,
    MetricError,
    MMWarning,
    Table,
    TrainingError,
)
from mm_core.artifact.unfinished import Unfinished
from tests.killed import KillAfter
from tests.killed import killed as _killed

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the forked process: sums of several threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SETTINGS = {
    "training.epochs": 3,
    "training.batch_size": 8,
    "training.accumulate": 2,
    "training.val_every": 0.5,
    "training.head_learning_rate": 0.01,
    "training.save_every": 0.0,
}
"""8 batches and 4 steps an epoch; the state is written after each step."""


def _predictor(path=None, label="kind", problem_type=None, **settings):
    own = SETTINGS | settings
    return MultiModalPredictor(label, problem_type, hyperparameters=own, path=path, verbosity=0)


def _kill_at(batches: int, path: Path, frame, **settings) -> None:
    _killed(lambda: _predictor(path, **settings).fit(frame, callbacks=[KillAfter(batches)]))


def _check_same(resumed, whole, frame):
    answers = [one.predict_proba(frame).to_numpy() for one in (resumed, whole)]
    np.testing.assert_array_equal(*answers)
    first, second = (one.history.drop(columns="seconds") for one in (resumed, whole))
    assert first.equals(second)
    results = [one._fitted.result for one in (resumed, whole)]
    assert results[0].best_score == results[1].best_score
    assert results[0].stopped == results[1].stopped


@pytest.mark.parametrize("average", ["best", "greedy_soup", "ema"])
def test_it_ends_as_if_it_had_not_been_killed(small_table, tmp_path, average):
    settings = {
        "training.average": average,
        "training.ema_decay": 0.7,
        "training.patience": 2,
        "training.epochs": 30,
        "training.head_learning_rate": 0.05,
        "data.validation_metric": "core:log_loss",  # no two validations are equally good
    }
    whole = _predictor(tmp_path / "whole", **settings).fit(small_table)
    assert "no better" in whole._fitted.result.stopped
    last = round(whole.history["epoch"].iloc[-1] * 8)
    somewhere = np.random.default_rng(len(average)).integers(4, last - 2)
    for batches in (int(somewhere), last - 2):  # the best validation lies before that one
        path = tmp_path / f"killed_{batches}"
        _kill_at(batches, path, small_table, **settings)
        assert {one.name for one in path.iterdir()} == {"unfinished"}
        again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(small_table)
        _check_same(again, whole, small_table)
        names = [{one.name for one in (tmp_path / w).iterdir()} for w in (path.name, "whole")]
        assert names[0] == names[1]
        assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]
        _check_same_answers(MultiModalPredictor.load(path), whole, small_table)


def _check_same_answers(one, other, frame):
    answers = [predictor.predict_proba(frame).to_numpy() for predictor in (one, other)]
    np.testing.assert_array_equal(*answers)


def test_killed_twice(small_table, tmp_path):
    whole = _predictor().fit(small_table)
    path = tmp_path / "killed"
    _kill_at(11, path, small_table)
    _killed(
        lambda: MultiModalPredictor.load(path, resume=True, verbosity=0).fit(
            small_table, callbacks=[KillAfter(7)]
        )
    )
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(small_table)
    _check_same(again, whole, small_table)


def test_killed_before_anything_was_written(small_table, tmp_path):
    whole = _predictor().fit(small_table)
    path = tmp_path / "killed"
    _kill_at(1, path, small_table)
    assert {one.name for one in (path / "unfinished").iterdir()} == {"fit.json"}
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(small_table)
    _check_same(again, whole, small_table)


def test_rare_writing_costs_work_and_nothing_else(small_table, tmp_path):
    whole = _predictor().fit(small_table)
    path = tmp_path / "killed"
    _kill_at(20, path, small_table, **{"training.save_every": 3600.0})
    assert not (path / "unfinished" / "state.ckpt").exists()
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(small_table)
    _check_same_answers(again, whole, small_table)


class _EndAt(pl.Callback):
    """Tells the process to end in the middle of a batch, as batch systems do."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_after_backward(self, trainer, module):
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)


def _ended(fit: Callable[[], object]) -> int:
    """Exit status of a process in which this is run."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        torch.set_num_threads(1)
        try:
            fit()
        except SystemExit as exit:
            os._exit(exit.code)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("batch", [10, 11])  # in the middle of a step, and at its end
def test_a_process_that_is_told_to_end_writes_what_it_has(small_table, tmp_path, batch):
    settings = {"training.save_every": 3600.0}
    whole = _predictor().fit(small_table)
    path = tmp_path / "model"
    ended = _ended(lambda: _predictor(path, **settings).fit(small_table, callbacks=[_EndAt(batch)]))
    assert ended == 128 + signal.SIGTERM
    assert (path / "unfinished" / "state.ckpt").is_file()
    seen = _Seen()
    again = MultiModalPredictor.load(path, resume=True, verbosity=0)
    again.fit(small_table, callbacks=[seen])
    assert seen.batches == 24 - 12
    _check_same_answers(again, whole, small_table)


def test_told_to_end_after_the_last_step_it_saves_and_ends(small_table, tmp_path):
    whole = _predictor().fit(small_table)
    path = tmp_path / "model"
    ended = _ended(lambda: _predictor(path).fit(small_table, callbacks=[_EndAt(23)]))
    assert ended == 128 + signal.SIGTERM
    assert not (path / "unfinished").exists()
    _check_same_answers(MultiModalPredictor.load(path, verbosity=0), whole, small_table)


def test_told_to_end_without_a_folder_it_ends(small_table):
    ended = _ended(lambda: _predictor().fit(small_table, callbacks=[_EndAt(3)]))
    assert ended == 128 + signal.SIGTERM


class _Seen(pl.Callback):
    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.batches += 1


def test_no_room_for_the_state_does_not_end_the_fit(small_table, tmp_path, monkeypatch):
    def full(trainer, file, *arguments, **named):
        Path(file).write_bytes(b"torn")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    whole = _predictor().fit(small_table)
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", full)
    path = tmp_path / "model"
    with pytest.warns(MMWarning, match="No space left") as told:
        again = _predictor(path).fit(small_table)
    assert len([one for one in told if "No space" in str(one.message)]) == 1
    _check_same_answers(again, whole, small_table)
    assert not (path / "unfinished").exists()


class _Notes(pl.Callback):
    """Keeps a state that can only be read by executing what a file says."""

    def __init__(self) -> None:
        self.loaded: object = None

    def state_dict(self):
        return {"folder": Path("somewhere")}

    def load_state_dict(self, state_dict):
        self.loaded = state_dict


def test_a_callback_whose_state_cannot_be_read_back_is_told(small_table, tmp_path):
    whole = _predictor().fit(small_table)
    path = tmp_path / "model"
    with pytest.warns(MMWarning, match="_Notes"):
        _predictor(tmp_path / "other").fit(small_table, callbacks=[_Notes()])
    _killed(
        lambda: _predictor(path).fit(small_table, callbacks=[_Notes(), KillAfter(11)]),
    )
    notes = _Notes()
    again = MultiModalPredictor.load(path, resume=True, verbosity=0)
    again.fit(small_table, callbacks=[notes])
    assert notes.loaded is None
    _check_same(again, whole, small_table)


def test_text_pictures_and_a_table(table_maker, random_weights, tmp_path):
    frame = table_maker(60, tmp_path / "rows", seed=8)
    settings = random_weights | {"training.epochs": 2, "training.batch_size": 12}
    whole = _predictor(label="liked", **settings).fit(frame)
    path = tmp_path / "killed"
    _kill_at(6, path, frame, label="liked", **settings)
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(frame)
    _check_same(again, whole, frame)


def test_workers_and_mixing_go_on_alike(table_maker, tmp_path):
    frame = table_maker(40, tmp_path / "rows", seed=9)[["picture", "liked"]]
    settings = {
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
        "training.epochs": 2,
        "training.mixup": 0.5,
        "training.workers": 1,
    }
    whole = _predictor(label="liked", **settings).fit(frame)
    path = tmp_path / "killed"
    _kill_at(6, path, frame, label="liked", **settings)
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(frame)
    _check_same(again, whole, frame)


def test_a_model_stays_loadable_until_the_new_one_is_saved(small_table, tmp_path):
    path = tmp_path / "model"
    old = _predictor(path).fit(small_table)
    other = small_table.assign(height=small_table["height"] * 2 + 1)
    whole = _predictor(**{"training.seed": 3}).fit(other)
    _kill_at(13, path, other, **{"training.seed": 3})
    _check_same_answers(MultiModalPredictor.load(path), old, small_table)
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(other)
    _check_same(again, whole, other)
    _check_same_answers(MultiModalPredictor.load(path), whole, other)


def test_further_training_is_taken_up_too(small_table, tmp_path):
    path = tmp_path / "model"
    more = small_table.assign(height=small_table["height"] * 3, place="east")
    _predictor(path).fit(small_table)
    whole = MultiModalPredictor.load(path, verbosity=0).fit(more)
    further = MultiModalPredictor.load(path, verbosity=0)
    further.path = path
    _killed(lambda: further.fit(more, callbacks=[KillAfter(9)]))
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(more)
    _check_same(again, whole, more)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """(path, rows) of a fit that was killed."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"height": rng.normal(size=80), "weight": rng.normal(size=80)})
    frame["kind"] = np.where(frame["height"] > 0, "a", "b")
    path = tmp_path_factory.mktemp("killed") / "model"
    _kill_at(9, path, frame)
    return path, frame


def test_other_rows_are_refused(killed):
    path, frame = killed
    for other in (frame.iloc[::-1], frame.iloc[:-1], frame.assign(weight=frame["weight"] + 1e-9)):
        with pytest.raises(DataError, match="training rows") as caught:
            MultiModalPredictor.load(path, resume=True, verbosity=0).fit(other)
        assert "same rows" in caught.value.remedy
    with pytest.raises(DataError, match="tuning rows"):
        MultiModalPredictor.load(path, resume=True, verbosity=0).fit(frame, tuning_data=frame)


def test_other_settings_are_refused(killed):
    path, frame = killed
    predictor = MultiModalPredictor.load(path, resume=True, verbosity=0)
    for arguments in (
        {"hyperparameters": {"training.epochs": 9}},
        {"seed": 4},
        {"recipe": _predictor().plan(frame)},
    ):
        with pytest.raises(ConfigError, match="recipe"):
            predictor.fit(frame, **arguments)


def test_what_is_not_there_cannot_be_resumed(killed, small_table, tmp_path):
    path, _ = killed
    with pytest.raises(ArtifactError, match="cut off") as caught:
        MultiModalPredictor.load(path)
    assert "resume=True" in caught.value.remedy
    finished = tmp_path / "finished"
    _predictor(finished, **{"training.epochs": 1}).fit(small_table)
    (tmp_path / "empty").mkdir()
    for folder in (finished, tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(ArtifactError, match="no fit that was cut off") as caught:
            MultiModalPredictor.load(folder, resume=True)
        assert "resume" in caught.value.remedy
    with pytest.raises(ArtifactError, match="no saved model") as caught:
        MultiModalPredictor.load(tmp_path / "empty")
    assert "resume" not in caught.value.remedy


class _Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["pickle", "torch", "torn"])
def test_a_state_that_was_altered_executes_nothing(small_table, tmp_path, kind):
    path, sprung = tmp_path / "model", tmp_path / "sprung"
    _kill_at(9, path, small_table)
    state = path / "unfinished" / "state.ckpt"
    if kind == "pickle":
        state.write_bytes(pickle.dumps(_Trap(sprung)))
    elif kind == "torch":
        torch.save({"state_dict": {}, "random": _Trap(sprung)}, state)
    else:
        state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match=r"state\.ckpt") as caught:
        MultiModalPredictor.load(path, resume=True, verbosity=0).fit(small_table)
    assert not sprung.exists()
    assert "fit" in caught.value.remedy


def test_the_log_goes_on(small_table, tmp_path):
    _predictor(tmp_path / "whole").fit(small_table)
    _kill_at(13, tmp_path / "killed", small_table)
    MultiModalPredictor.load(tmp_path / "killed", resume=True, verbosity=0).fit(small_table)
    whole, resumed = (pd.read_csv(tmp_path / name / "metrics.csv") for name in ("whole", "killed"))
    scores = [log["roc_auc"].dropna().tolist() for log in (whole, resumed)]
    assert scores[0] == scores[1]
    assert len(scores[0]) == 6
    steps = [log["step"][log["loss"].notna()].tolist() for log in (whole, resumed)]
    assert steps[0] == steps[1]


def _hits(truth, answer):
    """A metric that no plugin has: finer than a share of right answers, and above 0."""
    return float(np.mean(truth == answer)) + 1.0


def test_a_metric_of_the_user_is_given_again(small_table, tmp_path):
    settings = {"hyperparameters": SETTINGS, "verbosity": 0, "eval_metric": _hits}
    whole = MultiModalPredictor("kind", **settings).fit(small_table)
    path = tmp_path / "killed"
    killed = MultiModalPredictor("kind", path=path, **settings)
    _killed(lambda: killed.fit(small_table, callbacks=[KillAfter(13)]))
    with pytest.raises(MetricError, match="not at hand") as caught:
        MultiModalPredictor.load(path, resume=True, verbosity=0).fit(small_table)
    assert "MultiModalPredictor.load(" in caught.value.remedy
    for wrong in ("roc_auc", lambda truth, answer: 0.0):
        with pytest.raises(ConfigError, match="custom:_hits, not") as refused:
            MultiModalPredictor.load(path, resume=True, eval_metric=wrong)
        assert "leave eval_metric out" in refused.value.remedy
    again = MultiModalPredictor.load(path, resume=True, verbosity=0, eval_metric=_hits)
    _check_same(again.fit(small_table), whole, small_table)


def test_an_installed_metric_may_be_named_again(killed):
    path, _ = killed
    for name in ("roc_auc", "core:roc_auc"):
        MultiModalPredictor.load(path, resume=True, eval_metric=name, validation_metric=name)
    with pytest.raises(ConfigError, match="validation_metric of the recipe is core:roc_auc"):
        MultiModalPredictor.load(path, resume=True, validation_metric="f1")


def test_rows_with_sets_and_pictures_are_known_again(tmp_path):
    pixels = np.zeros((60, 60, 3), dtype=np.uint8)
    rows = {"picture": [pixels] * 4, "tags": [{0, 8}] * 4}
    others = {"picture": [pixels] * 4, "tags": [{8, 0}] * 4}  # listed in another order
    frame, same = (Table(pd.DataFrame(one), tmp_path) for one in (rows, others))
    recipe = _predictor().plan(pd.DataFrame({"height": [0.0, 1.0] * 5, "kind": ["a", "b"] * 5}))
    Unfinished.begin(tmp_path, recipe, frame, frame, None)
    Unfinished.read(tmp_path).check_rows(same, same)
    pixels = pixels.copy()
    pixels[30, 30] = 1
    other = Table(frame.frame.assign(picture=[*rows["picture"][:3], pixels]), tmp_path)
    with pytest.raises(DataError, match="training rows"):
        Unfinished.read(tmp_path).check_rows(other, frame)


def test_a_fit_that_fails_before_its_first_step_leaves_nothing_to_go_on_with(small_table, tmp_path):
    constant = small_table.assign(kind="one")
    _predictor(tmp_path / "kept").fit(small_table)
    for path in (tmp_path / "new", tmp_path / "kept"):
        with pytest.raises(LabelError):
            _predictor(path, problem_type="multiclass").fit(constant)
        assert not (path / "unfinished").exists()
    assert not (tmp_path / "new").exists()
    MultiModalPredictor.load(tmp_path / "kept").predict(small_table)


def test_what_a_failed_fit_had_written_stays(small_table, tmp_path):
    class Broken(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 2:
                raise TrainingError("no more")

    with pytest.raises(TrainingError, match="no more"):
        _predictor(tmp_path / "model").fit(small_table, callbacks=[Broken()])
    assert (tmp_path / "model" / "unfinished" / "state.ckpt").is_file()
