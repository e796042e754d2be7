"""Where a search for settings usually looks, as data."""

from __future__ import annotations

from mm_core.api import Search

_RATE = {"learning_rate": Search(0.01, 0.3, log=True)}
_LEAFWISE = {
    **_RATE,
    "leaves": Search(8, 128, log=True, whole=True),
    "min_rows": Search(5, 100, log=True, whole=True),
    "feature_share": Search(0.5, 1),
}

SPACES = {
    "catboost": {
        **_RATE,
        "depth": Search(4, 9, whole=True),
        "l2": Search(1, 30, log=True),
    },
    "lightgbm": _LEAFWISE,
    "hist_gradient_boosting": _LEAFWISE,
}
"""Fitter -> setting -> range."""
