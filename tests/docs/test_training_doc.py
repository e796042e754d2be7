"""docs/training.md names every setting of training, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from mm_core.recipe.training import TrainingConfig

DOCS = Path(__file__).parents[2] / "docs"
ELSEWHERE = {"loss", "class_weights"}
"""Documented with the tasks."""


def test_every_setting_is_documented():
    text = (DOCS / "training.md").read_text()
    missing = [name for name in TrainingConfig.model_fields if f"`{name}" not in text]
    missing = [name for name in missing if f"training.{name}" not in text]
    assert set(missing) == ELSEWHERE


def test_named_settings_exist():
    for page in ("training.md", "tasks.md", "adapters.md"):
        named = set(re.findall(r"training\.([a-z_]+)", (DOCS / page).read_text()))
        assert named <= set(TrainingConfig.model_fields), page
