"""docs/tasks.md: what it lists is what there is, its figures are those of the run."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.calibration import table
from mm_core.api import LossSpec, TaskSpec
from mm_core.plugins import Registry

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
REGISTRY = Registry(entry_points=[])


def test_every_task_and_loss_of_the_core_stands_there():
    for task in REGISTRY.all(TaskSpec):
        line = next(one for one in TEXT.splitlines() if one.startswith(f"| `{task.spec.name}` |"))
        assert f"| `{task.spec.default_loss}` | `{task.spec.default_metric}` |" in line
    for loss in REGISTRY.all(LossSpec):
        line = next(one for one in TEXT.splitlines() if one.startswith(f"| `{loss.spec.name}`"))
        assert all(f"`{name}`" in line for name in loss.config_class().model_fields)


def test_figures_are_those_of_the_run():
    results = json.loads((ROOT / "benchmarks" / "results" / "calibration.json").read_text())
    assert table(results["runs"]) in TEXT
