"""Scores of maps of one thing to find, each picture by itself and their mean. numpy, scipy.

Truth and answers as in :mod:`mm_segmentation.metrics`; void pixels are taken as in both nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from mm_core.api import MetricError
from mm_segmentation.metrics import check_alike

_TINY = 1e-8

Map = np.ndarray[Any, Any]


class OfMaps(ABC):
    """The mean over the pictures of a score of each."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._sum, self._n = 0.0, 0

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some pictures; one that was not answered has a map of zeros."""
        for true, said in zip(truth, answer, strict=True):
            if not true["binary"]:
                raise MetricError(
                    f"it is a score of one thing to find, and there are {len(true['names'])} "
                    "classes",
                    remedy="use iou, dice or pixel_accuracy",
                )
            certain = said["certain"]
            if certain.size == 0:
                certain = np.zeros(true["codes"].shape, np.uint8)
            check_alike(true["codes"], certain)
            inside = true["codes"] == 1
            found = self.of_picture(inside, np.where(true["codes"] < 0, 0, certain) / 255.0)
            if found is not None:
                self._sum, self._n = self._sum + found, self._n + 1

    def compute(self) -> float:
        """0..1."""
        if not self._n:
            raise MetricError("no picture has anything to find", remedy="score rows with some")
        return self._sum / self._n

    @abstractmethod
    def of_picture(self, true: Map, said: Map) -> float | None:
        """Of bool [H, W] and probabilities [H, W]; None: it says nothing of this picture."""


class AbsoluteError(OfMaps):
    """Mean distance of the probability from the truth."""

    def of_picture(self, true: Map, said: Map) -> float:
        """As its base says."""
        return float(np.abs(said - true).mean())


class Structure(OfMaps):
    """S-measure (arXiv 1708.00786): the thing and its parts, half and half."""

    def of_picture(self, true: Map, said: Map) -> float:
        """Of a picture without the thing what is left dark, of one full of it what is not."""
        share = float(true.mean())
        if share in (0.0, 1.0):
            return float(said.mean() if share else 1 - said.mean())
        whole = share * _alike(said[true]) + (1 - share) * _alike(1 - said[~true])
        return max(0.0, 0.5 * whole + 0.5 * _by_quarters(true, said))


class Enhanced(OfMaps):
    """E-measure (arXiv 1805.10421), mean over 256 thresholds."""

    def of_picture(self, true: Map, said: Map) -> float:
        """Counted by levels: at a threshold there are four kinds of pixels only."""
        levels = np.rint(said * 255).astype(np.int64)
        inside = np.bincount(levels[true], minlength=256)[::-1].cumsum()[::-1]
        outside = np.bincount(levels[~true], minlength=256)[::-1].cumsum()[::-1]
        n, positive = true.size, int(true.sum())
        found = inside + outside
        if positive == 0:
            return float((1 - found / n).mean())
        if positive == n:
            return float((found / n).mean())
        mean_said, mean_true = found / n, positive / n
        total = np.zeros(256)
        counts = {
            (1, 1): inside,
            (1, 0): outside,
            (0, 1): positive - inside,
            (0, 0): n - positive - outside,
        }
        for (is_said, is_true), count in counts.items():
            one, other = is_said - mean_said, is_true - mean_true
            aligned = 2 * one * other / (one**2 + other**2 + _TINY)
            total += count * (aligned + 1) ** 2 / 4
        return float((total / n).mean())


class WeightedF(OfMaps):
    """Weighted F-measure (Margolin et al., 2014): errors far from the thing count more."""

    def of_picture(self, true: Map, said: Map) -> float | None:
        """Of pictures that have the thing."""
        from scipy.ndimage import distance_transform_edt, gaussian_filter

        if not true.any():
            return None
        distance, (rows, columns) = distance_transform_edt(~true, return_indices=True)
        error = np.abs(said - true)
        spread = error.copy()
        spread[~true] = error[rows, columns][~true]
        smooth = gaussian_filter(spread, sigma=5, truncate=0.6, mode="constant")  # 7 x 7
        least = np.where(true & (smooth < error), smooth, error)
        far = np.where(true, 1.0, 2 - np.exp(np.log(0.5) / 5 * distance))
        weighed = least * far
        right = true.sum() - weighed[true].sum()
        recall = 1 - weighed[true].mean()
        precision = right / (right + weighed[~true].sum() + _TINY)
        return float(2 * recall * precision / (recall + precision + _TINY))


def _alike(values: Map) -> float:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return 2 * mean / (mean**2 + 1 + spread + _TINY)


def _by_quarters(true: Map, said: Map) -> float:
    """Likeness of structure in the four parts around the middle of the thing."""
    rows, columns = np.nonzero(true)
    y, x = round(float(rows.mean())) + 1, round(float(columns.mean())) + 1
    total = 0.0
    for part in np.s_[:y, :x], np.s_[:y, x:], np.s_[y:, :x], np.s_[y:, x:]:
        if true[part].size:
            total += true[part].size / true.size * _ssim(true[part].astype(np.float64), said[part])
    return total


def _ssim(true: Map, said: Map) -> float:
    n = max(true.size - 1, 1)
    x, y = said.mean(), true.mean()
    spread = ((said - x) ** 2).sum() / n + ((true - y) ** 2).sum() / n
    shared = ((said - x) * (true - y)).sum() / n
    top, bottom = 4 * x * y * shared, (x**2 + y**2) * spread
    if top != 0:
        return float(top / (bottom + _TINY))
    return 1.0 if bottom == 0 else 0.0
