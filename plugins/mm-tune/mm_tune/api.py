"""What other distributions may import. No torch, no Optuna, no Ray before a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mm_core.api import Search
from mm_tune.on_ray import Ray

if TYPE_CHECKING:
    from mm_tune.searching import Tuned

__all__ = ["Ray", "Search", "tune"]


def tune(data: Any, label: Any, **settings: Any) -> Tuned:
    """Search for settings; see :func:`mm_tune.searching.tune`."""
    from mm_tune.searching import tune as search

    return search(data, label, **settings)
