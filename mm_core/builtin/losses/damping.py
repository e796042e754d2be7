"""What the focal losses share."""

from __future__ import annotations

import torch
from torch import Tensor


def damped(wrong: Tensor, gamma: float) -> Tensor:
    """``wrong^gamma``, with a finite gradient where ``wrong`` is 0 and gamma below 1."""
    return wrong.clamp_min(torch.finfo(wrong.dtype).eps) ** gamma
