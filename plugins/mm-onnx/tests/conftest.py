"""Exports are followed by torch at length; pytest would keep and format every line of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _quiet_trace() -> Iterator[None]:
    trace = logging.getLogger("torch.__trace")
    before = trace.disabled
    trace.disabled = True
    yield
    trace.disabled = before
