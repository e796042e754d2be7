"""``mm demo``"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mm_core.api.commands import Answer, AsJson

if TYPE_CHECKING:
    from mm_core.demo.tasks import DemoTask


def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where report, scores and models go.")
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of rows, weights, batches.")] = 0,
    as_json: AsJson = False,
) -> Answer:
    """Train on real data and write a report.

    Two tasks, image + text and text + table, each learned from all columns and from one kind of
    column alone: some five minutes on two cores. Data and weights come with the extra 'demo'.
    """
    from mm_core.demo.report import SCORES
    from mm_core.demo.tasks import TASKS

    run_demo(TASKS, out, seed)
    return Answer(json.loads((out / SCORES).read_text(encoding="utf-8")))


def run_demo(tasks: Sequence[DemoTask], out: Path, seed: int = 0) -> str:
    """Run the tasks, write models, their test rows, ``scores.json`` and ``report.md`` to ``out``;
    give the report.

    Raises:
        DataError: a package with data is not installed.
        CheckpointError: the packages with weights are not installed.
    """
    from mm_core.demo import report
    from mm_core.demo.datasets import EXTRA
    from mm_core.demo.experiment import Experiment
    from mm_core.demo.settings import settings_for
    from mm_core.plugins.registry import default_registry

    started = time.monotonic()
    registry = default_registry()
    loaded = [(task, task.load(task.size, seed)) for task in tasks]  # what is missing shows first
    out.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for task, data in loaded:
        _say(f"\n{data.title}\n{data.source}\n{data.split}")
        asked = settings_for(
            data.rows.train, data.label, task.by_column, registry, f"pip install '{EXTRA}'"
        )
        settings = {**asked, **task.settings}
        outcomes.append(Experiment(data, settings, registry, seed, _say).run(out / data.name))
    text = report.write(outcomes, time.monotonic() - started, seed, out)
    _say(f"\n{text}\nreport: {out / report.REPORT}   figures: {out / report.SCORES}")
    return text


def _say(text: str) -> None:
    """To standard error, where plan and progress go."""
    typer.echo(text, err=True)
