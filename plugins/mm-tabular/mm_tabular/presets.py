"""Preset values, as data."""

from __future__ import annotations

from typing import Any

MLP_PRESETS: dict[str, dict[str, Any]] = {
    "medium_quality": {"width": 128, "n_blocks": 2},
    "high_quality": {"width": 256, "n_blocks": 2},
    "best_quality": {"width": 512, "n_blocks": 3},
}

FT_PRESETS: dict[str, dict[str, Any]] = {
    "medium_quality": {"width": 64, "n_blocks": 2},
    "high_quality": {"width": 192, "n_blocks": 3},
    "best_quality": {"width": 192, "n_blocks": 4},
}

TABM_PRESETS: dict[str, dict[str, Any]] = {
    "medium_quality": {"width": 128, "n_blocks": 2, "members": 4},
    "high_quality": {"width": 256, "n_blocks": 2, "members": 8},
    "best_quality": {"width": 512, "n_blocks": 3, "members": 8},
}

REALMLP_PRESETS: dict[str, dict[str, Any]] = {
    "medium_quality": {"width": 128, "n_blocks": 3},
    "high_quality": {"width": 256, "n_blocks": 3},
    "best_quality": {"width": 256, "n_blocks": 3},
}

MLP_ALONE: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 256,
    "head_learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "layer_decay": 1.0,
    "schedule": "constant",
    "warmup": 0.0,
    "patience": 12,
    "average": "ema",
    "ema_decay": 0.99,
}
"""Training values where the MLP is the only backbone.

The rate never falls, so that early stopping may come at any time; the moving average over about a
hundred steps (half a dozen epochs at 5,000 rows) does what a falling rate would do.
"""

FT_ALONE: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 256,
    "head_learning_rate": 5e-4,
    "weight_decay": 1e-5,
    "layer_decay": 1.0,
    "schedule": "constant",
    "warmup": 0.0,
    "patience": 12,
}
"""Training values where the FT-Transformer is the only backbone."""

TABM_ALONE: dict[str, Any] = {**MLP_ALONE, "epochs": 150, "patience": 16}
"""Training values where TabM is the only backbone: the MLP's, and longer, as a member sees a share
of the rows in an epoch."""

REALMLP_ALONE: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 256,
    "head_learning_rate": 4e-3,
    "weight_decay": 0.2,
    "layer_decay": 1.0,
    "schedule": "coslog4",
    "warmup": 0.0,
    "patience": 40,
}
"""Training values where RealMLP is the only backbone.

The paper's rate of 0.04 and decay of 0.02 hold for weights of layers, which learn ten times faster
than this rate says (``realmlp.FASTER``). The best weights are most often those at the end of one of
the schedule's four waves: the patience is longer than any but the last.
"""
