"""docs/explain.md: its code runs, and its table names every level."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert capsys.readouterr().out == "city\n"
    told = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) - {"level"}
    assert told - {"word", "region"} == set(names["found"].level)
