"""What other distributions may import. Importing it imports nothing heavy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_fusion.above import Above
    from mm_fusion.batches import LATENTS
    from mm_fusion.cached import CachedHeads
    from mm_fusion.configs import CachedConfig

__all__ = ["LATENTS", "Above", "CachedConfig", "CachedHeads"]

_HOMES = {
    "LATENTS": "mm_fusion.batches",
    "Above": "mm_fusion.above",
    "CachedConfig": "mm_fusion.configs",
    "CachedHeads": "mm_fusion.cached",
}


def __getattr__(name: str) -> Any:
    """What stands in a module of its own, imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
