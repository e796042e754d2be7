"""What other distributions may import. Importing it imports nothing heavy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mm_text.catalogue import WEIGHT_PACKAGE
from mm_text.configs import HFTextConfig, HFTokenizerConfig

if TYPE_CHECKING:
    from mm_text.hf import HFText
    from mm_text.hf_tokenizer import HFTokenizer
    from mm_text.pretrained import new_model, read_model, rebuild_model, saved_config
    from mm_text.ragged import Ragged
    from mm_text.vocabulary import Vocabulary, read_vocabulary

__all__ = [
    "WEIGHT_PACKAGE",
    "HFText",
    "HFTextConfig",
    "HFTokenizer",
    "HFTokenizerConfig",
    "Ragged",
    "Vocabulary",
    "new_model",
    "read_model",
    "read_vocabulary",
    "rebuild_model",
    "saved_config",
]

_HOMES = {
    "HFText": "mm_text.hf",
    "HFTokenizer": "mm_text.hf_tokenizer",
    "Ragged": "mm_text.ragged",
    "Vocabulary": "mm_text.vocabulary",
    "new_model": "mm_text.pretrained",
    "read_model": "mm_text.pretrained",
    "read_vocabulary": "mm_text.vocabulary",
    "rebuild_model": "mm_text.pretrained",
    "saved_config": "mm_text.pretrained",
}


def __getattr__(name: str) -> Any:
    """A class or function, imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
