"""The example plugins as strangers have them: wheels, an untouched core, their own tests."""

from __future__ import annotations

import hashlib
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mm_core.testing.kit import cases

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(file.parent for file in (ROOT / "examples").glob("*/pyproject.toml"))
FILES = [
    pytest.param(path, marks=[pytest.mark.slow] if path.name == "coco.py" else [])
    for path in sorted((ROOT / "examples").glob("*.py"))
]
TOOLS = ("pytest", "iniconfig", "pluggy", "pygments")


def _tested_beside(example: Path) -> list[str]:
    """Plugins of this repository that the example's tests need."""
    project = tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [Requirement(text).name for text in project["optional-dependencies"]["test"]]
    return [name.removeprefix("mm-") for name in wanted if name.startswith("mm-")]


def _core(environment) -> str:
    digest = hashlib.sha256()
    for path in sorted((environment.site / "mm_core").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_a_package_beside_an_untouched_core(example, holding, wheel, link_tool, linked):
    environment = holding(*_tested_beside(example))
    before = _core(environment)
    environment.install(wheel(example.name.removeprefix("mm-")))
    linked(environment.site)
    for tool in TOOLS:
        link_tool(distribution(tool), environment.site)
    done = environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", example)
    assert done.returncode == 0, done.stdout[-3000:]
    assert _core(environment) == before


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_a_file_keeps_the_rules(file):
    outcomes = {case.id: case.outcome() for case in cases(file.stem, [file])}
    assert outcomes
    assert {name: one.message for name, one in outcomes.items() if not one.good} == {}
