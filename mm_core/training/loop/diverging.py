"""A training that comes to nothing is begun once more, at lower learning rates."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import lightning.pytorch as pl
from torch import nn

from mm_core.api.errors import MMWarning, TrainingError
from mm_core.api.fitting import FitResult
from mm_core.processes import ENDED_BY_SIGTERM, is_first
from mm_core.telling import tell_user
from mm_core.training.loop.attempts import First, Records
from mm_core.training.loop.devices import process_count
from mm_core.training.loop.finished import forget_phase
from mm_core.training.loop.learned import Learned, learned, take_back
from mm_core.training.loop.run import FitRun
from mm_core.training.loop.unfinished import random_state, set_random_state, unfinished_state
from mm_core.training.loop.weights import Weights, changing, copy_weights, room_for

LOWER = 1 / 3
"""Of its learning rates, which messages call a third: the second time."""

ENOUGH_STEPS = 50
SHARE_OF_COURSE = 1 / 3
"""Of the steps: a network that has come to nothing after so many has had its time to learn."""

NEARLY = 0.99
"""Of the loss of one answer for all rows: a network whose loss is above has not begun to learn."""

SEEN = 1e-4
"""Of a score: what is less of a gain is none."""

HOPELESS = "no better than one answer for all rows"
"""Why a training was stopped."""

HOPELESS_AT_SIGTERM = f"{HOPELESS}, and SIGTERM"
"""Likewise, and the process is to end."""


class DivergedError(TrainingError):
    """The loss is no longer finite, or what the network answers.

    Attributes:
        history: of the training so far.
        log: likewise.
        ending: whether the process is to end.
    """

    history: Records = ()
    log: str = ""
    ending: bool = False


def hopeless(run: FitRun, history: Records) -> bool:
    """Whether no validation was better than one answer for all rows, nor is the training loss.

    Both: a network whose loss is lower has learned, if only its training rows by heart, and lower
    rates would be no remedy for that.
    """
    scores = [record[run.metric] for record in history if run.metric in record]
    constant = run.constant() if scores else None
    if constant is None or history[-1]["loss"] < NEARLY * constant.loss:
        return False
    least = constant.score()
    gain = max(scores) - least if run.higher_is_better else least - min(scores)
    return gain <= SEEN * abs(least)  # not where it is NaN


@dataclass(frozen=True)
class Start:
    """What a training begins with, so that it can begin again.

    Attributes:
        weights: of what training changes, on the CPU; of large ones a file.
        beside: what the topology had learned beside them.
        random: state of torch's generators.
    """

    weights: Weights
    beside: Learned
    random: dict[str, Any]

    @classmethod
    def of(cls, network: nn.Module, run: FitRun) -> Self | None:
        """None where it cannot begin again: it is taken up in its middle, or by several processes,
        whose weights are shared out or stand in memory of their own.
        """
        taken_up = run.resume and unfinished_state(run.unfinished) is not None
        if taken_up or process_count(run.training) > 1:
            return None
        live = changing(network)
        weights = room_for(live, run.folder, "first")
        copy_weights(live, weights)
        return cls(weights, learned(network), random_state())

    def put_back(self, network: nn.Module, run: FitRun) -> None:
        """All of it is as it was; what an earlier run left of the training is forgotten."""
        copy_weights(self.weights, changing(network))
        take_back(network, self.beside)
        set_random_state(self.random)
        network.zero_grad(set_to_none=True)
        network.train()
        forget_phase(run.unfinished)


class _SameStates(pl.Callback):
    """The user's callbacks begin the second training with the states of the first one's beginning.

    Read and put back when all of them have begun: a callback may know only then what its state is.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self._callbacks = callbacks
        self._states: list[dict[str, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self._states:
            self._states = [copy.deepcopy(callback.state_dict()) for callback in self._callbacks]
            return
        for callback, state in zip(self._callbacks, self._states, strict=True):
            callback.load_state_dict(state)


def slower(run: FitRun) -> FitRun:
    """The run at a share of its learning rates, in a folder of its own."""
    training = run.training
    folder = run.folder / "again"
    folder.mkdir()
    keys = ("learning_rate", "head_learning_rate")
    rates = {key: LOWER * getattr(training, key) for key in keys}
    own = {
        name: None if rate is None else LOWER * rate for name, rate in run.learning_rates.items()
    }
    return replace(
        run, training=training.model_copy(update=rates), learning_rates=own, folder=folder
    )


Train = Callable[[FitRun, str], FitResult]


def steadily(network: Any, run: FitRun, train: Train) -> FitResult:
    """Train; where it comes to nothing, once more, from the same weights at lower rates.

    A fit that is resumed in its second training goes on in that.

    Args:
        network: that is trained.
        run: of the first time.
        train: (run, log of the first time) -> what came of training the network as it stands.

    Raises:
        DivergedError: it came to nothing, and cannot begin again or did so the second time.
        SystemExit: it came to nothing, and the process is to end; resumed, it begins again.
    """
    earlier = First.read(run.unfinished) if run.resume else None
    if earlier is not None:
        return _second(run, earlier, train)
    start = Start.of(network, run)
    if start is None:
        return train(run, "")
    run = replace(run, callbacks=[*run.callbacks, _SameStates(run.callbacks)])
    try:
        result = train(replace(run, gives_up=True), "")
    except DivergedError as error:
        if _is_over(run):
            raise
        first, ending = First(error.message, error.history, error.log), error.ending
    else:
        if result.stopped not in (HOPELESS, HOPELESS_AT_SIGTERM):
            return result
        if _is_over(run):
            return replace(result, stopped=f"{HOPELESS}, and no time to begin again")
        first, ending = First(HOPELESS, result.history, result.log), result.stopped != HOPELESS
    start.put_back(network, run)
    _keep(first, run)
    if ending:
        raise SystemExit(ENDED_BY_SIGTERM)
    return _second(run, first, train)


def _second(run: FitRun, first: First, train: Train) -> FitResult:
    """The second training: of the weights that were put back, or out of its state."""
    taken_up = run.resume and unfinished_state(run.unfinished) is not None
    again = slower(run)
    rates = (
        f"training.learning_rate={again.training.learning_rate:.3g}, "
        f"training.head_learning_rate={again.training.head_learning_rate:.3g}"
    )
    if not taken_up:
        _tell(
            f"{first.why}: the training begins again, once, at a third of its learning rates "
            f"({rates})"
        )
    try:
        result = train(again, "" if taken_up else first.log)  # a state has the log of both
    except TrainingError:
        if unfinished_state(run.unfinished) is None:  # nothing is left that could be taken up
            forget_phase(run.unfinished)
        raise
    if hopeless(again, result.history):
        _tell(
            f"{HOPELESS}, at a third of the learning rates too: look at the labels and columns, "
            f"or set other rates ({rates})"
        )
    return first.joined(result)


def _keep(first: First, run: FitRun) -> None:
    """For a fit that is cut off in its second training; without room it goes on."""
    if run.unfinished is None or not is_first():
        return
    try:
        first.write(run.unfinished)
    except OSError as error:
        _tell(
            f"what the first training came to cannot be written to {str(run.unfinished)!r}, and "
            f"would be missing of a resumed fit: {error}"
        )


def _is_over(run: FitRun) -> bool:
    return run.deadline is not None and time.monotonic() >= run.deadline


def _tell(what: str) -> None:
    """Warn, and log."""
    if is_first():
        warnings.warn(what, MMWarning, stacklevel=2)
        tell_user(what, "progress", shown=False)
