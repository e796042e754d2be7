"""The table of commands: every entry can be typed, and says in the list what its help says."""

from __future__ import annotations

import importlib
import inspect

import pytest

from mm_core.cli.app import Commands, PluginCommands

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


def test_list_of_commands_imports_none_of_them(mm, monkeypatch):
    monkeypatch.setattr(importlib, "import_module", None)
    out = mm("--help").out
    for name, entry in Commands.lazy.items():
        assert name in out
        assert entry.summary in out


def test_version(mm):
    from mm_core import __version__

    assert mm("--version").out.strip() == f"mm-core {__version__}"
