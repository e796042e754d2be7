"""What every exporter keeps, on a small model of points."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from mm_core.api.fitting import ExportReport
from mm_core.api.specs import ExporterSpec
from mm_core.testing import end_to_end, fresh
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject

Export = Subject[ExporterSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no", "perhaps"]})
_JOB = end_to_end.Job(_LABELS, "multiclass", {}, "mm_core.testing.checks.exporters:one_side")
_TOLERANCE = 1e-3


def check_exports_what_it_accepts(subject: Export) -> None:
    """Of a model that it accepts it writes a file or folder that answers as the model does."""
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        rows, predictor = end_to_end.fitted(subject, _JOB, Path(name))
        path = Path(name) / "exported"
        report = predictor.export(path, subject.component.id, rows.head(8))
        _expect_true(report, path)


def check_exports_the_same_in_a_new_process(subject: Export) -> None:
    """The saved model, loaded in a new process, is exported with the same parity."""
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        end_to_end.fitted(subject, _JOB, Path(name))
        given = {"folder": fresh.as_bytes(name)}
        fresh.run(subject, "mm_core.testing.checks.exporters:again", given)


def again(subject: Export, given: fresh.Arrays) -> fresh.Arrays:
    """In the new process: load and export."""
    folder = Path(fresh.as_text(given["folder"]))
    predictor = end_to_end.loaded(subject, folder)
    path = folder / "exported again"
    report = predictor.export(path, subject.component.id, one_side(subject, folder).head(8))
    _expect_true(report, path)
    return {"diff": np.array([report.max_abs_diff or 0.0])}


def one_side(subject: Export, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))


def _expect_true(report: ExportReport, path: Path) -> None:
    expect(isinstance(report, ExportReport), f"export gives {report!r}, no ExportReport")
    expect(report.path.exists(), f"the report names {report.path}, and nothing is there")
    expect(report.path.is_relative_to(path.parent), f"it wrote to {report.path}, not to {path}")
    expect(report.seconds >= 0, f"it took {report.seconds} seconds")
    try:
        json.dumps(dict(report.details), allow_nan=False)
    except (TypeError, ValueError) as error:
        expect(False, f"details of the report are no JSON: {error}")
    off, same = report.max_abs_diff, report.label_agreement
    expect(off is not None, "with sample rows given it compares nothing: max_abs_diff is None")
    assert off is not None
    expect(off <= _TOLERANCE, f"outputs differ by {off:.3g}")
    expect(same is None or same == 1.0, f"labels agree in {same:.1%} of the rows" if same else "")
