"""docs/fusion.md: the head that it writes is compared by the command that it types."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mm_core.cli.app import app
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

TEXT = (Path(__file__).parents[3] / "docs" / "fusion.md").read_text(encoding="utf-8")


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The page's commands on the head, in a folder with the head and a table."""
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python file=my_head.py\n(.*?)```", TEXT, re.DOTALL)
    assert len(block.splitlines()) < 50
    (tmp_path / "my_head.py").write_text(block)
    labels = {"y": ["a", "b", "c"] * 16}
    points(labels, ("left", "right")).assign(**labels).to_csv("train.csv", index=False)
    return [line.split()[1:] for line in re.findall(r"^mm .*my_head.py.*$", TEXT, re.MULTILINE)]


def test_its_head_is_compared(typed: list[list[str]]) -> None:
    (line,) = (one for one in typed if one[0] == "compare")
    quick = [
        "--seeds",
        "1",
        "--set",
        "training.epochs=1",
        "--set",
        "fit.new=keep",
        "--quiet",
        "--json",
    ]
    done = CliRunner().invoke(app, [*line, *quick, "--plugin", str(KIT)])
    assert done.exit_code == 0, done.output
    assert "fusion=my_head:weighed" in json.dumps(json.loads(done.stdout))
    assert list(Path("latents").glob("*.latents"))


@pytest.mark.slow
def test_its_head_keeps_the_contract(typed: list[list[str]]) -> None:
    (line,) = (one for one in typed if one[0] == "plugins")
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
