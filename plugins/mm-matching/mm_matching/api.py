"""What other distributions may import. Importing it imports nothing heavy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_matching.bi_encoder import BiEncoder
    from mm_matching.by_id import ById
    from mm_matching.index import Index
    from mm_matching.sentence import SentenceEncoder
    from mm_matching.task import Similarity

__all__ = ["BiEncoder", "ById", "Index", "SentenceEncoder", "Similarity"]

_HOMES = {
    "BiEncoder": "mm_matching.bi_encoder",
    "ById": "mm_matching.by_id",
    "Index": "mm_matching.index",
    "SentenceEncoder": "mm_matching.sentence",
    "Similarity": "mm_matching.task",
}


def __getattr__(name: str) -> Any:
    """A class, imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
