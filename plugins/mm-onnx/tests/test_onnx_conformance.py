"""What every plugin keeps: the checks of mm-core, on the graph in samples.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.mm_plugin("onnx")
def test_conformance(conformance_check: Callable[[], None]) -> None:
    """One test for each check of each component."""
    conformance_check()
