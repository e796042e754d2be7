"""Rule 3 and the switches: discovery is light, and says which plugins count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mm_core.plugins import Registry

INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")
"""


def names(registry: Registry) -> set[str]:
    return {plugin.name for plugin in registry.plugins}


@pytest.fixture
def three(install: Callable[..., str]) -> list[str]:
    for name in ("red", "green", "blue"):
        install(name, INFO)
    return ["blue", "green", "red"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MM_PLUGINS": "red, blue"}, {"core", "red", "blue"}),
        ({"MM_PLUGINS": ""}, {"core"}),
        ({"MM_PLUGINS": "red,blue", "MM_DISABLE_PLUGINS": "blue"}, {"core", "red"}),
    ],
)
def test_switches(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: set[str]
) -> None:
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    registry = Registry()
    assert names(registry) == expected
    assert registry.problems == []


@pytest.mark.usefixtures("three")
def test_disable_takes_out_only_those(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_DISABLE_PLUGINS", "green,core")
    assert {"core", "red", "blue"} <= names(Registry())
    assert "green" not in names(Registry())


@pytest.mark.usefixtures("three", "far")
@pytest.mark.parametrize(
    ("asked", "remedy"), [("gren", "did you mean 'green'?"), ("far", "pip install mm-far")]
)
def test_wanting_a_plugin_that_is_not_installed_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, asked: str, remedy: str
) -> None:
    monkeypatch.setenv("MM_PLUGINS", f"red,{asked}")
    registry = Registry()
    assert names(registry) == {"core", "red"}
    (problem,) = registry.problems
    assert problem.name == asked
    assert problem.error.remedy == remedy


def test_a_plugin_that_is_not_wanted_is_not_imported(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = install("red", INFO)
    monkeypatch.setenv("MM_PLUGINS", "")
    Registry()
    assert module not in sys.modules


@pytest.mark.usefixtures("three")
def test_trace_prints_each_call_with_plugin_and_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MM_PLUGINS", "red")
    Registry()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("MM_TRACE_PLUGINS", "1")
    Registry()
    lines = capsys.readouterr().err.splitlines()
    assert any("red: mm_plugin_info()" in line and "a fixture" in line for line in lines)
    assert any("core: mm_tasks()" in line and "name='binary'" in line for line in lines)


_IMPORTED = """
import json, sys
from mm_core.plugins import Registry
registry = Registry()
print(json.dumps({
    "plugins": len(registry.plugins),
    "problems": [problem.error.message for problem in registry.problems],
    "heavy": sorted({name.split(".")[0] for name in sys.modules} & {
        "torch", "transformers", "pandas", "numpy", "timm", "torchvision", "sklearn", "lightning"}),
}))
"""


def imported(site: Path, environ: dict[str, str]) -> dict[str, object]:
    """What a fresh process finds and imports."""
    environ = {**os.environ, "PYTHONPATH": str(site), **environ}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED], env=environ, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_discovery_of_30_plugins_imports_nothing_heavy(
    site: Path, install: Callable[..., str]
) -> None:
    # What it costs is measured by benchmarks/discovery.py.
    wanted = [f"fixture{i:02d}" for i in range(30)]
    for name in wanted:
        install(
            name,
            INFO + "@hookimpl\ndef mm_fusion_heads():\n"
            "    return [FusionHeadSpec(name='x', target='torch.nn:Linear', summary='x')]\n",
        )
    found = imported(site, {"MM_PLUGINS": ",".join(wanted)})
    assert found == {"plugins": 31, "problems": [], "heavy": []}


def test_discovery_of_everything_installed_imports_nothing_heavy(site: Path) -> None:
    assert imported(site, {})["heavy"] == []
