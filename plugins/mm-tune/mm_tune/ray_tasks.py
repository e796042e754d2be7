"""What runs in the processes of a Ray cluster: a trial, and the mailbox beside the search."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_tune.objective import Objective, Outcome


class Mailbox:
    """An actor: what trials say of themselves, and what they are told."""

    def __init__(self) -> None:
        self._begun: list[int] = []
        self._reports: list[tuple[int, int, float]] = []
        self._pruned: set[int] = set()

    def begin(self, number: int) -> None:
        """A trial has a process."""
        self._begun.append(number)

    def report(self, number: int, epoch: int, score: float) -> bool:
        """Of a validation of a trial; whether it is to be given up, by what is known by then."""
        self._reports.append((number, epoch, score))
        return number in self._pruned

    def prune(self, number: int) -> None:
        """At its next validation."""
        self._pruned.add(number)

    def take(self) -> tuple[list[int], list[tuple[int, int, float]]]:
        """Trials that began, and reports, since it was asked."""
        found = self._begun, self._reports
        self._begun, self._reports = [], []
        return found


def run_trial(
    objective: Objective,
    settings: Mapping[str, Any],
    number: int,
    until: float | None,
    prune: bool,
    mailbox: Any,
    folder: str,
) -> Outcome | None:
    """The task.

    Args:
        objective: what a trial is.
        settings: of this one.
        number: of this one.
        until: ``time.time()`` at which it is to stop; None: no limit.
        prune: whether the search is asked after each validation.
        mailbox: handle of a :class:`Mailbox`.
        folder: that the search runs in: paths are relative to it.

    Returns:
        None: the time was over before it began.
    """
    import ray

    with suppress(OSError):  # it is not there: paths that are needed say so themselves
        os.chdir(folder)
    left = None if until is None else until - clock.time()
    if left is not None and left <= 0:
        return None

    def should_prune(epoch: int, score: float) -> bool:
        try:
            return bool(ray.get(mailbox.report.remote(number, epoch, score)))
        except ray.exceptions.RayError:  # the mailbox is gone, and nobody judges
            return False

    mailbox.begin.remote(number)
    return objective(settings, left, should_prune if prune else None)
