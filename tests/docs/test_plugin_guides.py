"""docs/plugins: every block runs, every example keeps the rules, no copy of the code drifts."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from mm_core.plugins.loading import component_hooks
from tests.docs.page import blocks, follow

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page for page in sorted((ROOT / "docs" / "plugins").glob("*.md"))}
LOOKED_UP = {"README", "commands", "direct", "hooks", "stability"}
"""Pages that are not followed from top to bottom."""

GUIDES = [name for name in PAGES if name not in LOOKED_UP]
CHECKS = ROOT / "mm_core" / "testing" / "checks"


def _generator():
    path = ROOT / "docs" / "generate_guides.py"
    spec = importlib.util.spec_from_file_location("generate_guides", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _generated(what):
    """What is copied from the code, all over the pages: ``{"rules": {"tasks", ...}, ...}``."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES.values())
    found = re.findall(rf"<!-- generated: {what} ([^>]+?) -->", text)
    return {name for names in found for name in names.split()}


@pytest.mark.filterwarnings("ignore::mm_core.api.MMWarning")
@pytest.mark.parametrize("name", GUIDES)
def test_a_page_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    follow(PAGES[name], tmp_path, monkeypatch)


@pytest.mark.parametrize("name", PAGES)
def test_signatures_and_rules_are_what_the_code_says(name):
    text = PAGES[name].read_text(encoding="utf-8")
    assert text == _generator().filled(text), "run: python docs/generate_guides.py"


def test_every_hook_and_every_rule_has_a_guide():
    assert _generated("hook") == set(component_hooks())
    assert _generated("rules") == {path.stem for path in CHECKS.glob("[!_]*.py")}


@pytest.mark.parametrize("name", [name for name in GUIDES if name != "testing"])
def test_the_kit_tries_the_example_of_each_guide(name):
    written = [block.option("file") for block in blocks(PAGES[name])]
    checked = re.findall(r"^mm plugins check \w+ .*--plugin \./(\S+)$", _commands(name), re.M)
    assert set(checked) & set(written)


def test_every_page_is_in_the_index():
    index = PAGES["README"].read_text(encoding="utf-8")
    assert {name for name in PAGES if f"]({name}.md)" not in index} == {"README"}


def test_direct_models_are_shown_as_the_example_has_them():
    """Its pieces are no program; each stands in a file of the example."""
    package = ROOT / "examples" / "mm-boxes" / "mm_boxes"
    code = "".join(file.read_text(encoding="utf-8") for file in package.glob("*.py"))
    shown = re.findall(r"^```\w+\n(.*?)^```", PAGES["direct"].read_text("utf-8"), re.M | re.S)
    assert len(shown) == 5
    assert [piece for piece in shown if piece not in code] == []


def test_blocks_that_are_not_run_say_why():
    """All other blocks of Python and of commands are run, but for those that only name commands."""
    said = [
        reason
        for name in GUIDES
        for reason in re.findall(r"<!-- not run: ([^>]*) -->", PAGES[name].read_text("utf-8"))
    ]
    assert all(said)
    assert len(said) <= 5


def test_a_wrong_line_of_output_is_noticed(tmp_path, monkeypatch):
    """The harness of these tests itself."""
    page = tmp_path / "page.md"
    page.write_text('```python\nprint("7 rows")\n```\n\n```text\n8 rows\n```\n', encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page\.md:5"):
        follow(page, tmp_path / "right", monkeypatch)
    page.write_text(page.read_text().replace("text\n", "text about\n"), encoding="utf-8")
    follow(page, tmp_path / "about", monkeypatch)


def test_a_command_that_fails_is_noticed(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```console\nmm plugins show no-such-plugin\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="no-such-plugin"):
        follow(page, tmp_path / "fails", monkeypatch)
    page.write_text(page.read_text().replace("console", "console fails"), encoding="utf-8")
    follow(page, tmp_path / "expected", monkeypatch)


def _commands(name):
    return "".join(block.text for block in blocks(PAGES[name]) if block.kind == "console")
