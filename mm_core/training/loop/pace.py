"""How fast a fit goes, and its course, which bends where it would not end in time."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

MEASURED = 3
"""Batches that are timed before the first word about the end; the very first is never timed."""

REMEMBERED = 100
"""Batches that the pace is an average of, roughly: it follows where the machine gets slower."""

VALIDATED_ROW = 0.5
"""Time of a held-out row, as a share of a training row's, until a validation was timed."""

LOOK_AGAIN = 10
"""The course is looked at again each such part of the steps that are left."""


@dataclass
class Course:
    """Which place of the planned schedule each optimiser step has.

    A fit that ends early still goes through the whole schedule, warm-up and annealing, only
    faster from the step on at which that became known. As long as nothing is bent, ``place(step)``
    is ``step``, to the bit.

    Attributes:
        steps: optimiser steps as planned.
        end: at which the fit ends; ``steps`` unless bent.
    """

    steps: int
    end: int = field(init=False)
    _bent_at: int = field(default=0, init=False)
    _place: float = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.end = self.steps

    def place(self, step: int) -> float:
        """Of the ``steps`` planned, the one whose learning rate counts at this one."""
        if self.end == self.steps and self._bent_at == self._place:
            return step
        if step < self._bent_at:  # gone by: only asked for where an optimiser is built anew
            return min(step, self._place)
        share = (step - self._bent_at) / max(1, self.end - self._bent_at)
        return min(self.steps, self._place + share * (self.steps - self._place))

    def bend(self, step: int, end: int) -> None:
        """From this step on, go evenly through what is left of the schedule until ``end``."""
        end = max(step, min(end, self.steps))
        if end != self.end:
            self._place, self._bent_at, self.end = self.place(step), step, end

    def state(self) -> dict[str, float]:
        """For :meth:`restore`."""
        return {"end": self.end, "bent_at": self._bent_at, "place": self._place}

    def restore(self, state: dict[str, float]) -> None:
        """Go on as the fit that gave this state."""
        self.end, self._bent_at = int(state["end"]), int(state["bent_at"])
        self._place = state["place"]


class Pace:
    """Times batches and validations, and says how many steps fit into a time.

    Args:
        rows: of an epoch.
        batches: of an epoch.
        steps_per_batch: optimiser steps.
        every: batches between two validations, on average.
        held_out: rows of a validation; 0: none takes place.
    """

    def __init__(
        self, rows: int, batches: int, steps_per_batch: float, every: float, held_out: int
    ) -> None:
        self._rows_per_batch = rows / batches
        self._steps_per_batch = steps_per_batch
        self._every = every
        self._held_out = held_out
        self._mark: float | None = None
        self._seconds = 0.0
        self._weight = 0.0
        self._validation: float | None = None
        self.timed = 0

    @property
    def known(self) -> bool:
        """Whether enough batches were timed."""
        return self.timed >= MEASURED

    @property
    def batch_seconds(self) -> float:
        """Of a batch, validation apart; 0: none was timed."""
        return self._seconds / self._weight if self._weight else 0.0

    @property
    def validation_seconds(self) -> float:
        """Of the last one; an estimate by its rows before the first."""
        if self._validation is not None:
            return self._validation
        return VALIDATED_ROW * self._held_out * self.batch_seconds / self._rows_per_batch

    @property
    def rows_per_second(self) -> float:
        """In training; 0: not known."""
        return self._rows_per_batch / self.batch_seconds if self.batch_seconds else 0.0

    def batch_done(self, now: float) -> None:
        """A batch is trained on. The first is not timed: it makes ready what later ones find."""
        if self._mark is not None:
            forget = 1 - 1 / REMEMBERED
            self._seconds = forget * self._seconds + now - self._mark
            self._weight = forget * self._weight + 1
            self.timed += 1
        self._mark = now

    def validated(self, seconds: float, now: float) -> None:
        """A validation took so long, and is over now."""
        self._validation = seconds
        self._mark = now if self._mark is not None else None

    def seconds_for(self, steps: int, to_validation: int) -> float:
        """That so many steps take, with the validations among them and one at the end.

        Args:
            steps: of the optimiser.
            to_validation: batches until the next validation.
        """
        batches = steps / self._steps_per_batch
        between = max(0.0, -(-(batches - to_validation) // self._every))
        return batches * self.batch_seconds + (between + 1) * self.validation_seconds

    def steps_within(self, seconds: float, to_validation: int) -> int:
        """Steps that can be made and validated in a time; see :meth:`seconds_for`."""
        left = seconds - self.validation_seconds
        if left <= 0:
            return 0
        if not self.batch_seconds:  # faster than the clock can tell
            return sys.maxsize
        first = to_validation * self.batch_seconds
        if left < first + self.validation_seconds:
            batches = min(left / self.batch_seconds, to_validation)
        else:
            left -= first + self.validation_seconds
            interval = self._every * self.batch_seconds + self.validation_seconds
            whole, rest = divmod(left, interval)
            batches = to_validation + whole * self._every
            batches += min(rest / self.batch_seconds, self._every)
        return int(batches * self._steps_per_batch + 1e-6)


def next_look(step: int, end: int) -> int:
    """Step at which the course is looked at again: more and more often towards the end."""
    return step + max(1, (end - step) // LOOK_AGAIN)
