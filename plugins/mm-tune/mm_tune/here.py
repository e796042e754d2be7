"""The work of a search, and its fits one after another in this process."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mm_tune.fits import Fits
from mm_tune.study import EXCUSED, Study


@dataclass(frozen=True)
class Work:
    """What an engine is given.

    Attributes:
        study: gives the settings of trials, and is told what they come to.
        fits: what a trial is.
        trials: that are to have ended.
        deadline: of ``time.monotonic()``; None: none.
        prune: whether fits are asked about after each validation.
        network: whether a fit trains a network.
        tell: called with a line for each trial.
    """

    study: Study
    fits: Fits
    trials: int
    deadline: float | None
    prune: bool
    network: bool
    tell: Callable[[str], None]

    @property
    def left(self) -> float | None:
        """Seconds; None: no limit."""
        return None if self.deadline is None else self.deadline - clock.monotonic()

    def begins(self, under_way: int) -> bool:
        """Whether another trial is to be begun beside those."""
        wanted = len(self.study.ended()) + under_way < self.trials
        return wanted and (self.left is None or self.left > 0)


class Engine(Protocol):
    """What runs fits."""

    several: bool

    def run(self, work: Work) -> None:
        """Until so many trials have ended, or the time is over."""


class Here:
    """In this process, one after another."""

    several = False

    def run(self, work: Work) -> None:
        """What raises no error of a library ends the search: Ctrl-C, which is not the trial's."""
        while work.begins(0):
            trial = work.study.next()
            worse = work.study.worse(trial) if work.prune else None
            try:
                outcome = work.fits.fit(trial.params, work.left, worse)
            except (KeyboardInterrupt, SystemExit):
                trial.set_user_attr(EXCUSED, True)
                raise
            work.tell(work.study.end(trial, outcome))
