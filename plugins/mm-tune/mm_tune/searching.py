"""The search: trials of whole fits on the same split of the rows."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from mm_core.api import ConfigError, MMError, Search, TrainingError
from mm_core.api.tools import (
    MultiModalPredictor,
    Recipe,
    installed,
    metrics,
    read_rows,
    result_of,
)
from mm_tune.journal import journal
from mm_tune.picture import picture
from mm_tune.spaces import as_searches, taken_apart, usual

NAME = "mm"
LOG, TABLE, PICTURE, RECIPE = "trials.log", "trials.csv", "trials.svg", "recipe.json"
ENDED, AS_THEY_ARE, STOPPED = "ended", "as_they_are", "stopped"
"""What is written beside a trial: what it came to, all in one line of the journal, so that it has
ended or has not; that nothing was drawn for it; that a user stopped it."""

STANDS_FOR, SETTINGS, DEATHS = "stands_for", "settings", "deaths"
"""Of a trial that is tried again: the one that was left, what was drawn for it, and how many
processes ended in its fit."""

_STATES = {
    "done": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes:
        settings: the best, those that were searched.
        score: of validation, with them.
        metric: of that score.
        recipe: with them; what ``fit(recipe=...)`` follows.
        trials: a row each: ``trial``, ``state`` (done, pruned, failed), ``score`` (of the best
            validation), ``seconds``, the settings, ``why`` it failed. The first is of the settings
            as they are.
        resumed: trials that were there before.
    """

    settings: dict[str, Any]
    score: float
    metric: str
    recipe: Recipe
    trials: pd.DataFrame
    resumed: int


def tune(
    data: Any,
    label: Any,
    *,
    space: Mapping[str, Search | str] | None = None,
    trials: int = 20,
    time: float | None = None,
    tuning_data: Any = None,
    hyperparameters: Mapping[str, Any] | None = None,
    presets: str | Sequence[str] | None = None,
    problem_type: str | None = None,
    eval_metric: str | None = None,
    validation_metric: str | None = None,
    column_types: Mapping[str, str | None] | None = None,
    folder: str | Path | None = None,
    sampler: str = "tpe",
    prune: bool = True,
    seed: int = 0,
    plugins: Sequence[str | Path] = (),
    tell: Callable[[str], None] | None = None,
) -> Tuned:
    """Search for settings by whole fits, scored on the same held-out rows.

    Args:
        data: training rows, as ``fit`` takes them.
        label: column, or several.
        space: setting -> what it may be, a :class:`Search` or text such as ``"log(1e-5, 1e-3)"``;
            None: Searches among ``hyperparameters``, or else the usual ranges of the plan's
            components.
        trials: in all, those of before the search was resumed counted.
        time: seconds of this call; a fit that is under way is stopped by it as by ``time_limit``.
        tuning_data: validation rows; None: some are held out, the same ones for all trials.
        hyperparameters: of all trials; a value may be a :class:`Search`.
        presets: as in the predictor, like those that follow.
        problem_type: task.
        eval_metric: name.
        validation_metric: name; it is what is searched by.
        column_types: column -> modality, kind or ``"ignore"``.
        folder: where each trial is written down when it ends, and table, picture and recipe; a
            search that was cut off is taken up there. None: nothing is written.
        sampler: ``"tpe"`` or ``"random"``.
        prune: give networks up whose validations are worse than the median of others.
        seed: of the search; and of the fits, unless ``training.seed`` is set.
        plugins: one-file plugins.
        tell: called with a line for each trial; None: silent.

    Raises:
        ConfigError: a setting is unknown or no range; the folder holds another search.
        TrainingError: no trial came to a score.
    """
    fixed, among = taken_apart(hyperparameters or {})
    wanted = _Wanted(
        label=label,
        fixed=fixed,
        presets=presets,
        problem_type=problem_type,
        eval_metric=eval_metric,
        validation_metric=validation_metric,
        column_types=column_types,
        plugins=tuple(plugins),
        seed=seed,
    )
    if trials < 1 or sampler not in ("tpe", "random") or (time is not None and time <= 0):
        raise ConfigError(
            f"trials={trials}, time={time}, sampler={sampler!r}",
            value=[trials, time, sampler],
            remedy="trials from 1, time above 0, sampler 'tpe' or 'random'",
        )
    registry = installed(wanted.plugins)
    table = read_rows(data, registry).table
    # Once, not again by every trial.
    tuning = None if tuning_data is None else read_rows(tuning_data, registry).table
    plan = wanted.plan(table, {})
    searched = {**as_searches(space or {}), **among} or usual(plan, registry)
    some = {key: one.some[0] for key, one in searched.items()}
    wanted.plan(table, some)  # is there such a setting?
    with _quiet():
        told = tell or _nothing
        search = _Search(wanted, searched, table, tuning, plan, folder, sampler, prune, told)
        search.run(trials, None if time is None else clock.monotonic() + time)
        return search.done()


@dataclass(frozen=True)
class _Wanted:
    """What all trials share."""

    label: Any
    fixed: Mapping[str, Any]
    presets: Any
    problem_type: str | None
    eval_metric: str | None
    validation_metric: str | None
    column_types: Any
    plugins: tuple[str | Path, ...]
    seed: int

    def predictor(self, settings: Mapping[str, Any]) -> MultiModalPredictor:
        seed = {} if "training.seed" in self.fixed else {"training.seed": self.seed}
        return MultiModalPredictor(
            self.label,
            problem_type=self.problem_type,
            presets=self.presets,
            eval_metric=self.eval_metric,
            validation_metric=self.validation_metric,
            hyperparameters={**self.fixed, **seed, **settings},
            verbosity=0,
            plugins=self.plugins,
        )

    def plan(self, table: Any, settings: Mapping[str, Any]) -> Recipe:
        return self.predictor(settings).plan(table, column_types=self.column_types)


@dataclass
class _Search:
    wanted: _Wanted
    space: Mapping[str, Search]
    table: Any
    tuning: Any
    plan: Recipe
    folder: str | Path | None
    sampler: str
    prune: bool
    tell: Callable[[str], None]
    resumed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.metric = self.plan.data.validation_metric
        known = metrics(installed(self.wanted.plugins))
        self.higher = known.higher_is_better(self.metric)
        self.place = None if self.folder is None else Path(self.folder)
        self.study = optuna.create_study(
            study_name=NAME,
            storage=self._storage(),
            direction="maximize" if self.higher else "minimize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4)
            if self.prune
            else optuna.pruners.NopPruner(),
        )
        self._check_same()
        self._take_up()
        # What was drawn before is not drawn again, be it for a trial that did not end.
        seed = self.wanted.seed + len(self.study.get_trials(deepcopy=False))
        made = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        self.study.sampler = made[self.sampler](seed=seed)

    def _storage(self) -> BaseStorage:
        if self.place is None:
            return InMemoryStorage()
        self.place.mkdir(parents=True, exist_ok=True)
        return journal(self.place / LOG)

    def _check_same(self) -> None:
        """Refuse a folder that holds the trials of another search."""
        mine = {
            "space": {key: str(one) for key, one in self.space.items()},
            "settings": {key: str(one) for key, one in self.wanted.fixed.items()},
            "metric": self.metric,
            "presets": list(self.plan.presets),
            "task": self.plan.task.id,
            "column types": dict(self.wanted.column_types or {}),
            "label": list(self.plan.data.label),
            "rows": _mark(self.table.frame),
            "tuning rows": None if self.tuning is None else _mark(self.tuning.frame),
            "seed": self.wanted.seed,
            "form of journal": 2,
        }
        before = self.study.user_attrs.get("of")
        if before is None:
            self.study.set_user_attr("of", mine)
        elif before != mine:
            differ = [key for key in mine if mine[key] != before.get(key)]
            changed, go_on = ", ".join(differ), ", or the same arguments to go on"
            raise ConfigError(
                f"{str(self.place)!r} holds another search: its {changed} differ",
                plugin="tune",
                value=str(self.place),
                remedy=f"give it another folder{'' if 'form of journal' in differ else go_on}",
            )

    def _take_up(self) -> None:
        """What a process left under way: told, where it had ended; else tried again, once.

        Whatever line the journal was cut off after, nothing is lost and nothing there twice: a
        trial is told only when what stands for it is written.
        """
        there = self.study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get(STANDS_FOR) for trial in there}
        for trial in there:
            if trial.state != TrialState.RUNNING:
                continue
            if ENDED in trial.user_attrs:
                self._told(trial.number, trial.user_attrs[ENDED])
                continue
            if trial.number not in again:
                self._stand_in(trial)
            self.study.tell(trial.number, state=TrialState.FAIL)
        self.resumed = len(self._ended())

    def _stand_in(self, trial: FrozenTrial) -> None:
        """Another one, to be run; or one that failed, where a second process ended in it."""
        marks = trial.user_attrs
        first = {AS_THEY_ARE: True} if AS_THEY_ARE in marks else {}
        settings = self._usual() if first else {**marks.get(SETTINGS, {}), **trial.params}
        fitted = len(trial.params) == len(settings if first else self.space)
        deaths = marks.get(DEATHS, 0) + (fitted and STOPPED not in marks)
        again = {**first, STANDS_FOR: trial.number, SETTINGS: settings, DEATHS: deaths}
        if deaths < 2:
            self.study.enqueue_trial(settings, user_attrs=again)
            return
        why = "its process ended twice while it was under way; too little memory for it?"
        self.study.add_trial(
            create_trial(
                state=TrialState.FAIL,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=again | {ENDED: _outcome("failed", None, None, why)},
            )
        )
        self.tell(f"trial {trial.number}: failed ({why})")

    def run(self, trials: int, deadline: float | None) -> None:
        """Until there are so many trials that ended, or the time is over."""
        while len(self._ended()) < trials:
            left = None if deadline is None else deadline - clock.monotonic()
            if left is not None and left <= 0:
                return
            self.tell(self._one(self._next(), left))

    def _usual(self) -> dict[str, Any]:
        """The settings as they are; empty where one of them could not be drawn."""
        known = self.plan.flat()
        usual = {key: known[key] for key, one in self.space.items() if known.get(key) in one}
        return usual if len(usual) == len(self.space) else {}

    def _next(self) -> optuna.Trial:
        """First the settings as they are; the sampler learns from them where it could draw them."""
        usual = self._usual()
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(usual, user_attrs={AS_THEY_ARE: True})
        trial = self.study.ask()
        if usual or AS_THEY_ARE not in trial.user_attrs:
            for key, one in self.space.items():
                _draw(trial, key, one)
        return trial

    def _one(self, trial: optuna.Trial, left: float | None) -> str:
        """Fit, and write down what came of it; a line that says it."""
        began = clock.monotonic()
        pruning = self._pruning(trial)
        score, why = self._fitted(trial, left, pruning)
        seconds = clock.monotonic() - began
        if score is None or not math.isfinite(score):
            why = why or f"its score is {score}"
            self._end(trial, _outcome("failed", None, seconds, why))
            return f"trial {trial.number}: failed after {seconds:.0f} s ({why})"
        if pruning is not None and pruning.pruned:
            self._end(trial, _outcome("pruned", score, seconds))
            return f"trial {trial.number}: {score:.4f} after {seconds:.0f} s, given up"
        self._end(trial, _outcome("done", score, seconds))
        best = self.study.best_trial
        own = ", ".join(f"{key}={_short(value)}" for key, value in trial.params.items())
        own = own or "the settings as they are"
        said = f"trial {trial.number}: {score:.4f} in {seconds:.0f} s ({own})"
        return said + (", the best so far" if best.number == trial.number else "")

    def _fitted(
        self, trial: optuna.Trial, left: float | None, pruning: Any
    ) -> tuple[float | None, str]:
        """(score, why there is none)."""
        try:
            predictor = self.wanted.predictor(trial.params).fit(
                self.table,
                tuning_data=self.tuning,
                column_types=self.wanted.column_types,
                time_limit=left,
                callbacks=pruning,
            )
            score = result_of(predictor).best_score
        except MMError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001, any library's: it is told and written down
            return None, f"{type(error).__name__}: {error}".strip()
        except (KeyboardInterrupt, SystemExit):
            trial.set_user_attr(STOPPED, True)
            raise
        return score, "" if score is not None else "its score is not defined"

    def _end(self, trial: optuna.Trial, outcome: Mapping[str, Any]) -> None:
        """Write down what a trial came to; then Optuna may know that it is over."""
        trial.set_user_attr(ENDED, outcome)
        self._told(trial.number, outcome)

    def _told(self, number: int, outcome: Mapping[str, Any]) -> None:
        score = outcome["score"] if outcome["state"] == "done" else None
        self.study.tell(number, score, state=_STATES[outcome["state"]])

    def _pruning(self, trial: optuna.Trial) -> Any:
        """A callback of the training loop; None where there is no such loop."""
        if not (self.prune and self.plan.backbones):
            return None
        from mm_tune.pruning import Pruning

        return Pruning(trial, self.metric.split(":")[-1])

    def done(self) -> Tuned:
        """The best of all trials; table, picture and recipe are written.

        Raises:
            TrainingError: there is none.
        """
        frame = self._frame()
        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if self.place is not None:
            frame.to_csv(self.place / TABLE, index=False)
        if not complete:
            failed = frame[frame.state == "failed"]
            why = failed.why.iloc[-1] if len(failed) else "the time was over"
            raise TrainingError(
                f"none of {len(frame)} trials came to a score: {why}",
                plugin="tune",
                remedy="give it more time, or another space",
            )
        best = self.study.best_trial
        recipe = self.wanted.plan(self.table, best.params)
        metric = self.metric.split(":")[-1]
        if self.place is not None:
            (self.place / RECIPE).write_text(recipe.to_json(), encoding="utf-8")
            drawn = picture(frame, list(self.space), metric, self.higher, self._logs())
            (self.place / PICTURE).write_text(drawn, encoding="utf-8")
        assert best.value is not None
        return Tuned(dict(best.params), best.value, metric, recipe, frame, self.resumed)

    def _logs(self) -> set[str]:
        return {key for key, one in self.space.items() if one.log}

    def _ended(self) -> list[FrozenTrial]:
        """Trials, without those that a process left behind: others stand for them."""
        there = self.study.get_trials(deepcopy=False)
        return [trial for trial in there if ENDED in trial.user_attrs]

    def _frame(self) -> pd.DataFrame:
        known = self.plan.flat()
        lines = [
            {
                "trial": trial.number,
                **trial.user_attrs[ENDED],
                **{key: trial.params.get(key, known.get(key)) for key in self.space},
            }
            for trial in self._ended()
        ]
        columns = ["trial", "state", "score", "seconds", *self.space, "why"]
        numbers = {"score": float, "seconds": float}
        return pd.DataFrame(lines, columns=columns).astype(numbers)


def _outcome(
    state: str, score: float | None, seconds: float | None, why: str = ""
) -> dict[str, Any]:
    """What a trial came to: the columns of the table that are no settings."""
    return {"state": state, "score": score, "seconds": seconds, "why": why}


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


def _mark(frame: pd.DataFrame) -> str:
    """What other rows, or other cells, would differ in."""
    cells = pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy()
    return f"{len(frame)} {' '.join(frame.columns)} {int(np.bitwise_xor.reduce(cells))}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _nothing(line: str) -> None:
    """Nobody is told."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's own lines are not printed meanwhile."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
