"""Plugins that a release has, whether installed or not: a shipped list, ``known_plugins.json``.

What stands there is advised (``pip install ...``), so nothing else may: a test compares the list
with the distributions that are released together and with what they offer.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def known_plugins() -> dict[str, dict[str, Any]]:
    """Plugin name -> ``install`` line, ``components`` by kind."""
    text = files("mm_core.plugins").joinpath("known_plugins.json").read_text(encoding="utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)
    return known


def install_line(plugin: str) -> str | None:
    """What to type to install ``plugin``, or None when it is not a known one."""
    known = known_plugins().get(plugin)
    return None if known is None else str(known["install"])


def missing_for(kind: str, present: set[str]) -> list[str]:
    """Install lines of known plugins that offer components of ``kind`` not among ``present``."""
    return [
        str(known["install"])
        for known in known_plugins().values()
        if set(known["components"].get(kind, ())) - present
    ]


def plugin_offering(kind: str, name: str) -> str | None:
    """The known plugin that has component ``name`` (short, or ``plugin:name``), or None."""
    if ":" in name:
        return name.split(":", 1)[0]
    for plugin, known in known_plugins().items():
        if name in known["components"].get(kind, ()):
            return plugin
    return None
