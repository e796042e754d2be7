"""What everything keeps that is told of recipes, fits and saved models."""

from __future__ import annotations

import inspect
import tempfile
import warnings
from pathlib import Path

import pandas as pd

from mm_core.api.errors import MMWarning
from mm_core.api.specs import ArtifactSavedSpec, FitEndSpec, ListenerSpec, RecipeReadySpec
from mm_core.testing import end_to_end
from mm_core.testing.outcome import CheckError, expect
from mm_core.testing.subject import Subject

Listener = Subject[ListenerSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})
_JOB = end_to_end.Job(
    _LABELS, "binary", {"training.epochs": 1}, "mm_core.testing.checks.listeners:one_side"
)
_ARGUMENTS: dict[type[ListenerSpec], tuple[str, ...]] = {
    RecipeReadySpec: ("recipe",),
    FitEndSpec: ("model", "result"),
    ArtifactSavedSpec: ("model", "folder"),
}


def check_takes_what_it_is_told(subject: Listener) -> None:
    """It can be called with what its hook says, and with nothing else."""
    arguments = _ARGUMENTS[type(subject.spec)]
    try:
        inspect.signature(subject.component.load()).bind(*arguments)
    except TypeError as error:
        raise CheckError(f"it is called with ({', '.join(arguments)}): {error}") from None


def check_hears_a_fit(subject: Listener) -> None:
    """It fails in no fit that is planned, run and saved, and leaves the model's answers alone."""
    with (
        tempfile.TemporaryDirectory(prefix="mm-check-") as name,
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always", MMWarning)
        rows, predictor = end_to_end.fitted(subject, _JOB, Path(name))
        again = end_to_end.loaded(subject, Path(name))
        same = list(again.predict(rows)) == list(predictor.predict(rows))
    own = [str(one.message) for one in said if str(one.message).startswith(subject.component.id)]
    expect(not own, "\n".join(own))
    expect(same, "the model that is saved answers otherwise than the one it was told of")


def one_side(subject: Listener, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))
