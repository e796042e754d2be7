"""docs/export.md: its code runs, and its table of bits is the exporter's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from mm_onnx.configs import OnnxConfig

TEXT = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.mark.slow  # one more export
def test_the_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, names)
    assert capsys.readouterr().out == "True 1.0\n"
    assert len(names["answers"]) == 1  # type: ignore[arg-type]


def test_every_precision_is_told() -> None:
    known = get_args(OnnxConfig.model_fields["precision"].annotation)
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == {"precision", *known}
    assert all(f"`{name}`" in TEXT for name in OnnxConfig.model_fields)
