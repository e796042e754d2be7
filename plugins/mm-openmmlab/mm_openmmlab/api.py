"""What other distributions may import. Heavy: torch; mmengine where a model is built."""

from __future__ import annotations

from mm_openmmlab.building import Colours, Made, made
from mm_openmmlab.library import Library
from mm_openmmlab.resolving import Model

__all__ = ["Colours", "Library", "Made", "Model", "made"]
