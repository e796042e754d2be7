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
