"""The search: trials of whole fits on the same split of the rows."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from mm_core.api import ConfigError, Search, Table
from mm_core.api.tools import Recipe, installed, metrics, read_rows
from mm_tune.executors import Executor, Work
from mm_tune.journal import held
from mm_tune.objective import Arguments, Objective
from mm_tune.resuming import take_up
from mm_tune.serial import Serial
from mm_tune.spaces import as_searches, taken_apart, usual
from mm_tune.study import SAMPLERS, Study
from mm_tune.tuned import Tuned, tuned


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
    executor: Executor | None = None,
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
        executor: what runs trials, such as :class:`mm_tune.on_ray.Ray`; None: this process, one
            after another.

    Raises:
        ConfigError: a setting is unknown or no range; the folder holds another search.
        TrainingError: no trial came to a score.
    """
    fixed, among = taken_apart(hyperparameters or {})
    arguments = Arguments(
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
    registry = installed(arguments.plugins)
    table = read_rows(data, registry).table
    # Once, not again by every trial.
    tuning = None if tuning_data is None else read_rows(tuning_data, registry).table
    plan = arguments.plan(table, {})
    searched: dict[str, Search] = {**as_searches(space or {}), **among}
    left: dict[str, Any] = {}
    usually = not searched
    if usually:
        searched, left = usual(plan, registry)
    _check_settable(arguments, table, searched)
    place = None if folder is None else Path(folder)
    told, runs = tell or _nothing, executor or Serial()
    metric = plan.data.validation_metric
    objective = Objective(arguments, table, tuning, metric.split(":")[-1])
    with _quiet(), held(place):
        study = Study(
            searched,
            _as_they_are(plan, searched),
            metrics(registry).higher_is_better(metric),
            _marks(plan, arguments, searched, table, tuning),
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
        runs.run(Work(study, objective, trials, deadline, prune and network, network, told))
        return tuned(study, objective, plan, place, resumed)


def _check_settable(arguments: Arguments, table: Table, space: Mapping[str, Search]) -> None:
    """Each end of a range and each choice, beside the settings as they are.

    Raises:
        ConfigError: there is no such setting, or it cannot be that.
    """
    for key, search in space.items():
        for value in search.some:
            try:
                arguments.plan(table, {key: value})
            except ConfigError as error:
                raise ConfigError(
                    f"{key}={search}: {error.message}",
                    plugin=error.plugin,
                    value=value,
                    remedy=error.remedy,
                ) from error


def _as_they_are(plan: Recipe, space: Mapping[str, Search]) -> dict[str, Any]:
    """The settings as they are; empty where one of them could not be drawn."""
    known = plan.flat()
    found = {key: known[key] for key, one in space.items() if known.get(key) in one}
    return found if len(found) == len(space) else {}


def _marks(
    plan: Recipe,
    arguments: Arguments,
    space: Mapping[str, Search],
    table: Table,
    tuning: Table | None,
) -> dict[str, Any]:
    """What another search would differ in."""
    return {
        "space": {key: str(one) for key, one in space.items()},
        "settings": {key: str(one) for key, one in arguments.fixed.items()},
        "metric": plan.data.validation_metric,
        "presets": list(plan.presets),
        "task": plan.task.id,
        "column types": dict(arguments.column_types or {}),
        "label": list(plan.data.label),
        "rows": _mark(table.frame),
        "tuning rows": None if tuning is None else _mark(tuning.frame),
        "seed": arguments.seed,
    }


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
