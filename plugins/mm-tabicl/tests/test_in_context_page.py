"""docs/in_context.md: its code runs, and its tables name every setting and published network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mm_tabicl.checkpoints import CLASSES, NUMBERS
from mm_tabicl.configs import InContextConfig

TEXT = (Path(__file__).parents[3] / "docs" / "in_context.md").read_text(encoding="utf-8")


def _first_cells(head: str) -> set[str]:
    (table,) = re.findall(rf"\| {head} .*?\n\n", TEXT, re.DOTALL)
    cells = [row.split("|")[1] for row in table.splitlines() if "|" in row]
    return {name for cell in cells for name in re.findall(r"`([\w.-]+\w)`", cell)}


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == "['yes', 'no']\n"


def test_every_setting_and_network_is_named() -> None:
    assert _first_cells(r"`fit\.`") == set(InContextConfig.model_fields)
    assert _first_cells("published name") == {*CLASSES, *NUMBERS}
