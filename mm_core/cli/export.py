"""``mm export``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt

if TYPE_CHECKING:
    from mm_core.api.fitting import ExportReport


def export(
    model: opt.Model,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file or folder to write.")],
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            metavar="DATA",
            help="Rows that the export is compared with the model on, such as those of a test.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="An exporter, see mm plugins list; the only one that takes this model if not "
            "given.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the exporter (mm plugins show lists them); may be repeated.",
        ),
    ] = None,
    csv: opt.Csv = None,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Write a saved model in another form, and compare the two.

    Example: mm export model out --sample test.csv
    """
    chosen = opt.settings(set_)
    rows = None if sample is None else opt.source(sample, csv)

    from mm_core.predictor import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, verbosity=0, plugins=plugin or ())
    report = predictor.export(out, format=format, sample=rows, **chosen)
    data = {
        "path": str(report.path),
        "max_abs_diff": report.max_abs_diff,
        "label_agreement": report.label_agreement,
        "seconds": round(report.seconds, 1),
        "details": dict(report.details),
    }
    return Answer(data, "\n".join(_lines(report)))


def _lines(report: ExportReport) -> list[str]:
    lines = [f"written to {report.path} in {report.seconds:.0f} s"]
    if report.max_abs_diff is not None:
        lines.append(f"outputs differ by {report.max_abs_diff:.2g} at most")
    if report.label_agreement is not None:
        lines.append(f"{report.label_agreement:.1%} of the answers are equal")
    return [*lines, *(f"{name}: {_said(value)}" for name, value in report.details.items())]


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(one)}" for name, one in value.items())
    return value if isinstance(value, str) else json.dumps(value)
