"""Without LightGBM there is nothing to test."""

from __future__ import annotations

import pytest

pytest.importorskip("lightgbm", reason="lightgbm is not installed")
