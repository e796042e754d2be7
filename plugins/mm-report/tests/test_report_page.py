"""docs/report.md: its code runs, and its table names every part of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")


def test_the_code_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", code)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([A-Z][\w ,]*) \|", TEXT, re.MULTILINE)
    told = [name for cell in table for name in cell.split(", ")]
    assert re.findall(r"<h2>(.*?)</h2>", page) == told
