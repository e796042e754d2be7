"""Batches on their way to a device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mm_core.api.batch import Batch
from mm_core.api.features import tell_true


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The tensors on the device.

    To a GPU they go from pinned memory, and nobody waits for them: a copy from ordinary memory
    waits until the GPU is done with all that it was given before. What is known here of masks is
    told, so that nobody has to ask the GPU.
    """
    if device.type != "cuda":
        return batch.to(device)

    def moved(value: Any) -> Any:
        there = value.to(device, non_blocking=True) if hasattr(value, "to") else value
        mask = isinstance(value, Tensor) and value.dtype == torch.bool and value.device != device
        return tell_true(there) if mask and bool(value.all()) else there

    return batch.pin_memory().map(moved)
