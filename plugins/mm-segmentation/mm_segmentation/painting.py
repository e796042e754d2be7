"""From logits of the canvas to each picture's size, where there is no torch. numpy only.

The network itself does the same in torch; this is for graphs, which end with the logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Size = tuple[int, int]


def painted(
    masks: Array, inputs: Mapping[str, Any], present: Array, form: str
) -> dict[str, list[Array]]:
    """Lists of B arrays at the size of each picture, as the topology predicts them.

    Args:
        masks: float [B, D, h, w], logits of the canvas.
        inputs: ``pixels`` [B, 3, H, W], ``size`` and ``extent`` int [B, 2]: width and height of the
            picture, and of what it fills of the canvas.
        present: bool [B].
        form: of the answer; "probabilities" want each class.
    """
    canvas: Size = inputs["pixels"].shape[-2:]
    names = ["certain"] + ["classes"] * (masks.shape[1] > 1) + ["each"] * (form == "probabilities")
    found: dict[str, list[Array]] = {name: [] for name in names}
    for row, there in enumerate(present):
        width, height = inputs["size"][row].tolist() if there else (0, 0)
        across, down = inputs["extent"][row].tolist()
        logits = [resized(one, canvas)[:down, :across] for one in masks[row]]
        certain, classes = _drawn(logits, (height, width))
        found["certain"].append(certain)
        if "classes" in found:
            found["classes"].append(classes)
        if "each" in found:
            found["each"].append(_each(logits, (height, width)))
    return found


def resized(map_: Array, size: Size) -> Array:
    """Bilinear, [H, W] of [h, w], the middles of cells in their places, edges as they are.

    As ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` does it.
    """
    if map_.shape == size:
        return map_
    if 0 in size:
        return np.zeros(size, map_.dtype)
    for axis, wanted in enumerate(size):
        have = map_.shape[axis]
        middles = (np.arange(wanted, dtype=np.float32) + 0.5) * np.float32(have / wanted) - 0.5
        middles = middles.clip(min=0)
        low = middles.astype(np.int64).clip(max=have - 1)
        high = (low + 1).clip(max=have - 1)
        share = (middles - low).astype(map_.dtype)
        share = share[:, None] if axis == 0 else share
        map_ = map_.take(low, axis) * (1 - share) + map_.take(high, axis) * share
    return map_


def _drawn(logits: Sequence[Array], size: Size) -> tuple[Array, Array]:
    """255 times the probability; and of several classes the best one; class by class, so that
    memory does not grow with their number.
    """
    if len(logits) == 1:
        certain = _byte(_sigmoid(resized(logits[0], size)))
        return certain, np.zeros_like(certain)
    best = np.full(size, -np.inf, np.float32)
    total = np.full(size, -np.inf, np.float32)
    classes = np.zeros(size, np.uint8 if len(logits) <= 255 else np.int32)
    for code, one in enumerate(logits):
        whole = resized(one, size)
        total = np.logaddexp(total, whole)
        classes[whole > best] = code
        best = np.maximum(best, whole)
    return _byte(np.exp(best - total)), classes


def _each(logits: Sequence[Array], size: Size) -> Array:
    """int16 [D, H, W], 2**14 times the probability of each."""
    whole = np.stack([resized(one, size) for one in logits])
    if len(whole) == 1:
        found = _sigmoid(whole)
    else:
        found = np.exp(whole - whole.max(axis=0, keepdims=True, initial=-np.inf))
        found /= found.sum(axis=0, keepdims=True)
    return np.rint(found * 2.0**14).astype(np.int16)


def _sigmoid(logits: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def _byte(probability: Array) -> Array:
    return np.rint(probability * 255).astype(np.uint8)
