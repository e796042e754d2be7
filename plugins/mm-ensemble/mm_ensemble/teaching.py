"""The teacher of ``predictor.distill``, at hand while its student is fitted.

Not in the recipe of the student: a folder written there would be gone after the fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from mm_core.api import ConfigError
from mm_core.api.tools import Model, installed, load_model

FITTER = "ensemble:distilled"


@dataclass(frozen=True)
class Lesson:
    """What a student is taught by.

    Attributes:
        teacher: answers the training rows.
        answered: how many of the last training rows have the teacher's answers as labels.
    """

    teacher: Model
    answered: int = 0


_RUNNING: ContextVar[Lesson | None] = ContextVar("lesson", default=None)


@contextmanager
def running(lesson: Lesson) -> Iterator[None]:
    """Fits in here that name no teacher are taught by this one."""
    token = _RUNNING.set(lesson)
    try:
        yield
    finally:
        _RUNNING.reset(token)


def lesson_of(folder: str | None) -> Lesson:
    """By the saved model of a folder; None: by the teacher whose ``distill`` runs.

    Raises:
        ConfigError: none runs.
    """
    if folder is not None:
        return Lesson(load_model(Path(folder), installed())[0])
    found = _RUNNING.get()
    if found is None:
        raise ConfigError(
            "no teacher is named: a model that was distilled does not keep its own",
            plugin=FITTER,
            value=None,
            remedy="distill again, predictor.distill(rows) of the teacher, or name the folder of a "
            "saved one: fit.teacher=FOLDER",
        )
    return found
