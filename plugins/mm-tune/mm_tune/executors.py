"""What runs the trials of a search: the contract."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from mm_tune.objective import Objective
from mm_tune.study import Study


@dataclass(frozen=True)
class Work:
    """What an executor is given.

    Attributes:
        study: gives the settings of trials, and is told what they come to.
        objective: what a trial is.
        trials: that are to have ended.
        deadline: of ``time.monotonic()``; None: none.
        prune: whether a trial is asked about after each validation.
        network: whether a trial trains a network.
        tell: called with a line for each trial.
    """

    study: Study
    objective: Objective
    trials: int
    deadline: float | None
    prune: bool
    network: bool
    tell: Callable[[str], None]

    def later(self, seconds: float) -> Work:
        """The same with a deadline that is so much later."""
        return self if self.deadline is None else replace(self, deadline=self.deadline + seconds)

    @property
    def seconds_left(self) -> float | None:
        """None: no limit."""
        return None if self.deadline is None else self.deadline - clock.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the time is."""
        left = self.seconds_left
        return left is not None and left <= 0

    def wants(self, under_way: int) -> bool:
        """Whether another trial is to be begun beside those that are under way."""
        return not self.is_over and len(self.study.ended()) + under_way < self.trials


class Executor(Protocol):
    """What runs trials.

    Attributes:
        several: whether some run side by side.
    """

    several: bool

    def run(self, work: Work) -> None:
        """Until so many trials have ended, or the time is over; the others that began stay as they
        are: a later search with the same folder takes them up.
        """
