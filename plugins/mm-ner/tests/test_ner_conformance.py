"""What every plugin keeps: mm-core's own checks, on the texts and labels in samples.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.mm_plugin("ner")
def test_conformance(conformance_check: Callable[[], None]) -> None:
    """One test for each check of each component."""
    conformance_check()
