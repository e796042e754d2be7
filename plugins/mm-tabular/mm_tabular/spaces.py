"""Where a search for settings usually looks, as data: parts of the papers' spaces."""

from __future__ import annotations

from mm_core.api import Search

_LAYERS = {"dropout": Search(0, 0.4), "width": Search(choices=(128, 256, 512))}
_BATCHES = {"training.batch_size": Search(choices=(128, 256, 512))}

MLP_SPACE = {
    **_LAYERS,
    **_BATCHES,
    "training.head_learning_rate": Search(5e-4, 1e-2, log=True),
    "training.weight_decay": Search(1e-4, 1e-1, log=True),
}
"""TabM's too."""

REALMLP_SPACE = {
    **_LAYERS,
    **_BATCHES,
    "training.head_learning_rate": Search(1e-3, 2e-2, log=True),
    "training.weight_decay": Search(1e-2, 1, log=True),
}

FT_SPACE = {
    "attention_dropout": Search(0, 0.5),
    "ffn_dropout": Search(0, 0.5),
    "width": Search(choices=(64, 128, 192, 256)),
    **_BATCHES,
    "training.head_learning_rate": Search(1e-4, 2e-3, log=True),
    "training.weight_decay": Search(1e-6, 1e-3, log=True),
}
