"""Which rows hold the same in a side, told by what was read: vectors differ by dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_ODD = 0x9E3779B97F4A7C15 - (1 << 64)  # the golden ratio in 64 bits, as a signed number
_MIX = 0xBF58476D1CE4E5B9 - (1 << 64)
_HALF = (1 << 32) - 1


def keys(inputs: Sequence[Mapping[str, Any]], present: Sequence[Tensor]) -> Tensor:
    """int64 [B], equal for rows that hold the same in all these inputs; 0: nothing is there.

    Two rows that differ have the same key with a probability of about 2**-64; numbers are equal to
    a millionth. What stands in an absent input, and how far a text is padded, changes nothing.
    """
    total = torch.zeros_like(present[0], dtype=torch.int64)
    for number, (arrays, there) in enumerate(zip(inputs, present, strict=True)):
        code = _mixed(torch.full_like(total, number + 1))
        for name in sorted(arrays):
            code = _mixed(code + _read(arrays[name], arrays.get("attention_mask"), len(total)))
        total = _mixed(total + torch.where(there, code, 0))
    there = torch.stack(list(present)).any(dim=0)
    return torch.where(there, torch.where(total == 0, 1, total), 0)


def _read(value: Tensor, mask: Tensor | None, rows: int) -> Tensor:
    """int64 [B], a sum over what stands where."""
    bits = _bits(value)
    if mask is not None and value.shape == mask.shape:
        bits = torch.where(mask.bool(), bits + 1, 0)
    flat = bits.reshape(rows, -1)
    places = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=torch.int64)
    found = _mixed(flat) * _mixed(places * _ODD)[None]
    # In halves: onnxruntime adds numbers of 64 bits as doubles, which keep 53.
    low, high = found & _HALF, _shifted(found, 32)
    total: Tensor = low.sum(dim=1) + high.sum(dim=1) * (_HALF + 1)
    return total


def _bits(value: Tensor) -> Tensor:
    if value.is_floating_point():
        # In millionths, not by their bits: a graph of ONNX has no other view of a number.
        parts = (value.double() * 2.0**20).round().clamp(-(2.0**62), 2.0**62)
        return parts.nan_to_num().to(torch.int64)
    return value.to(torch.int64)


def _mixed(value: Tensor) -> Tensor:
    """Bits spread over all places; 0 stays 0, so that padding adds nothing. Overflow wraps."""
    value = (value ^ _shifted(value, 31)) * _MIX
    return value ^ _shifted(value, 29)


def _shifted(value: Tensor, places: int) -> Tensor:
    """To the right, zeros in front, whatever the sign; a graph of ONNX shifts unsigned numbers."""
    return (value >> places) & ((1 << (64 - places)) - 1)
