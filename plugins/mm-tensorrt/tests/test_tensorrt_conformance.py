"""What every plugin keeps; what needs TensorRT, where that is installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.mm_plugin("tensorrt")
def test_conformance(conformance_check: Callable[[], None]) -> None:
    """One test for each check of each component."""
    conformance_check()
