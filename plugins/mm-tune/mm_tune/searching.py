"""The search: trials of whole fits on the same split of the rows."""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import optuna

from mm_core.api import ConfigError, MMWarning, Search, TrainingError
from mm_core.api.tools import Recipe, installed, metrics, read_rows, short_name
from mm_tune.checking import check_settable
from mm_tune.executors import Executor, Work
from mm_tune.folder import held
from mm_tune.marks import marks
from mm_tune.objective import Arguments, Objective
from mm_tune.resuming import take_up
from mm_tune.serial import Serial
from mm_tune.spaces import usual
from mm_tune.study import SAMPLERS, Study
from mm_tune.tuned import Tuned, counted, stopped, tuned


@dataclass(frozen=True)
class Wanted:
    """How a call searches; see :func:`mm_tune.api.tune`.

    Attributes:
        trials: in all.
        time: seconds; None: no limit.
        folder: None: nothing is written.
        sampler: name.
        prune: whether networks are given up.
        tell: called with lines; None: nobody is told.
        executor: None: this process.

    Raises:
        ConfigError: one of them is none.
    """

    trials: int
    time: float | None
    folder: Path | None
    sampler: str
    prune: bool
    tell: Callable[[str], None] | None
    executor: Executor | None

    def __post_init__(self) -> None:
        if not _is(Integral, self.trials) or self.trials < 1:
            raise _wrong("trials", self.trials, "give a whole number from 1: trials=20")
        if self.time is not None and not (_is(Real, self.time) and self.time > 0):
            raise _wrong("time", self.time, "give seconds above 0: time=600; None: no limit")
        if self.sampler not in SAMPLERS:
            raise _wrong("sampler", self.sampler, f"one of: {', '.join(SAMPLERS)}")
        runs = callable(getattr(self.executor, "run", None)) and not isinstance(self.executor, type)
        if self.executor is not None and not runs:
            remedy = 'give what runs trials: executor=Ray("local"); None: this process'
            raise _wrong("executor", self.executor, remedy)


def search(
    data: Any,
    tuning_data: Any,
    arguments: Arguments,
    searched: Mapping[str, Search],
    wanted: Wanted,
) -> Tuned:
    """See :func:`mm_tune.api.tune`.

    Args:
        data: training rows.
        tuning_data: validation rows, or None.
        arguments: of all trials.
        searched: setting -> what it may be; none: the usual ranges.
        wanted: how.
    """
    deadline = None if wanted.time is None else clock.monotonic() + wanted.time
    if tuning_data is not None and arguments.holdout_frac is not None:
        raise ConfigError(
            "the tuning data are the validation rows: a share to hold out would not be used",
            value=arguments.holdout_frac,
            remedy="leave one of them out",
        )
    registry = installed(arguments.plugins)
    table = read_rows(data, registry).table
    # Once, not again by every trial.
    tuning = None if tuning_data is None else read_rows(tuning_data, registry).table
    plan = arguments.plan(table, {})
    left: dict[str, Any] = {}
    usually = not searched
    if usually:
        searched, left = usual(plan, registry)
    check_settable(arguments, table, searched, plan)
    place, runs = wanted.folder, wanted.executor or Serial()
    told = wanted.tell or _nothing
    metric = plan.data.validation_metric
    objective = Objective(arguments, table, tuning, short_name(metric))
    with _quiet(), held(place):
        study = Study(
            searched,
            _as_they_are(plan, searched),
            metrics(registry).higher_is_better(metric),
            marks(plan, arguments, searched, table, tuning),
            place,
            wanted.prune,
        )
        if usually:
            told(_said(searched, left))
        for line in take_up(study):
            told(line)
        study.draws_by(wanted.sampler, arguments.seed, runs.several)
        resumed = len(study.ended())
        if resumed:
            told(f"the search goes on: {counted(resumed)} had ended before")
        network = bool(plan.backbones)
        prune = wanted.prune and network
        try:
            runs.run(Work(study, objective, wanted.trials, deadline, prune, network, told))
        except (KeyboardInterrupt, SystemExit):
            warnings.warn(stopped(study, place), MMWarning, stacklevel=3)
            with suppress(TrainingError):  # no trial had come to a score
                tuned(study, objective, plan, place, resumed)
            raise
        return tuned(study, objective, plan, place, resumed)


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _wrong(name: str, value: Any, remedy: str) -> ConfigError:
    return ConfigError(f"{name}={value!r}", plugin="tune", value=value, remedy=remedy)


def _as_they_are(plan: Recipe, space: Mapping[str, Search]) -> dict[str, Any]:
    """The settings as they are; empty where one of them could not be drawn."""
    known = plan.flat()
    found = {key: known[key] for key, one in space.items() if known.get(key) in one}
    return found if len(found) == len(space) else {}


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
