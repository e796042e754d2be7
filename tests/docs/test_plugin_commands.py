"""docs/plugins/commands.md: its commands run, its lists are those of the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mm_core.cli.app import app
from mm_core.testing.authoring.heavy import HEAVY
from mm_core.testing.authoring.scaffold import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins" / "commands.md").read_text(encoding="utf-8")
AUTHORING = ROOT / "mm_core" / "testing" / "authoring"


def _commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("mm plugins") and " check " not in line]


@pytest.mark.parametrize("command", _commands())
def test_each_command_runs(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MM_PLUGINS", "tabular")  # the doctor imports all that there is
    first_plugin = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (tmp_path / "my_head.py").write_text(re.search(r"```python\n(.*?)```", first_plugin, re.S)[1])
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output


def test_the_files_of_a_new_package_are_those_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["plugins", "new", "modality", "geo-points", "--json"])
    written = json.loads(done.stdout)
    shown = re.search(r"```\n(mm-geo-points/.*?)```", PAGE, re.DOTALL)[1]
    names = [line.split()[0] for line in shown.splitlines()[1:] if "..." not in line.split()[0]]
    assert set(names) <= set(written["files"])
    block = re.search(r"```console\n(mm plugins new.*?)```", PAGE, re.DOTALL)[1]
    assert block.splitlines()[1:] == written["next"]


def test_every_kind_of_package_is_described():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## `mm plugins doctor")[0], re.MULTILINE)
    assert rows == list(KINDS)


def test_every_finding_is_described():
    source = "".join(path.read_text(encoding="utf-8") for path in AUTHORING.glob("*.py"))
    codes = set(re.findall(r"[Ff]inding\(\s*\"([a-z-]+)\"", source))
    table = PAGE.partition("| finding |")[2].partition("\n\n")[0]
    heads = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(heads))) == codes


def test_the_heavy_modules_are_those_of_the_code():
    listed = PAGE.partition("<!-- heavy -->")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", listed) == sorted(HEAVY)
