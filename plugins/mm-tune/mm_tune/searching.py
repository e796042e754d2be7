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
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from mm_core.api import ConfigError, MMError, TrainingError
from mm_core.api.tools import (
    MultiModalPredictor,
    Recipe,
    installed,
    metrics,
    read_rows,
    result_of,
)
from mm_tune.picture import picture
from mm_tune.spaces import Search, as_searches, taken_apart, usual

NAME = "mm"
LOG, TABLE, PICTURE, RECIPE = "trials.log", "trials.csv", "trials.svg", "recipe.json"
SECONDS, AS_THEY_ARE = "seconds", "as_they_are"
"""What is written beside a trial: how long it took, and that nothing was drawn for it."""

_STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes:
        settings: the best, those that were searched.
        score: of validation, with them.
        metric: of that score.
        recipe: with them; what ``fit(recipe=...)`` follows.
        trials: a row each: ``trial``, ``state`` (done, pruned, failed), ``score``, ``seconds``, the
            settings, ``why`` it failed. The first is of the settings as they are.
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
    searched = {**as_searches(space or {}), **among} or usual(plan)
    wanted.plan(table, {key: one.one for key, one in searched.items()})  # is there such a setting?
    with _quiet():
        search = _Search(wanted, searched, table, tuning, plan, folder, sampler, prune)
        search.run(trials, None if time is None else clock.monotonic() + time, tell or _nothing)
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
        seed = self.wanted.seed + self.resumed  # what was drawn before is not drawn again
        made = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        self.study.sampler = made[self.sampler](seed=seed)

    def _storage(self) -> BaseStorage:
        if self.place is None:
            return InMemoryStorage()
        self.place.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(self.place / LOG)))

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
        }
        before = self.study.user_attrs.get("of")
        if before is None:
            self.study.set_user_attr("of", mine)
        elif before != mine:
            changed = ", ".join(key for key in mine if mine[key] != before.get(key))
            raise ConfigError(
                f"{str(self.place)!r} holds another search: its {changed} differ",
                plugin="tune",
                value=str(self.place),
                remedy="give it another folder, or the same arguments to go on",
            )

    def _take_up(self) -> None:
        """Trials that were under way are tried again."""
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
            if AS_THEY_ARE not in trial.user_attrs:
                self.study.enqueue_trial(trial.params)
        self.resumed = len(self._ended())

    def run(self, trials: int, deadline: float | None, tell: Callable[[str], None]) -> None:
        """Until there are so many trials that ended, or the time is over."""
        space = {key: _distribution(one) for key, one in self.space.items()}
        while len(self._ended()) < trials:
            left = None if deadline is None else deadline - clock.monotonic()
            if left is not None and left <= 0:
                return
            tell(self._one(self._next(space), left))

    def _next(self, space: dict[str, BaseDistribution]) -> optuna.Trial:
        """First the settings as they are; the sampler learns from them where it could draw them."""
        if self._ended():
            return self.study.ask(space)
        known = self.plan.flat()
        usual = {key: known[key] for key, one in self.space.items() if known.get(key) in one}
        drawn = len(usual) == len(self.space)
        if drawn:
            self.study.enqueue_trial(usual)
        trial = self.study.ask(space if drawn else {})
        trial.set_user_attr(AS_THEY_ARE, True)
        return trial

    def _one(self, trial: optuna.Trial, left: float | None) -> str:
        """Fit, and write down what came of it; a line that says it."""
        began = clock.monotonic()
        pruning = self._pruning(trial)
        try:
            predictor = self.wanted.predictor(trial.params).fit(
                self.table,
                tuning_data=self.tuning,
                column_types=self.wanted.column_types,
                time_limit=left,
                callbacks=pruning,
            )
            score = result_of(predictor).best_score
            why = "" if score is not None else "its score is not defined"
        except MMError as error:
            score, why = None, str(error)
        seconds = clock.monotonic() - began
        trial.set_user_attr(SECONDS, seconds)
        if score is None or not math.isfinite(score):
            why = why or f"its score is {score}"
            trial.set_user_attr("why", why)
            self.study.tell(trial, state=TrialState.FAIL)
            return f"trial {trial.number}: failed after {seconds:.0f} s ({why})"
        if pruning is not None and pruning.pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            return f"trial {trial.number}: {score:.4f} after {seconds:.0f} s, given up"
        self.study.tell(trial, score)
        best = self.study.best_trial
        own = ", ".join(f"{key}={_short(value)}" for key, value in trial.params.items())
        own = own or "the settings as they are"
        said = f"trial {trial.number}: {score:.4f} in {seconds:.0f} s ({own})"
        return said + (", the best so far" if best.number == trial.number else "")

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
        found = self.study.get_trials(deepcopy=False, states=tuple(_STATES))
        return [trial for trial in found if SECONDS in trial.user_attrs]

    def _frame(self) -> pd.DataFrame:
        known = self.plan.flat()
        lines = []
        for trial in self._ended():
            last = [trial.intermediate_values[n] for n in sorted(trial.intermediate_values)][-1:]
            score = trial.value if trial.value is not None else (last or [np.nan])[0]
            lines.append(
                {
                    "trial": trial.number,
                    "state": _STATES[trial.state],
                    "score": score,
                    "seconds": trial.user_attrs[SECONDS],
                    **{key: trial.params.get(key, known.get(key)) for key in self.space},
                    "why": trial.user_attrs.get("why", ""),
                }
            )
        columns = ["trial", "state", "score", "seconds", *self.space, "why"]
        return pd.DataFrame(lines, columns=columns)


def _distribution(search: Search) -> BaseDistribution:
    if search.choices is not None:
        return CategoricalDistribution(tuple(search.choices))
    assert search.low is not None
    assert search.high is not None
    if search.whole:
        return IntDistribution(int(search.low), int(search.high), log=search.log)
    return FloatDistribution(search.low, search.high, log=search.log)


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
