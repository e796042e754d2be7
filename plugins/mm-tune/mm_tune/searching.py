"""The search: trials of whole fits on the same split of the rows."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from mm_core.api import ConfigError, Search, Table, TrainingError
from mm_core.api.tools import Recipe, installed, metrics, read_rows
from mm_tune.fits import Fits, Wanted
from mm_tune.here import Engine, Here, Work
from mm_tune.left import take_up
from mm_tune.picture import picture
from mm_tune.spaces import as_searches, taken_apart, usual
from mm_tune.study import SAMPLERS, Study

TABLE, PICTURE, RECIPE = "trials.csv", "trials.svg", "recipe.json"


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
    engine: Engine | None = None,
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
        engine: what runs fits, such as :class:`mm_tune.on_ray.Ray`; None: this process, one after
            another.

    Raises:
        ConfigError: a setting is unknown or no range; the folder holds another search.
        TrainingError: no trial came to a score.
    """
    fixed, among = taken_apart(hyperparameters or {})
    wanted = Wanted(
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
    if trials < 1 or sampler not in SAMPLERS or (time is not None and time <= 0):
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
    searched: dict[str, Search] = {**as_searches(space or {}), **among}
    left: dict[str, Any] = {}
    usually = not searched
    if usually:
        searched, left = usual(plan, registry)
    some = {key: one.some[0] for key, one in searched.items()}
    wanted.plan(table, some)  # is there such a setting?
    place = None if folder is None else Path(folder)
    told, runs = tell or _nothing, engine or Here()
    metric = plan.data.validation_metric
    fits = Fits(wanted, table, tuning, metric.split(":")[-1])
    with _quiet():
        study = Study(
            searched,
            _as_they_are(plan, searched),
            metrics(registry).higher_is_better(metric),
            _marks(plan, wanted, searched, table, tuning),
            place,
            prune,
        )
        if usually:
            told(_said(searched, left))
        for line in take_up(study):
            told(line)
        study.draws_by(sampler, seed, runs.several)
        resumed = len(study.ended())
        deadline = None if time is None else clock.monotonic() + time
        network = bool(plan.backbones)
        runs.run(Work(study, fits, trials, deadline, prune and network, network, told))
        return _done(study, fits, plan, place, resumed)


def _as_they_are(plan: Recipe, space: Mapping[str, Search]) -> dict[str, Any]:
    """The settings as they are; empty where one of them could not be drawn."""
    known = plan.flat()
    found = {key: known[key] for key, one in space.items() if known.get(key) in one}
    return found if len(found) == len(space) else {}


def _marks(
    plan: Recipe,
    wanted: Wanted,
    space: Mapping[str, Search],
    table: Table,
    tuning: Table | None,
) -> dict[str, Any]:
    """What another search would differ in."""
    return {
        "space": {key: str(one) for key, one in space.items()},
        "settings": {key: str(one) for key, one in wanted.fixed.items()},
        "metric": plan.data.validation_metric,
        "presets": list(plan.presets),
        "task": plan.task.id,
        "column types": dict(wanted.column_types or {}),
        "label": list(plan.data.label),
        "rows": _mark(table.frame),
        "tuning rows": None if tuning is None else _mark(tuning.frame),
        "seed": wanted.seed,
    }


def _done(study: Study, fits: Fits, plan: Recipe, place: Path | None, resumed: int) -> Tuned:
    """The best of all trials; table, picture and recipe are written.

    Raises:
        TrainingError: there is none.
    """
    frame = study.frame(plan.flat())
    if place is not None:
        frame.to_csv(place / TABLE, index=False)
    best = study.best()
    if best is None:
        failed = frame[frame.state == "failed"]
        why = failed.why.iloc[-1] if len(failed) else "the time was over"
        raise TrainingError(
            f"none of {len(frame)} trials came to a score: {why}",
            plugin="tune",
            remedy="give it more time, or another space",
        )
    recipe = fits.wanted.plan(fits.table, best.params)
    if place is not None:
        (place / RECIPE).write_text(recipe.to_json(), encoding="utf-8")
        logs = {key for key, one in study.space.items() if one.log}
        drawn = picture(frame, list(study.space), fits.metric, study.higher, logs)
        (place / PICTURE).write_text(drawn, encoding="utf-8")
    assert best.value is not None
    return Tuned(dict(best.params), best.value, fits.metric, recipe, frame, resumed)


def _mark(frame: pd.DataFrame) -> str:
    """What other rows, or other cells, would differ in."""
    cells = pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy()
    return f"{len(frame)} {' '.join(frame.columns)} {int(np.bitwise_xor.reduce(cells))}"


def _said(searched: Mapping[str, Search], left: Mapping[str, Any]) -> str:
    """The usual ranges, which nobody typed."""
    ranges = ", ".join(f"{key}={search}" for key, search in searched.items())
    apart = ", ".join(f"{key}={value}" for key, value in left.items())
    return f"searched: {ranges}" + (f"; outside of the usual and left: {apart}" if apart else "")


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
