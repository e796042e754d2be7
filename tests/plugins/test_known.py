"""What is advised to be installed is what a release has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mm_core import MultiModalPredictor
from mm_core.api.errors import UnknownComponentError
from mm_core.plugins.known import known_plugins
from mm_core.plugins.loading import component_hooks
from mm_core.plugins.registry import Registry

ROOT = Path(__file__).parents[2]


def released() -> dict[str, str]:
    """Plugin name -> distribution, of those that are released with the core."""
    found = {}
    for file in (ROOT / "plugins").glob("*/pyproject.toml"):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for name in project["entry-points"]["mm_core.plugins"]:
            found[name] = project["name"]
    return found


def test_known_plugins_are_those_of_the_release():
    lines = {name: known["install"] for name, known in known_plugins().items()}
    assert lines == {name: f"pip install {dist}" for name, dist in released().items()}


def test_they_have_what_is_said_of_them():
    registry = Registry()
    kinds = {spec.kind: spec for spec in component_hooks().values()}
    for plugin, known in known_plugins().items():
        if plugin not in [one.name for one in registry.plugins]:
            continue
        for kind, names in known["components"].items():
            offered = {c.spec.name for c in registry.all(kinds[kind]) if c.plugin.name == plugin}
            assert set(names) <= offered


@pytest.mark.parametrize("task", ["audio_tagging", "time_series"])
def test_nothing_else_is_advised(task):
    with pytest.raises(UnknownComponentError) as caught:
        MultiModalPredictor("y", problem_type=task).plan({"x": [1, 2], "y": [0, 1]})
    assert "pip install" not in caught.value.remedy
    assert "core:binary" in caught.value.remedy
