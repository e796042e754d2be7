"""Average precision as COCO has it (arXiv 1405.0312). numpy.

The truth is a list of float [n, 5], a row a picture: corners and class; answers are [n, 6], with a
score. Boxes are matched to the true ones of their class in the order of their scores, each to the
best that is left; the precision is taken at 101 levels of recall.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mm_core.api import MetricError

RECALLS = np.linspace(0, 1, 101)


class AveragePrecision:
    """Mean over the classes that the truth has, and over thresholds of the overlap."""

    thresholds = np.arange(50, 100, 5) / 100

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._wanted: dict[int, int] = {}
        self._scores: dict[int, list[np.ndarray]] = {}
        self._hits: dict[int, list[np.ndarray]] = {}

    def update(self, truth: Any, answer: Any) -> None:
        """Match the boxes of some pictures; what is kept is a score and hits a box."""
        for true, said in zip(truth, answer, strict=True):
            true, said = np.reshape(true, (-1, 5)), np.reshape(said, (-1, 6))
            said = said[np.argsort(-said[:, 5], kind="stable")]
            for code in np.unique(np.append(true[:, 4], said[:, 4])).astype(int).tolist():
                wanted, given = true[true[:, 4] == code], said[said[:, 4] == code]
                self._wanted[code] = self._wanted.get(code, 0) + len(wanted)
                self._scores.setdefault(code, []).append(given[:, 5])
                self._hits.setdefault(code, []).append(self._matched(wanted, given))

    def compute(self) -> float:
        """0..1."""
        codes = [code for code, count in self._wanted.items() if count]
        if not codes:
            raise MetricError("no row has a box", remedy="score rows with some")
        return float(np.mean([self._of_class(code) for code in codes]))

    def _matched(self, wanted: np.ndarray, given: np.ndarray) -> np.ndarray:
        """bool [n, T]: whether each box hits a true one that is left, at each threshold."""
        hits = np.zeros((len(given), len(self.thresholds)), dtype=bool)
        if not len(wanted):
            return hits
        left = np.ones((len(self.thresholds), len(wanted)), dtype=bool)
        for place, overlap in enumerate(iou(given, wanted)):
            usable = np.where(left & (overlap >= self.thresholds[:, None]), overlap, -1)
            hits[place] = usable.max(axis=1) >= 0
            left[hits[place], usable.argmax(axis=1)[hits[place]]] = False
        return hits

    def _of_class(self, code: int) -> float:
        order = np.argsort(-np.concatenate(self._scores[code]), kind="stable")
        hits = np.concatenate(self._hits[code])[order].cumsum(axis=0)
        recall = hits / self._wanted[code]
        precision = hits / np.arange(1, len(hits) + 1)[:, None]
        best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]  # of this recall or a higher
        found = []
        for level in range(len(self.thresholds)):
            places = np.searchsorted(recall[:, level], RECALLS)
            found.append(np.append(best[:, level], 0.0)[places])
        return float(np.mean(found))


class AveragePrecisionAtHalf(AveragePrecision):
    """At an overlap of one half."""

    thresholds = np.array([0.5])


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union, [n, m]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.prod(one[:, 2:4] - one[:, :2], axis=1) for one in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1] - shared))
