"""Trials one after another, in this process."""

from __future__ import annotations

from contextlib import suppress

from mm_tune.executors import Work
from mm_tune.study import BEGUN, EXCUSED


class Serial:
    """An error of any library is its trial's; Ctrl-C ends the search."""

    several = False

    def run(self, work: Work) -> None:
        """See :class:`mm_tune.executors.Executor`."""
        while work.wants(0):
            trial = work.study.next()
            should_prune = work.study.should_prune(trial) if work.prune else None
            left = work.seconds_left
            if left is not None and left <= 0:
                return
            trial.set_user_attr(BEGUN, True)
            try:
                line = work.study.end(trial, work.objective(trial.params, left, should_prune))
            except (KeyboardInterrupt, SystemExit):
                with suppress(RuntimeError):  # Optuna's: it had just ended
                    trial.set_user_attr(EXCUSED, True)
                raise
            work.tell(line)
