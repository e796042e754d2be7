"""``scores.json``, and ``report.md`` written from it alone: the two cannot disagree."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.demo.datasets import fingerprint
from mm_core.demo.experiment import CHECKED, Outcome, Run
from mm_core.demo.scores import Estimate

SCORES = "scores.json"
REPORT = "report.md"
ENOUGH = 2.0
"""Standard errors from which a difference counts as shown."""

SHOWN_TEXT = 60
LARGE = 10


def write(outcomes: Sequence[Outcome], seconds: float, seed: int, folder: Path) -> str:
    """Write both files and return the report."""
    scores = as_json(outcomes, seconds, seed)
    report = render(scores)
    (folder / SCORES).write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    (folder / REPORT).write_text(report, encoding="utf-8")
    return report


# ---- scores.json -------------------------------------------------------------------------------


def as_json(outcomes: Sequence[Outcome], seconds: float, seed: int) -> dict[str, Any]:
    """All figures of the demo: strings, numbers, lists."""
    return {
        "mm_core": version("mm-core"),
        "torch": version("torch"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "seed": seed,
        "seconds": round(seconds, 1),
        "tasks": [_task(outcome) for outcome in outcomes],
    }


def _task(outcome: Outcome) -> dict[str, Any]:
    data = outcome.data
    return {
        "name": data.name,
        "title": data.title,
        "label": data.label,
        "metric": data.measure.name,
        "unit": data.unit,
        "higher_is_better": data.measure.sign > 0,
        "source": data.source,
        "split": data.split,
        "rows": {name: len(part) for name, part in data.rows._asdict().items()},
        "test_groups": int(data.rows.test[data.group].nunique()),
        "rows_sha256": fingerprint(data.rows),
        "settings": dict(outcome.settings),
        "runs": [_run(run) for run in outcome.runs],
        "shown": all(_shown(run.gain) for run in outcome.runs[1:]),
        "model": outcome.model.as_posix(),
        "reloaded_rows": min(CHECKED, len(data.rows.test)),
        "reloaded_identical": outcome.identical,
        "examples": _examples(outcome.examples),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "trained_on": run.name,
        "columns": list(run.columns),
        "score": run.score.to_json(),
        "gain_of_fusion": None if run.gain is None else run.gain.to_json(),
        "seconds": round(run.seconds, 1),
    }


def _shown(gain: Estimate | None) -> bool:
    return gain is not None and gain.value > ENOUGH * gain.se


def _examples(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Cells as short text; of a path its file name."""
    return [
        {str(column): _short(value) for column, value in row.items() if not pd.isna(value)}
        for row in frame.to_dict(orient="records")
    ]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return _figure(value)
    text = str(value)
    text = Path(text).name if Path(text).is_absolute() else text
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 3] + "..."


# ---- report.md ---------------------------------------------------------------------------------


def render(scores: Mapping[str, Any]) -> str:
    """The report as Markdown, from the figures of ``scores.json``."""
    tasks = scores["tasks"]
    lines = [
        "# What `mm demo` did",
        "",
        f"It trained on {len(tasks)} sets of real data, in {scores['seconds'] / 60:.1f} minutes "
        f"(mm-core {scores['mm_core']}, torch {scores['torch']}, Python {scores['python']}, seed "
        f"{scores['seed']}). Each set was learned from all its columns together and from each kind "
        "of column alone, scored on test rows that nothing was chosen by, saved, loaded again, and "
        "used. All figures stand in `scores.json`.",
    ]
    for task in tasks:
        lines += ["", *_section(task)]
    return "\n".join([*lines, "", *_how_to_read()]) + "\n"


def _section(task: Mapping[str, Any]) -> list[str]:
    rows = task["rows"]
    settings = ", ".join(f"`{key}={value}`" for key, value in task["settings"].items())
    return [
        f"## {task['title']}",
        "",
        _verdict(task),
        "",
        f"| learned from | {_measured(task)} | all columns are better by | seconds |",
        "|---|---|---|---|",
        *[_row(run) for run in task["runs"]],
        "",
        f"- rows: {rows['train']:,} to learn from, {rows['tuning']:,} to choose the best epoch, "
        f"{rows['test']:,} to test; {task['split']}",
        f"- data: {task['source']}",
        f"- set by hand: {settings}; all else is found from the data or a default",
        "- saved and loaded again, the model gave "
        f"{'exactly the same' if task['reloaded_identical'] else 'DIFFERENT'} answers to "
        f"{task['reloaded_rows']} test rows",
        f"- the model lies in `{task['model']}`: `mm inspect {task['model']}`",
        "",
        "Answers of the loaded model to the first test rows:",
        "",
        *_table(task["examples"]),
    ]


def _verdict(task: Mapping[str, Any]) -> str:
    fused, *others = task["runs"]
    nearest = min(others, key=lambda run: float(run["gain_of_fusion"]["value"]))
    gain = nearest["gain_of_fusion"]
    said = "Fusion pays" if task["shown"] else "Fusion is not shown to pay"
    unit = f" {task['unit']}".rstrip()
    return (
        f"**{said}: {task['metric']} {_figure(fused['score']['value'])}{unit} with all columns, "
        f"{_figure(nearest['score']['value'])}{unit} with the best of the rest "
        f"({_named(nearest)}).** The difference is {_figure(gain['value'])}, its standard error "
        f"{_figure(gain['se'])}."
    )


def _measured(task: Mapping[str, Any]) -> str:
    unit = f" in {task['unit']}" if task["unit"] else ""
    return f"{task['metric']}{unit}{'' if task['higher_is_better'] else ', less is better'}"


def _row(run: Mapping[str, Any]) -> str:
    columns = f": {', '.join(run['columns'])}" if run["columns"] else ""
    gain = run["gain_of_fusion"]
    better = "" if gain is None else _estimate(gain)
    if gain is not None and gain["se"] > 0:
        better += f" ({gain['value'] / gain['se']:.1f} standard errors)"
    seconds = f"{run['seconds']:.0f}" if run["columns"] else ""
    return f"| {_named(run)}{columns} | {_estimate(run['score'])} | {better} | {seconds} |"


def _named(run: Mapping[str, Any]) -> str:
    single = run["columns"] and run["gain_of_fusion"] is not None
    return f"{run['trained_on']} only" if single else str(run["trained_on"])


def _estimate(estimate: Mapping[str, float]) -> str:
    return f"{_figure(estimate['value'])} ± {_figure(estimate['se'])}"


def _figure(value: float) -> str:
    """Four decimals of what is small, none of what is large."""
    return f"{value:,.0f}" if abs(value) >= LARGE else f"{value:.4f}"


def _table(examples: Sequence[Mapping[str, str]]) -> list[str]:
    """A line for each example: what was there -> answer, truth."""
    lines = []
    for example in examples:
        told = [
            f"{column} {value!r}"
            for column, value in example.items()
            if column not in ("truth", "answer")
        ]
        lines.append(f"- {'; '.join(told)} -> **{example['answer']}** (truth: {example['truth']})")
    return lines


def _how_to_read() -> list[str]:
    return [
        "## How to read this",
        "",
        "After ± stands one standard error. Rows about one picture, or of one name, are alike and "
        "count as one draw. Differences are paired: both models answered the same rows. The last "
        "line of a table is what one gets without any model. A kind of column alone trained on "
        "the same rows, with the training values that its plugin recommends for it alone.",
        "",
        "Your own table: `mm fit train.csv --label y --out model`, then `mm predict model "
        "test.csv --out answers.csv`.",
    ]
