"""What every method keeps that a plugin adds to predictors (``mm_methods``)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.specs import MethodSpec, ModelMethodSpec
from mm_core.builtin.commands import COMMANDS, GROUP
from mm_core.plugins.registry import Component
from mm_core.predictor import MultiModalPredictor
from mm_core.testing import end_to_end
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject

Method = Subject[ModelMethodSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})
_JOB = end_to_end.Job(
    _LABELS, "binary", {"training.epochs": 1}, "mm_core.testing.checks.methods:one_side"
)


def check_has_a_name_of_its_own(subject: Method) -> None:
    """It has no name of the predictor's own, and as a command none of the core's."""
    expect_own_name(subject.component, subject.spec)


def check_leaves_the_model_as_it_was(subject: Method) -> None:
    """Asked of a small model with the settings of its trial, it gives an answer, and changes none
    of the model's; as a command, one that is a table.
    """
    spec = subject.spec
    if spec.tasks or spec.runtimes:
        raise NotTried(f"it is for models of {', '.join((*spec.tasks, *spec.runtimes))} alone")
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        rows, predictor = end_to_end.fitted(subject, _JOB, Path(name))
        before = predictor.predict_proba(rows).to_numpy()
        frame = rows.assign(**end_to_end.cells(_LABELS))
        found = getattr(predictor, spec.name)(frame, **subject.trial.settings)
        after = predictor.predict_proba(rows).to_numpy()
    expect(np.array_equal(before, after), "the model answers otherwise after it")
    if spec.command:
        expect(len(pd.DataFrame(found).columns) > 0, "its answer as a table has no columns")


def one_side(subject: Method, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))


def expect_own_name(owner: Component[Any], spec: MethodSpec) -> None:
    """Of a method, be it of a task or of all: nothing stands in its way, and it can be called."""
    own = {name for name in dir(MultiModalPredictor) if not name.startswith("_")}
    expect(spec.name not in own, f"the predictor has a {spec.name} of its own")
    taken = spec.command and spec.name in {*COMMANDS, GROUP}
    expect(not taken, f"mm {spec.name} is the core's: nobody could type the method")
    expect(
        callable(owner.find(spec.target, spec.name)),
        f"method {spec.name}: {spec.target} cannot be called",
    )
