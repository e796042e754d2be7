"""Where a search for settings usually looks, as data."""

from __future__ import annotations

from mm_core.api import Search

_DROPOUT = {"dropout": Search(0, 0.4)}
_LAYERS = {**_DROPOUT, "layers": Search(1, 3, whole=True)}

SPACES: dict[str, dict[str, Search]] = {
    **dict.fromkeys(("gmu", "gated_residual", "film", "deepset", "shaspec", "tmc"), _DROPOUT),
    **dict.fromkeys(("cls_transformer", "cross_attention", "mbt", "perceiver"), _LAYERS),
    "moe": {**_DROPOUT, "experts": Search(2, 8, whole=True)},
    "tfn": {**_DROPOUT, "dim": Search(choices=(4, 8, 12))},
    "lmf": {**_DROPOUT, "rank": Search(choices=(2, 4, 8))},
    "block": {**_DROPOUT, "rank": Search(choices=(2, 4, 8))},
    "modality_dropout": {"rate": Search(0, 0.5)},
    "align": {"weight": Search(0.01, 1, log=True)},
    "fusemix": {"alpha": Search(0.2, 4, log=True)},
    "ogm_ge": {"strength": Search(0, 1)},
}
"""Head -> setting -> range."""

CACHED = {
    "training.head_learning_rate": Search(3e-4, 1e-2, log=True),
    "training.weight_decay": Search(1e-4, 1e-1, log=True),
}
"""Of heads on kept latents: there is no backbone whose rate could matter."""
