"""What every fitter keeps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mm_core.api.specs import FitterSpec
from mm_core.testing import end_to_end
from mm_core.testing.subject import Subject

Fit = Subject[FitterSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})


def check_learns_end_to_end(subject: Fit) -> None:
    """A fit by it learns; saved and loaded in a new process, it predicts the same."""
    settings = {f"fit.{name}": value for name, value in subject.trial.settings.items()}
    settings["fit.id"] = subject.component.id
    rows = "mm_core.testing.checks.fitters:one_side"
    end_to_end.learns(subject, end_to_end.Job(_LABELS, "binary", settings, rows))


def one_side(subject: Fit, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))
