"""docs/plugins: every block runs, every example keeps the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.page import follow

GUIDES = Path(__file__).parents[2] / "docs" / "plugins"


def test_the_tutorial_runs_from_top_to_bottom(tmp_path):
    run = follow(GUIDES / "tutorial.md", tmp_path)
    assert (run.folder / "answers.csv").exists()


@pytest.mark.parametrize("page", ["backbone", "fusion", "modality", "processor", "task", "testing"])
def test_a_guide_runs_from_top_to_bottom(page, tmp_path):
    follow(GUIDES / f"{page}.md", tmp_path)
