"""docs/ensembles.md: its code runs, and its tables name every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mm_ensemble.configs import PORTFOLIO, BaggedConfig, FeaturesConfig

TEXT = (Path(__file__).parents[3] / "docs" / "ensembles.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec("\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)), {})
    told = capsys.readouterr().out
    assert "ensemble" in told
    assert told.endswith("ensemble:distilled\n")


def test_every_setting_is_in_the_tables() -> None:
    named = {
        name
        for row in TEXT.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert named >= {*BaggedConfig.model_fields, *FeaturesConfig.model_fields, *PORTFOLIO}
