"""Tiny distributions, written into a folder on ``sys.path`` as pip would leave them."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[..., str]

HEADER = """
from mm_core.api import (
    FusionHeadSpec, MetricSpec, PluginInfo, PresetSpec, TaskSpec, hookimpl,
)
"""
INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")
"""
HEAD = """
@hookimpl
def mm_fusion_heads():
    return [FusionHeadSpec(name="{name}", target="{module}:Head", summary="a head")]


class Head:
    pass
"""
_NUMBERS = itertools.count()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of installed packages; what is imported from it is forgotten afterwards."""
    for name in ("MM_PLUGINS", "MM_DISABLE_PLUGINS", "MM_STRICT_PLUGINS", "MM_TRACE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("mmfix"):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """``install(name, body)`` installs a plugin and gives the name of its module.

    ``body`` follows the import of the API; ``{module}`` in it stands for the module's name.
    """

    def write(
        name: str, body: str, *, distribution: str | None = None, version: str = "1.2"
    ) -> str:
        module = f"mmfix{next(_NUMBERS)}_{name.replace('-', '_')}"
        distribution = distribution or f"mm-{name}"
        body = textwrap.dedent(body).replace("{module}", module)
        (site / f"{module}.py").write_text(HEADER + body)
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(f"[mm_core.plugins]\n{name} = {module}\n")
        return module

    return write


@pytest.fixture
def good(install: Install) -> str:
    """An installed plugin ``good`` with the fusion head ``good:shiny``."""
    return install("good", INFO + HEAD.replace("{name}", "shiny"))


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known plugin that is not installed: ``far`` of mm-far."""
    line = {"install": "pip install mm-far", "components": {"fusion_head": ["tensor_train"]}}
    monkeypatch.setattr("mm_core.plugins.known.known_plugins", lambda: {"far": line})
