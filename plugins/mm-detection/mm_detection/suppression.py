"""The best boxes, of those that overlap one, where there is no torch. numpy only.

The network itself does the same by torchvision; this is for graphs, which give all that a detector
says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mm_detection.configs import SEEN, BoxOptions

Array = npt.NDArray[Any]

CANDIDATES = 1000
"""Boxes of a picture that suppression is given, the best ones; more where more are asked for."""

KEEP_ALL = 1.0
"""An overlap that none has more than: all boxes are kept."""


def suppressed(
    arrays: Mapping[str, Any], present: Array, options: BoxOptions
) -> dict[str, list[Array]]:
    """Lists of B, as the topology predicts them: ``boxes`` [n, 4], ``classes`` [n], ``scores`` [n];
    where there are masks ``grids`` [n, h, w] too, and ``frames`` [n, 4].

    Args:
        arrays: ``boxes`` float [B, P, 4], ``scores`` float [B, P, K], ``overlap`` float [B], and
            perhaps ``masks`` float [B, P, h, w], logits over ``frame`` float [B, 4].
        present: bool [B].
        options: of the prediction.
    """
    least = min(SEEN, options.score_threshold)
    names = ("boxes", "classes", "scores") + (("grids", "frames") if "masks" in arrays else ())
    rows: dict[str, list[Array]] = {name: [] for name in names}
    for row, there in enumerate(present):
        boxes, scores = arrays["boxes"][row], arrays["scores"][row]
        queries, classes = _candidates(scores, max(options.most, CANDIDATES), least)
        sure = scores[queries, classes]
        overlap = options.overlap or round(float(arrays["overlap"][row]), 6)
        keep = _kept(boxes[queries], classes, overlap, options.most) if there else slice(0)
        queries, classes = queries[keep], classes[keep]
        rows["boxes"].append(boxes[queries])
        rows["classes"].append(classes)
        rows["scores"].append(sure[keep])
        if "masks" in arrays:
            rows["grids"].append(_sigmoid(arrays["masks"][row][queries]))
            rows["frames"].append(np.tile(arrays["frame"][row], (len(queries), 1)))
    return rows


def _candidates(scores: Array, most: int, least: float) -> tuple[Array, Array]:
    """Place and class of the best scores, in their order."""
    flat = scores.ravel()
    seen = np.flatnonzero(flat > least)
    if len(seen) > most:
        seen = seen[np.argpartition(flat[seen], -most)[-most:]]
    best = seen[np.argsort(-flat[seen], kind="stable")]
    queries, classes = np.divmod(best, scores.shape[1])
    return queries, classes


def _kept(boxes: Array, classes: Array, overlap: float, most: int) -> Array:
    """Places of those boxes, the best first, that no better one of their class overlaps by more."""
    if overlap >= KEEP_ALL:
        return np.arange(min(most, len(boxes)))
    boxes = boxes.astype(np.float64)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    left = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    for place in range(len(boxes)):
        if not left[place]:
            continue
        kept.append(place)
        if len(kept) == most:
            break
        corners = np.maximum(boxes[place, :2], boxes[:, :2])
        ends = np.minimum(boxes[place, 2:], boxes[:, 2:])
        shared = (ends - corners).clip(min=0).prod(axis=1)
        both = areas[place] + areas - shared
        share = np.divide(shared, both, out=np.zeros_like(shared), where=both > 0)
        left &= (classes != classes[place]) | (share <= overlap)
    return np.array(kept, dtype=np.int64)


def _sigmoid(logits: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
