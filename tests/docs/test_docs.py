"""The documentation is true: its code runs, its links lead somewhere, every hook is described."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mm_core import MultiModalPredictor
from mm_core.plugins.loading import component_hooks

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for folder in ("", "docs", "docs/plugins", "docs/decisions", "benchmarks")
    for page in (ROOT / folder).glob("*.md")
)
HOOKS = ["mm_plugin_info", *component_hooks()]


def _generator():
    spec = importlib.util.spec_from_file_location("generate_hooks", ROOT / "docs/generate_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_quickstart_runs_from_top_to_bottom(tmp_path):
    code = "\n".join(_python_blocks(ROOT / "docs" / "quickstart.md"))
    assert "MultiModalPredictor.load" in code
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=tmp_path)


def test_the_readme_runs(tmp_path, monkeypatch, small_table):
    monkeypatch.chdir(tmp_path)
    frame = small_table.rename(columns={"kind": "y"})
    for name in ("train", "test", "new"):
        frame.to_csv(f"{name}.csv", index=False)
    (code,) = _python_blocks(ROOT / "README.md")
    exec(code, {})


def test_contributing_runs(tmp_path, monkeypatch, small_table):
    monkeypatch.chdir(tmp_path)
    head, use = _python_blocks(ROOT / "CONTRIBUTING.md")
    (tmp_path / "my_head.py").write_text(head)
    small_table.rename(columns={"kind": "y"}).to_csv("train.csv", index=False)
    made = {}
    exec(use, made)
    assert made["predictor"].recipe.data.label == ("y",)


def test_first_plugin_of_contributing_works(tmp_path, table_maker, random_weights):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- test: first-plugin -->\n```python\n(.*?)```", text, re.DOTALL).group(1)
    (tmp_path / "my_head.py").write_text(code)
    frame = table_maker(30, tmp_path / "pictures")
    predictor = MultiModalPredictor(
        "liked",
        plugins=[tmp_path / "my_head.py"],
        hyperparameters=random_weights | {"fusion": "max", "training.epochs": 1},
        verbosity=0,
    ).fit(frame)
    assert predictor.recipe.fusion.id == "my_head:max"
    with pytest.warns(Warning, match="review"):
        answers = predictor.predict_proba(frame.drop(columns="review"))
    assert np.isfinite(answers.to_numpy()).all()


def test_hook_reference_is_what_the_code_says():
    generator = _generator()
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), (
        "run: python docs/generate_hooks.py"
    )


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_signature(hook):
    from mm_core.api import hookspecs

    signature = _generator().signature(hook, getattr(hookspecs, hook))
    page = (ROOT / "docs" / "plugins" / "hooks.md").read_text(encoding="utf-8")
    assert f"## `{signature}`" in page


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test_of_its_name(hook):
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "plugins").glob("test_*.py"))
    assert f"def test_hook_{hook}(" in tests


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    missing = [link for link in links if not _leads_somewhere(page, link)]
    assert not missing


def _leads_somewhere(page, link):
    if link.startswith(("http:", "https:")):
        return True
    name, _, anchor = link.partition("#")
    target = (page.parent / name) if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page):
    """The names by which GitHub links to the headings of a page."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_link_to_a_heading_that_is_gone_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# `mm_tasks() -> Sequence[TaskSpec]`\n\n```\n# no heading\n```\n")
    assert _leads_somewhere(page, "#mm_tasks---sequencetaskspec")
    assert not _leads_somewhere(page, "#no-heading")
    assert not _leads_somewhere(page, "other.md#mm_tasks")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_documentation_exist(page):
    known = {
        "fit", "evaluate", "predict", "plan", "inspect", "embed", "presets", "plugins", "demo",
        "export",
        "hello", "weigh", "slices", "surest",  # of plugins, on the pages that write them
        "importances",  # of mm-trees
        "detection",  # of mm-detection
        "segmentation",  # of mm-segmentation
        "ner",  # of mm-ner
        "explain", "report",  # of mm-report
        "serve",  # of mm-serve
        "leaderboard",  # of mm-ensemble
        "compare", "robustness",  # of mm-compare
        "cache",  # of mm-fusion
        "merge",  # of mm-lego
        "duplicates", "index", "mine_negatives", "search",  # of mm-matching
        "tune",  # of mm-tune
    }  # fmt: skip
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    used = {
        re.sub(r"^mm (--plugin \S+ )?", "", line).split()[0]
        for block in blocks
        for line in block.splitlines()
        if line.startswith("mm ")
    }
    assert used <= known
    targets = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_page_of_benchmarks_is_what_the_result_files_say():
    from benchmarks.report import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page()
