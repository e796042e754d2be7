"""docs/serving.md: its code runs, and it names every path and option."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mm_serve import command

TEXT = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_code_runs_and_every_path_is_told() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    paths = [*names["app"].app.openapi()["paths"], "/v1/search"]
    assert all(f" {path}`" in TEXT for path in paths)


def test_every_option_is_told() -> None:
    import inspect

    names = set(inspect.signature(command.serve).parameters)
    names -= {"models", "check", "plugin", "as_json", "verbose"}
    assert [one for one in names if f"--{one.replace('_', '-')}" not in TEXT] == []


def test_it_imports_no_torch() -> None:
    """So that a server of an exported graph needs none."""
    code = "import sys, mm_serve.app, mm_serve.command; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "timm", "lightning"} & set(said.stdout.split())
