"""For every test of core and plugins: no network, quiet threads, real failures on our warnings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

GUARD = Path(__file__).parent / "tests" / "guard"
sys.path.insert(0, str(GUARD))

import sitecustomize  # noqa: E402  (blocks sockets in this process)


@pytest.fixture(autouse=True, scope="session")
def _no_network_in_subprocesses() -> None:
    """Python processes that tests start are guarded too, and no hub answers from a cache."""
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{GUARD}{os.pathsep}{path}" if path else str(GUARD)
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def guard() -> type[Exception]:
    """The error that a blocked socket raises."""
    return sitecustomize.NetworkBlockedError
