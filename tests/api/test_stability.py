"""What is promised of a name: the marks, the page that lists them, and removals that are due."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.version import Version
from pydantic import BaseModel
from torch import nn

from mm_core.api import ExperimentalWarning, MMDeprecationWarning, deprecated, experimental
from mm_core.api.stability import Stability, stability
from mm_core.version import __version__

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins" / "stability.md").read_text(encoding="utf-8")
PARTS = ("commands", "dates", "nn", "numerals", "tools")
MODULES = ("mm_core.api", *(f"mm_core.api.{part}" for part in PARTS))


def on_page(title):
    """The names that a section of the page lists."""
    section = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^### |\Z)", PAGE, re.M | re.S)
    return set(re.findall(r"`(\w+)`", section.group(1)))


def exported(level=None):
    found = {}
    for module in map(importlib.import_module, MODULES):
        found |= {name: getattr(module, name) for name in module.__all__}
    return {name for name, thing in found.items() if level in (None, stability(thing).level)}


@pytest.mark.parametrize("module", MODULES)
def test_every_exported_name_is_listed_and_every_listed_name_exported(module):
    names = importlib.import_module(module).__all__
    assert on_page(f"`{module}`") == set(names), "say so in docs/plugins/stability.md"
    assert all(hasattr(importlib.import_module(module), name) for name in names)


@pytest.mark.parametrize("level", ["experimental", "deprecated"])
def test_marks_are_what_the_page_says(level):
    assert on_page(level.capitalize()) == exported(level)


def test_shipped_plugins_use_public_names_only():
    for module in MODULES:
        public = set(importlib.import_module(module).__all__)
        public |= {one.rpartition(".")[2] for one in MODULES if one.startswith(f"{module}.")}
        pattern = rf"from {re.escape(module)} import (?:\(([^)]*)\)|([^\n(]*))"
        for file in (ROOT / "plugins").glob("*/mm_*/**/*.py"):
            for found in re.findall(pattern, file.read_text(encoding="utf-8")):
                used = {name.split(" as ")[0].strip() for name in "".join(found).split(",")}
                assert used - {""} <= public, file


# ---- what is due ---------------------------------------------------------------------------------


def removals(source):
    """(line, version) of each ``deprecated(remove_in=...)`` in a source."""
    calls = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call)]
    names = [(one, getattr(one.func, "id", getattr(one.func, "attr", None))) for one in calls]
    return [
        (one.lineno, Version(keyword.value.value))
        for one, name in names
        if name == "deprecated"
        for keyword in one.keywords
        if keyword.arg == "remove_in"
    ]


def test_nothing_deprecated_is_past_its_removal():
    folders = {ROOT / "mm_core": __version__}
    for file in ROOT.glob("plugins/*/pyproject.toml"):
        version = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"]
        folders[file.parent] = version
    for folder, version in folders.items():
        for file in folder.rglob("*.py"):
            for line, removal in removals(file.read_text(encoding="utf-8")):
                assert Version(version) < removal, f"{file}, line {line}: remove it"


def test_removals_are_found_in_every_form():
    source = (
        "@deprecated(remove_in='0.2', instead='b')\ndef a(): ...\n"
        "class C:\n    @stability.deprecated(instead='d', remove_in='0.10')\n    def c(self): ...\n"
        "class deprecated_in: ...\nother(remove_in='0.1')\n"
    )
    assert removals(source) == [(1, Version("0.2")), (4, Version("0.10"))]


# ---- the marks -----------------------------------------------------------------------------------


def add(x: int, *, y: int = 2) -> int:
    """Add."""
    return x + y


class Plain:
    """Nothing of its own."""


@dataclass(frozen=True)
class Record:
    """A frozen record."""

    x: int


class Spec(BaseModel):
    """A pydantic model."""

    x: int = 1


class Layer(nn.Module):
    """A network."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1)


def fresh(thing):
    """A copy to be marked: a class is marked in place."""
    return type(thing.__name__, (thing,), {}) if isinstance(thing, type) else thing


USES = [(add, (1,)), (Plain, ()), (Record, (1,)), (Spec, ()), (Layer, ())]


@pytest.mark.parametrize(("thing", "arguments"), USES, ids=lambda one: getattr(one, "__name__", ""))
def test_experimental_warns_once(thing, arguments):
    marked = experimental(fresh(thing))
    with pytest.warns(ExperimentalWarning, match=f"{thing.__name__}.* is experimental") as caught:
        marked(*arguments)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        marked(*arguments)
    assert stability(marked) == Stability("experimental")


@pytest.mark.parametrize(("thing", "arguments"), USES, ids=lambda one: getattr(one, "__name__", ""))
def test_deprecated_warns_each_time_with_version_and_replacement(thing, arguments):
    marked = deprecated(remove_in="0.4", instead="other()")(fresh(thing))
    for _ in range(2):
        with pytest.warns(MMDeprecationWarning) as caught:
            marked(*arguments)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert str(caught[0].message).endswith(
            "is deprecated and will be removed in 0.4: use other()"
        )
    assert issubclass(MMDeprecationWarning, DeprecationWarning)
    assert stability(marked) == Stability("deprecated", "0.4", "other()")


@pytest.mark.filterwarnings("ignore")
def test_a_mark_changes_nothing_else():
    marked = experimental(add)
    assert marked(1, y=4) == 5
    assert inspect.signature(marked) == inspect.signature(add)
    assert (marked.__name__, marked.__doc__) == ("add", "Add.")
    record = fresh(Record)
    assert deprecated(remove_in="1", instead="x")(record) is record
    assert record(3) == record(x=3)
    assert inspect.signature(record) == inspect.signature(Record)
    spec = experimental(fresh(Spec))
    assert spec.model_validate({"x": 5}).x == 5
    layer = experimental(fresh(Layer))(4)
    assert [tuple(p.shape) for p in layer.parameters()] == [(1, 4), (1,)]


def test_subclasses_warn_and_are_not_marked_themselves():
    base = experimental(fresh(Layer))
    child = type("Child", (base,), {})
    with pytest.warns(ExperimentalWarning):
        child()
    assert stability(child) == stability(add) == stability(3) == Stability()


def test_a_warning_made_an_error_is_raised_again():
    marked = experimental(add)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(ExperimentalWarning):
                marked(1)
    with pytest.warns(ExperimentalWarning):
        assert marked(1) == 3


def test_the_example_of_the_page_runs():
    code = re.search(r"<!-- test: stability-marks -->\n```python\n(.*?)```", PAGE, re.S).group(1)
    names = {}
    exec(code, names)
    with pytest.warns(ExperimentalWarning, match="explain"):
        names["explain"](None)
    with pytest.warns(MMDeprecationWarning, match=r"removed in 0\.3: use explain"):
        names["describe"](None)
