"""``mm compare``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import ConfigError
from mm_core.api.commands import (
    Answer,
    AsJson,
    Data,
    Plugins,
    Preset,
    ProblemType,
    Quiet,
    Set,
    pairs,
    settings,
    value_of,
)

Label = Annotated[
    list[str], typer.Option("--label", metavar="COLUMN", help="The label column; may be repeated.")
]
Vary = Annotated[
    list[str],
    typer.Option(
        "--vary",
        metavar="KEY=A,B,...",
        help="A setting, or presets, and its values; may be repeated: all combinations are tried.",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Number of random splits.")]
Share = Annotated[float, typer.Option("--test-share", help="Share of the rows to score on.")]
Metric = Annotated[str | None, typer.Option("--eval-metric", metavar="NAME", help="The score.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="For each run as it ends, compared.json and compared.svg; given again, runs that are "
        "there are not run again.",
    ),
]
Jobs = Annotated[
    int, typer.Option("--jobs", min=1, help="Fits at the same time; they share the cores.")
]


def compare(
    data: Data,
    label: Label,
    vary: Vary,
    seeds: Seeds = 10,
    test_share: Share = 0.2,
    set_: Set = None,
    preset: Preset = None,
    problem_type: ProblemType = None,
    eval_metric: Metric = None,
    out: Out = None,
    jobs: Jobs = 1,
    plugin: Plugins = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Answer:
    """Compare values of settings on the same splits of a table.

    Example: mm compare train.csv --label y --vary fusion=concat_mlp,gmu --seeds 10 --out compared
    """
    wanted = pairs(vary, "--vary", "--vary KEY=A,B,...")
    varied = {key: _several(text) for key, text in wanted.items()}
    fixed = settings(set_)

    from mm_compare.comparing import compare as run

    found = run(
        data,
        label,
        varied,
        seeds,
        test_share=test_share,
        hyperparameters=fixed,
        presets=preset,
        problem_type=problem_type,
        eval_metric=eval_metric,
        folder=out,
        plugins=plugin or (),
        jobs=jobs,
        tell=None if quiet else _tell,
    )
    records = json.loads(found.table.to_json(orient="records"))
    said = {
        "metric": found.metric,
        "higher_is_better": found.higher_is_better,
        "seeds": seeds,
        "test_share": test_share,
        "variants": records,
        "runs": json.loads(found.runs.to_json(orient="records")),
    }
    if out is not None:
        from mm_compare.picture import picture

        (out / "compared.svg").write_text(picture(found), encoding="utf-8")
        (out / "compared.json").write_text(json.dumps(said, indent=2), encoding="utf-8")
    return Answer(said, "\n".join(_lines(found, seeds)))


def _lines(found: Any, seeds: int) -> list[str]:
    width = max(map(len, found.table.variant))
    better = "greater" if found.higher_is_better else "smaller"
    lines = [
        f"{found.metric}, {better} is better, {seeds} random splits",
        f"{'':<{width}}    mean     std  difference       p  seconds",
    ]
    for one in found.table.itertuples():
        p = "" if math.isnan(one.p) else f"{one.p:.3f}"
        lines.append(
            f"{one.variant:<{width}}  {one.mean:.4f}  {one.std:.4f}  {one.difference:+10.4f}  "
            f"{p:>6}  {one.seconds:7.1f}"
        )
    first = found.table.variant.iloc[0]
    lines.append(f"difference: to {first}, on the same splits; p: corrected t-test, Holm")
    if seeds < 10:
        lines.append(f"{seeds} splits find large differences only: --seeds 10 or more")
    return lines


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _several(text: str) -> list[Any]:
    """``"a,b"``, or a JSON list where values have commas."""
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except json.JSONDecodeError as error:
            raise ConfigError(
                f"--vary: {text} is no JSON list: {error}", value=text, remedy='write ["a", "b"]'
            ) from None
    return [value_of(part) for part in text.split(",")]
