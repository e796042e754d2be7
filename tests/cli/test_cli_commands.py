"""The table of commands: every entry can be typed, and says in the list what its help says."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys

import pytest

from mm_core.cli.app import Commands, PluginCommands
from mm_core.testing.authoring.heavy import HEAVY

ENTRIES = {
    **{name: entry for name, entry in Commands.lazy.items() if name != "demo"},  # tested apart
    **{f"plugins {name}": entry for name, entry in PluginCommands.lazy.items()},
}


@pytest.mark.parametrize("name", ENTRIES)
def test_entry(name, mm):
    entry = ENTRIES[name]
    module, _, function = entry.target.partition(":")
    target = getattr(importlib.import_module(module), function)
    assert inspect.getdoc(target).splitlines()[0].startswith(entry.summary[:-1])
    ran = mm(*name.split(), "--help")
    assert ran.code == 0
    assert "--json" in ran.out or name == "plugins schema"  # whose answer is JSON


def test_the_list_of_commands_says_what_each_is_for(mm):
    out = " ".join(mm("--help").out.replace("│", " ").split())  # long lines go on in the next
    for name, entry in Commands.lazy.items():
        assert f" {name} " in out
        assert entry.summary in out


def test_list_of_commands_imports_none_of_them():
    """Nor anything heavy, though it asks plugins for their commands."""
    code = (
        "import json, sys; from typer.testing import CliRunner; from mm_core.cli.app import app\n"
        "done = CliRunner().invoke(app, ['--help']); assert 'Train a model' in done.stdout\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    targets = {entry.target.partition(":")[0] for entry in ENTRIES.values()}
    assert imported & (HEAVY | targets) == set()


def test_version(mm):
    from mm_core import __version__

    assert mm("--version").out.strip() == f"mm-core {__version__}"


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "mm_core", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("mm-core ")
