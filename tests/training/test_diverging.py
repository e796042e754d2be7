"""A training that comes to nothing begins again, once, at lower rates; others do not."""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
import weakref
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import TrainingError
from mm_core.api.tools import result_of
from mm_core.processes import ENDED_BY_SIGTERM
from mm_core.training.loop.diverging import hopeless
from tests.killed import KillAfter, killed

AGAIN = "begins again, once, at a third"
BASE = {
    "fit": "core:finetune",
    "training.batch_size": 8,
    "training.epochs": 8,
    "training.schedule": "constant",
    "training.warmup": 0.0,
    "training.average": "best",
    "backbones.tabular.numbers": "scalar",
    "backbones.tabular.width": 16,
}


def rows(n: int = 64) -> pd.DataFrame:
    """A label that hangs on a number, and one that hangs on nothing."""
    x = np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"x": x, "kind": np.where(x > 0, "yes", "no"), "size": 3 * x})


def fit(
    label: str,
    *callbacks: pl.Callback,
    frame: pd.DataFrame | None = None,
    path: Path | None = None,
    **settings: object,
) -> MultiModalPredictor:
    """Settings with dots are the recipe's."""
    given = rows() if frame is None else frame
    other = {"kind": "size", "size": "kind"}[label]
    predictor = MultiModalPredictor(label, hyperparameters=BASE | settings, path=path, verbosity=0)
    return predictor.fit(given.drop(columns=other), callbacks=callbacks)


class Counts(pl.Callback):
    """A user's callback, which begins again too."""

    seen = 0

    def on_train_batch_end(self, *_: object) -> None:
        self.seen += 1

    def state_dict(self) -> dict[str, int]:
        return {"seen": self.seen}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.seen = state_dict["seen"]


class Wild(Counts):
    """The training is unstable above a rate: ``what`` happens to the network in each step."""

    held = 0
    """Numbers of the first training's optimiser that are there in the second."""

    def __init__(self, what: float, above: float) -> None:
        self.what, self.above = what, above
        self._first: Any = None

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if optimizer.param_groups[-1]["lr"] <= self.above:
            first = self._first and self._first()
            self.held += 0 if first is None else len(first.state)
        else:
            self._first = weakref.ref(optimizer)
            for parameter in module.topology.parameters():
                parameter.data.mul_(self.what)
                parameter.grad.mul_(self.what)


class Late(Counts):
    """Knows what its state is once a training has begun."""

    def on_train_start(self, *_: object) -> None:
        self.begun = True

    def state_dict(self) -> dict[str, int]:
        return {"seen": self.seen, "begun": self.begun}


def warned(text: str, call: object) -> list[str]:
    """Messages with this text."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()  # type: ignore[operator]
    return [str(one.message) for one in found if text in str(one.message)]


@pytest.mark.parametrize(("label", "what"), [("kind", 0.0), ("size", float("nan"))])
def test_a_wild_training_begins_again_from_the_same_weights(
    label: str, what: float, caplog: pytest.LogCaptureFixture
) -> None:
    """And is then the one that was asked for at a third of the rate, to the bit."""
    callback, late = Wild(what, above=0.02), Late()
    caplog.set_level(logging.INFO, logger="mm_core.progress")
    models = []
    told = warned(
        AGAIN,
        lambda: models.append(fit(label, callback, late, **{"training.head_learning_rate": 0.03})),
    )
    (model,) = models
    assert len(told) == 1
    assert "training.head_learning_rate=0.01" in told[0]
    assert any(AGAIN in record.getMessage() for record in caplog.records)
    history = model.history
    assert history.attempt.tolist() == sorted(history.attempt)
    assert set(history.attempt) <= {1.0, 2.0}
    second = history[history.attempt == 2].reset_index(drop=True)
    assert "at a third of the learning rates" in result_of(model).stopped
    assert model.recipe.training.head_learning_rate == 0.03  # the recipe is what was asked for
    assert callback.seen == late.seen == second.step.iloc[-1]  # they began again too
    assert callback.held == 0
    asked = {"training.head_learning_rate": 0.01}
    assert not warned("third of", lambda: models.append(fit(label, **asked)))  # it learns
    slow = models[-1]
    assert second.loss.tolist() == slow.history.loss.tolist()
    assert model.history.iloc[-1, -1] == pytest.approx(slow.history.iloc[-1, -1])


@pytest.mark.parametrize(
    ("rate", "second"), [(10.0, True), pytest.param(100.0, False, marks=pytest.mark.slow)]
)
def test_a_real_fit_at_an_absurd_rate_begins_again(rate: float, second: bool) -> None:
    """A third of it is a rate that learns, or is absurd too, which is told."""
    models = []
    absurd = {"training.head_learning_rate": rate, "training.weight_decay": 0.0}
    told = warned("third of", lambda: models.append(fit("size", **absurd)))
    assert [AGAIN in one for one in told] == [True] if second else [True, False]
    history = models[0].history
    best = history.groupby("attempt").rmse.min()
    assert list(best.index) == [1.0, 2.0]
    assert (best[2.0] < 0.9 * history.rmse[history.attempt == 1].min()) or not second


def test_a_loss_that_is_not_finite_the_second_time_is_an_error() -> None:
    absurd = {"training.head_learning_rate": 1e30, "training.clip_norm": None}
    with pytest.raises(TrainingError, match=r"not finite|the loss"):
        assert len(warned(AGAIN, lambda: fit("size", **absurd))) == 1


def test_a_fit_without_a_remedy_is_left_alone() -> None:
    """One that only knows its training rows, and one that has had no time to learn."""
    noise = rows()
    noise["kind"] = np.random.default_rng(1).permutation(noise["kind"].to_numpy())
    by_heart = {"data.validation_metric": "log_loss", "training.epochs": 30}
    short = {"training.epochs": 2, "training.head_learning_rate": 1e-9}
    for call in (
        lambda: fit("kind", frame=noise, **by_heart, **{"training.head_learning_rate": 0.02}),
        lambda: fit("kind", **short, **{"data.validation_metric": "log_loss"}),
    ):
        assert not warned("third of", call)


# ---- cut off -----------------------------------------------------------------------------------


class Ended(Wild):
    """The process is told to end where the first training comes to nothing."""

    told = False

    def on_before_backward(self, trainer: pl.Trainer, module: Any, loss: torch.Tensor) -> None:
        self._tell(not torch.isfinite(loss))

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: object) -> None:
        super().on_train_batch_end(trainer, *arguments)
        self._tell(trainer.should_stop)

    def _tell(self, now: object) -> None:
        if now and not self.told:
            self.told = True
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def one_thread() -> Any:
    """As in a forked process: sums of several threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def resumed(path: Path, whole: MultiModalPredictor, label: str) -> None:
    """Taken up, it comes to what it would have come to."""
    frame = rows().drop(columns={"kind": "size", "size": "kind"}[label])
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(frame)
    histories = [one.history.drop(columns="seconds") for one in (again, whole)]
    assert histories[0].equals(histories[1])
    assert again.history.attempt.iloc[-1] == 2
    assert result_of(again).stopped == result_of(whole).stopped
    assert again.predict(frame).equals(whole.predict(frame))
    logs = [result_of(one).log.splitlines() for one in (again, whole)]
    assert logs[0] == logs[1]


@pytest.mark.filterwarnings("ignore::mm_core.api.MMWarning")
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU does not survive the fork")
def test_killed_in_its_second_training_a_fit_knows_of_the_first(
    tmp_path: Path, one_thread: None
) -> None:
    """It goes on in the second, at its rates."""
    settings = {
        "training.head_learning_rate": 10.0,
        "training.weight_decay": 0.0,
        "training.save_every": 0.0,
    }
    whole = fit("size", **settings)
    first = int(whole.history.step[whole.history.attempt == 1].iloc[-1])
    path = tmp_path / "killed"
    killed(lambda: fit("size", KillAfter(first + 5), path=path, **settings))
    resumed(path, whole, "size")


@pytest.mark.filterwarnings("ignore::mm_core.api.MMWarning")
@pytest.mark.parametrize(
    ("label", "what"),
    [pytest.param("kind", 0.0, marks=pytest.mark.slow), ("size", float("nan"))],
    ids=["no better", "not finite"],
)
def test_told_to_end_where_a_training_comes_to_nothing_it_does_not_begin_again(
    label: str, what: float, tmp_path: Path
) -> None:
    """The process ends, and the fit that is resumed begins again."""
    settings = {"training.head_learning_rate": 0.03}
    whole = fit(label, Wild(what, above=0.02), **settings)
    last, path = Ended(what, above=0.02), tmp_path / "ended"
    with pytest.raises(SystemExit) as ended:
        fit(label, last, path=path, **settings)
    assert ended.value.code == ENDED_BY_SIGTERM
    assert last.told
    resumed(path, whole, label)


def test_out_of_time_in_the_validation_that_comes_to_nothing_it_does_not_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock goes on by a day there."""
    clock, found, real = [0.0], [], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + clock[0])

    def looked(*arguments: Any) -> bool:
        found.append(hopeless(*arguments))
        clock[0] = 86_400.0
        return found[-1]

    monkeypatch.setattr("mm_core.training.loop.validation.hopeless", looked)
    settings = BASE | {"training.head_learning_rate": 0.03}
    model = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0)
    given = {"time_limit": 3600, "callbacks": [Wild(0.0, above=0.02)]}
    assert not warned(AGAIN, lambda: model.fit(rows().drop(columns="size"), **given))
    assert found == [True]
    assert "attempt" not in model.history
    assert result_of(model).stopped == "time_limit reached"
