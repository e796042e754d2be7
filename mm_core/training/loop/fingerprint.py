"""Which weights a network has, known again on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.training.loop.learned import checksum
from mm_core.training.loop.weights import changing

_WHOLE_NUMBERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a number -> type of a whole number of that size."""


def fingerprint(network: nn.Module) -> np.ndarray:
    """int64 [tensors], the sum of the bits of each that training changes, read as whole numbers;
    one more for what a topology learned beside them.

    No two steps leave them alike, and they are the same on every device: sums of numbers with a
    fraction depend on the order in which a device adds them up.
    """
    values = changing(network).values()
    sums = [_as_whole_numbers(value).sum(dtype=torch.int64) for value in values]
    weights = torch.stack([one.to(sums[0].device) for one in sums]).tolist() if sums else []
    return np.array([*weights, *checksum(network)], dtype=np.int64)


def _as_whole_numbers(value: Tensor) -> Tensor:
    value = torch.view_as_real(value) if value.is_complex() else value
    return value.view(_WHOLE_NUMBERS[value.element_size()])
