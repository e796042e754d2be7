"""The trials of a search as Optuna keeps them: what is tried next, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from mm_core.api import ConfigError, Search
from mm_tune.journal import journal
from mm_tune.objective import Outcome

if TYPE_CHECKING:
    from mm_tune.pruning import ShouldPrune

NAME, LOG = "mm", "trials.log"
ENDED, AS_THEY_ARE = "ended", "as_they_are"
"""What is written beside a trial: what it came to, all in one line of the journal, so that it has
ended or has not; that nothing was drawn for it."""

BEGUN, EXCUSED = "begun", "excused"
"""That its fit began in this process, whose end may be its doing; that a user ended it."""

STANDS_FOR = "stands_for"
"""Of a trial that is tried again: the one that was left."""

SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}

_STATES = {
    "done": TrialState.COMPLETE,
    "cut": TrialState.PRUNED,  # its score is not that of the settings
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def outcome_of(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial that has ended came to: :class:`mm_tune.objective.Outcome` as a dict."""
    found: dict[str, Any] = trial.user_attrs[ENDED]
    return found


def was_cut(trial: FrozenTrial) -> bool:
    """Whether the end of the time stopped it: with more it comes to more."""
    return ENDED in trial.user_attrs and outcome_of(trial)["state"] == "cut"


class Study:
    """Trials of one search.

    Args:
        space: setting -> what it may be.
        usual: the settings as they are; empty where one of them could not be drawn.
        higher: whether a higher score is better.
        marks: what another search would differ in.
        folder: where it is written down, held by this search; None: nowhere.
        prune: whether fits are given up.

    Raises:
        ConfigError: the folder holds the trials of another search.
    """

    def __init__(
        self,
        space: Mapping[str, Search],
        usual: Mapping[str, Any],
        higher: bool,
        marks: Mapping[str, Any],
        folder: Path | None,
        prune: bool,
    ) -> None:
        self.space, self.usual, self.higher, self.folder = space, dict(usual), higher, folder
        pruners = optuna.pruners
        self.optuna = optuna.create_study(
            study_name=NAME,
            storage=_storage(folder),
            direction="maximize" if higher else "minimize",
            load_if_exists=True,
            pruner=pruners.MedianPruner(n_startup_trials=4) if prune else pruners.NopPruner(),
        )
        self._check_same(json.loads(json.dumps({**marks, "form of journal": 3})))

    def draws_by(self, sampler: str, seed: int, several: bool) -> None:
        """Choose how settings are drawn; what was drawn before is not drawn again, be it for a
        trial that did not end.

        Args:
            sampler: of :data:`SAMPLERS`.
            seed: of the search.
            several: whether trials run side by side: what is under way counts as bad then, so that
                not all look at one place.
        """
        seed += len(self.optuna.get_trials(deepcopy=False))
        more = {"constant_liar": True} if sampler == "tpe" and several else {}
        self.optuna.sampler = SAMPLERS[sampler](seed=seed % 2**32, **more)

    def next(self) -> optuna.Trial:
        """First the settings as they are; the sampler learns from them where it could draw them."""
        if not self.optuna.get_trials(deepcopy=False):
            self.optuna.enqueue_trial(self.usual, user_attrs={AS_THEY_ARE: True})
        trial = self.optuna.ask()
        if self.usual or AS_THEY_ARE not in trial.user_attrs:
            for key, one in self.space.items():
                _draw(trial, key, one)
        return trial

    def should_prune(self, trial: optuna.Trial) -> ShouldPrune:
        """What says, after each validation of a trial, whether it is to be given up."""

        def asked(epoch: int, score: float) -> bool:
            trial.report(score, epoch)
            return trial.should_prune()

        return asked

    def end(self, trial: optuna.Trial, outcome: Outcome) -> str:
        """Write down what a trial came to; then Optuna may know that it is over. A line says it."""
        trial.set_user_attr(ENDED, asdict(outcome))
        self.told(trial.number, asdict(outcome))
        return self._line(trial, outcome)

    def told(self, number: int, outcome: Mapping[str, Any]) -> None:
        """Tell Optuna of a trial whose outcome is written down."""
        score = outcome["score"] if outcome["state"] == "done" else None
        self.optuna.tell(number, score, state=_STATES[outcome["state"]])

    def ended(self) -> list[FrozenTrial]:
        """Trials, without those that a process left behind: others stand for them."""
        there = self.optuna.get_trials(deepcopy=False)
        again = {trial.user_attrs.get(STANDS_FOR) for trial in there}
        ended = [trial for trial in there if ENDED in trial.user_attrs]
        return [trial for trial in ended if trial.number not in again]

    def best(self) -> FrozenTrial | None:
        """Of those that were cut where no other came to a score; None: none did."""
        with suppress(ValueError):  # Optuna's, where there is none
            return self.optuna.best_trial
        cut = [trial for trial in self.ended() if was_cut(trial)]
        sign = 1 if self.higher else -1
        return max(cut, key=lambda trial: sign * outcome_of(trial)["score"], default=None)

    def frame(self, known: Mapping[str, Any]) -> pd.DataFrame:
        """A row for each trial that ended; ``known`` are the settings as they are."""
        lines = [
            {
                "trial": trial.number,
                **outcome_of(trial),
                **{key: trial.params.get(key, known.get(key)) for key in self.space},
            }
            for trial in self.ended()
        ]
        columns = ["trial", "state", "score", "seconds", *self.space, "why"]
        return pd.DataFrame(lines, columns=columns).astype({"score": float, "seconds": float})

    def _line(self, trial: optuna.Trial, outcome: Outcome) -> str:
        taken = "" if outcome.seconds is None else f"{outcome.seconds:.0f} s"
        if outcome.score is None:
            after = f" after {taken}" if taken else ""
            return f"trial {trial.number}: failed{after} ({outcome.why})"
        why = {"pruned": "given up", "cut": "cut short: the time is over"}.get(outcome.state)
        if why is not None:
            return f"trial {trial.number}: {outcome.score:.4f} after {taken}, {why}"
        own = ", ".join(f"{key}={_short(value)}" for key, value in trial.params.items())
        own = own or "the settings as they are"
        said = f"trial {trial.number}: {outcome.score:.4f} in {taken} ({own})"
        return said + (", the best so far" if self.optuna.best_trial.number == trial.number else "")

    def _check_same(self, marks: Mapping[str, Any]) -> None:
        """Refuse a folder that holds the trials of another search."""
        before = self.optuna.user_attrs.get("of")
        if before is None:
            self.optuna.set_user_attr("of", marks)
        elif before != marks:
            differ = [key for key in marks if marks[key] != before.get(key)]
            changed = "; ".join(_changed(key, before.get(key), marks[key]) for key in differ)
            go_on = ", or the same arguments to go on"
            raise ConfigError(
                f"{str(self.folder)!r} holds another search: {changed}",
                plugin="tune",
                value=str(self.folder),
                remedy=f"give it another folder{'' if 'form of journal' in differ else go_on}",
            )


def _changed(mark: str, before: Any, now: Any) -> str:
    """``space: fit.depth was int(4, 9), is none``; rows are too many to tell."""
    if mark.endswith("rows"):
        return f"other {mark}"
    if not isinstance(now, Mapping) or not isinstance(before, Mapping):
        return f"its {mark} was {_told(before)}, is {_told(now)}"
    parts = [
        f"{key} was {_told(before.get(key))}, is {_told(now.get(key))}"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    ]
    return f"{mark}: {', '.join(parts)}"


def _told(mark: Any) -> str:
    return "none" if mark is None else str(mark)


def _storage(folder: Path | None) -> BaseStorage:
    if folder is None:
        return InMemoryStorage()
    return journal(folder / LOG)


def _draw(trial: optuna.Trial, key: str, search: Search) -> None:
    if search.choices is not None:
        trial.suggest_categorical(key, tuple(search.choices))
        return
    assert search.low is not None
    assert search.high is not None
    if search.whole:
        trial.suggest_int(key, int(search.low), int(search.high), log=search.log)
    else:
        trial.suggest_float(key, search.low, search.high, log=search.log)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
