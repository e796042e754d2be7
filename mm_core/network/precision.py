"""The precision that a network trains in, and answers in."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch

from mm_core.api.errors import ConfigError

FULL = "32"
DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Precision -> what matrices are multiplied in."""


def chosen(wanted: str) -> str:
    """``auto``: bf16 where the GPU has it, else full precision, which CPUs are fastest with.

    Raises:
        ConfigError: 16-mixed without a GPU.
    """
    if wanted == "16-mixed" and not torch.cuda.is_available():
        raise ConfigError(
            "training.precision=16-mixed needs a GPU, and there is none",
            value=wanted,
            remedy="set training.precision to auto, 32 or bf16-mixed",
        )
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if _has_bf16() else FULL


def usual(trained: str, device: torch.device) -> str:
    """That of a prediction which asks for none.

    On a GPU that of training; on a CPU, and where a GPU lacks bf16, full precision.

    Args:
        trained: what the weights were trained in.
        device: where they are.
    """
    if device.type != "cuda" or (trained == "bf16-mixed" and not _has_bf16()):
        return FULL
    return trained


def mixed(precision: str, device: torch.device) -> Any:
    """Inside, a network on the device computes in that precision.

    Raises:
        ConfigError: it is none.
    """
    if precision != FULL and precision not in DTYPES:
        raise ConfigError(
            f"precision={precision!r}",
            value=precision,
            remedy=f"use {FULL}, {', '.join(DTYPES)}",
        )
    if precision == FULL:
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def _has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
