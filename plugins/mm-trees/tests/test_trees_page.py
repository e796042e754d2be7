"""docs/trees.md: its code runs, and its table names every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mm_trees.configs import CatBoostConfig, HistGradientBoostingConfig, LightGBMConfig

TEXT = (Path(__file__).parents[3] / "docs" / "trees.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == "['age', 'city']\n"


def test_every_setting_is_in_the_table() -> None:
    (table,) = re.findall(r"\| `fit\.` .*?\n\n", TEXT, re.DOTALL)
    first = [row.split("|")[1] for row in table.splitlines() if "|" in row]
    named = {name for cell in first for name in re.findall(r"`(\w+)`", cell)}
    assert named == {
        name
        for config in (CatBoostConfig, LightGBMConfig, HistGradientBoostingConfig)
        for name in config.model_fields
    }
