"""What a process that ended has left of a search: trials that were under way."""

from __future__ import annotations

from dataclasses import asdict

from optuna.trial import FrozenTrial, TrialState, create_trial

from mm_tune.objective import Outcome
from mm_tune.study import AS_THEY_ARE, BEGUN, ENDED, EXCUSED, STANDS_FOR, Study, outcome_of, was_cut

SETTINGS, DEATHS = "settings", "deaths"
"""Of a trial that is tried again: what was drawn for it, and how many processes ended in it."""

TWICE = Outcome(
    "failed", why="its process ended twice while it was under way; too little memory for it?"
)


def take_up(study: Study) -> list[str]:
    """What a process left under way: told, where it had ended; else tried again, once. So is what
    the end of its time cut short.

    Whatever line the journal was cut off after, nothing is lost and nothing there twice: a
    trial is told only when what stands for it is written.

    Returns:
        A line for each that is not tried again.
    """
    there = study.optuna.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(STANDS_FOR) for trial in there}
    lines: list[str] = []
    for trial in there:
        running, ended = trial.state == TrialState.RUNNING, ENDED in trial.user_attrs
        if trial.number not in again and (was_cut(trial) or (running and not ended)):
            lines += _stand_in(study, trial)
        if running and ended:
            study.told(trial.number, outcome_of(trial))
        elif running:
            study.optuna.tell(trial.number, state=TrialState.FAIL)
    return lines


def _stand_in(study: Study, trial: FrozenTrial) -> list[str]:
    """Another one, to be run; or one that failed, where a second process ended in it."""
    marks = trial.user_attrs
    first = {AS_THEY_ARE: True} if AS_THEY_ARE in marks else {}
    settings = study.usual if first else {**marks.get(SETTINGS, {}), **trial.params}
    died = BEGUN in marks and EXCUSED not in marks and ENDED not in marks
    deaths = marks.get(DEATHS, 0) + died
    again = {**first, STANDS_FOR: trial.number, SETTINGS: settings, DEATHS: deaths}
    if deaths < 2:
        study.optuna.enqueue_trial(settings, user_attrs=again)
        return []
    study.optuna.add_trial(
        create_trial(
            state=TrialState.FAIL,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=again | {ENDED: asdict(TWICE)},
        )
    )
    return [f"trial {study.ended()[-1].number}: failed ({TWICE.why})"]
