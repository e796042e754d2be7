"""Tasks that are nothing like the kit's own points pass it, without an expected failure."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = Path(__file__).with_name("files")


@pytest.mark.mm_plugin(str(FILES / "boxes.py"))
def test_a_sound_task_of_ragged_boxes(conformance_check):
    """A direct model: its own loss, outputs, view and files, no logits and no expected failure."""
    conformance_check()


@pytest.mark.mm_plugin(str(FILES / "spans.py"))
def test_a_sound_task_of_spans(conformance_check):
    """Labels that are lists of dicts; answers by offsets that the processor put into meta."""
    conformance_check()
