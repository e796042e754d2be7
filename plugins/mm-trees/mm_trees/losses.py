"""The losses that trees train by. Light: strings only."""

from __future__ import annotations

LOSSES = {
    "core:cross_entropy": ("class", "classes"),
    "core:mse": ("value", "mse"),
    "core:mae": ("value", "mae"),
    "core:huber": ("value", "huber"),
    "core:quantile": ("value", "quantile"),
    "core:bce": ("labels", "labels"),
}
"""Loss of the recipe -> the target it reads, and what it is to the trees."""
