"""``mm export``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import tools
from mm_core.api.commands import Answer, AsJson, Model, Plugins, Verbose, settings

Out = Annotated[Path, typer.Argument(metavar="OUT", help="The file or folder to write.")]
Sample = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="DATA",
        help="Rows that the export is compared with the model on, such as those of a test.",
    ),
]
Format = Annotated[
    str, typer.Option("--format", metavar="NAME", help="An exporter; see mm plugins list.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the exporter, such as precision=int8; may be repeated.",
    ),
]


def export(
    model: Model,
    out: Out,
    sample: Sample = None,
    format: Format = "onnx",
    set_: Set = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> Answer:
    """Write a saved model in another form, and compare the two.

    Example: mm export model/ light/ --sample test.csv
    """
    chosen = settings(set_)
    predictor = tools.load(model, plugin or ())
    report = predictor.export(out, format=format, sample=sample, **chosen)
    data = {
        "path": str(report.path),
        "max_abs_diff": report.max_abs_diff,
        "label_agreement": report.label_agreement,
        "seconds": round(report.seconds, 1),
    }
    told = report.path / "export.json"
    more = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    return Answer({**data, **more}, "\n".join(_lines(data, more)))


def _lines(data: dict[str, Any], more: dict[str, Any]) -> list[str]:
    lines = [f"written to {data['path']} in {data['seconds']:.0f} s"]
    if data["max_abs_diff"] is not None:
        lines.append(
            f"outputs differ by {data['max_abs_diff']:.2g} at most, "
            f"{data['label_agreement']:.1%} of the answers are equal"
        )
    if more:
        one, many = more["one_row_ms"], more["rows_per_second"]
        lines.append(
            f"one row: {one['graph']:.1f} ms, the model {one['model']:.1f} ms; "
            f"rows a second: {many['graph']:.0f}, the model {many['model']:.0f}"
        )
    return lines
