"""One-file plugins."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mm_core.api import PluginLoadError, UnknownComponentError
from mm_core.api.specs import FusionHeadSpec
from mm_core.plugins import Registry

FILE = """
from __future__ import annotations

from mm_core.api import Config, FusionHeadSpec, PluginInfo, hookimpl
from pydantic import Field


@hookimpl
def mm_plugin_info() -> PluginInfo:
    return PluginInfo(api=(2, 0), summary="one file")


@hookimpl
def mm_fusion_heads() -> list[FusionHeadSpec]:
    return [FusionHeadSpec(name="tiny", target="my_head:Tiny", config="my_head:TinyConfig",
                           summary="tiny")]


class TinyConfig(Config):
    width: int = Field(default=4, description="width")


class Tiny:
    answer = ANSWER
"""


@pytest.fixture
def my_head(tmp_path: Path) -> Path:
    file = tmp_path / "my_head.py"
    file.write_text(FILE.replace("ANSWER", "1"))
    return file


def test_targets_resolve_to_the_file_and_its_hash_is_recorded(my_head: Path) -> None:
    registry = Registry(entry_points=[], local=[my_head])
    assert registry.problems == []
    component = registry.get(FusionHeadSpec, "my_head:tiny")
    assert component.load().answer == 1
    assert component.config_class()().model_dump() == {"width": 4}
    assert component.plugin.file == my_head.resolve()
    assert component.plugin.sha256 == hashlib.sha256(my_head.read_bytes()).hexdigest()
    assert component.plugin.distribution is None
    assert "my_head" not in sys.modules


def test_an_unchanged_file_keeps_its_classes_and_an_edited_one_is_read_anew(my_head: Path) -> None:
    def tiny() -> type:
        loaded: type = Registry([], local=[my_head]).get(FusionHeadSpec, "tiny").load()
        return loaded

    first = tiny()
    assert tiny() is first
    my_head.write_text(FILE.replace("ANSWER", "2"))
    assert vars(tiny())["answer"] == 2
    assert vars(first)["answer"] == 1


def test_it_shadows_no_module_of_the_same_name(tmp_path: Path, my_head: Path) -> None:
    file = tmp_path / "json.py"
    file.write_text(FILE.replace("ANSWER", "3").replace("my_head:", "json:"))
    import json

    registry = Registry([], local=[file, my_head])
    assert registry.get(FusionHeadSpec, "json:tiny").load().answer == 3
    assert sys.modules["json"] is json


def test_a_broken_file_is_a_problem_and_leaves_no_module(tmp_path: Path) -> None:
    file = tmp_path / "bad_head.py"
    file.write_text("1 / 0")
    before = set(sys.modules)
    registry = Registry([], local=[file])
    (problem,) = registry.problems
    assert isinstance(problem.error, PluginLoadError)
    assert "ZeroDivisionError" in problem.error.message
    assert str(file) in problem.error.message
    assert problem.error.remedy == f"correct {file.resolve()}"
    assert not [name for name in set(sys.modules) - before if "bad_head" in name]
    with pytest.raises(UnknownComponentError, match="ZeroDivisionError"):
        registry.get(FusionHeadSpec, "tiny")


@pytest.mark.parametrize("name", ["my-head.py", "MyHead.py", "not_there.py", "notes.txt"])
def test_files_that_cannot_be_plugins(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name != "not_there.py":
        file.write_text(FILE)
    (problem,) = Registry([], local=[file]).problems
    assert str(file) in problem.error.message
    assert problem.error.remedy


def test_same_name_as_an_installed_plugin_names_both(
    install: Callable[..., str], my_head: Path
) -> None:
    install("my_head", "")
    registry = Registry(local=[my_head])
    (problem,) = [problem for problem in registry.problems if problem.name == "my_head"]
    assert str(my_head) in problem.error.message
    assert "mm-my_head 1.2" in problem.error.message


def test_the_same_file_given_twice_counts_once(my_head: Path) -> None:
    again = my_head.parent / "." / my_head.name
    assert Registry([], local=[my_head, again]).problems == []
