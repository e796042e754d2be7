"""What other distributions may import. Importing it imports nothing heavy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_matching.bi_encoder import BiEncoder
    from mm_matching.by_id import ById
    from mm_matching.content import keys
    from mm_matching.index import Index
    from mm_matching.losses import info_nce
    from mm_matching.plugin import pair_task, sides
    from mm_matching.sentence import SentenceEncoder
    from mm_matching.task import Similarity

__all__ = [
    "BiEncoder",
    "ById",
    "Index",
    "SentenceEncoder",
    "Similarity",
    "info_nce",
    "keys",
    "pair_task",
    "sides",
]

_HOMES = {
    "BiEncoder": "mm_matching.bi_encoder",
    "ById": "mm_matching.by_id",
    "Index": "mm_matching.index",
    "SentenceEncoder": "mm_matching.sentence",
    "Similarity": "mm_matching.task",
    "info_nce": "mm_matching.losses",
    "keys": "mm_matching.content",
    "pair_task": "mm_matching.plugin",
    "sides": "mm_matching.plugin",
}


def __getattr__(name: str) -> Any:
    """What stands in a module of its own, imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
