"""Scores of classes of pixels, counted over all rows: nothing is kept of a row. numpy.

The truth is a list of ``{"codes": int16 [H, W], "names": [...], "binary": bool}``, a picture each,
-1 where nothing is said; answers are ``{"codes": [H, W], "certain": uint8 [H, W]}``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from mm_core.api import MetricError
from mm_segmentation.sizes import strips


class Counted(ABC):
    """A score of how often pixels of each class were taken for which."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._counts: np.ndarray[Any, Any] | None = None
        self._names: list[str] = []
        self._binary = True

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some pictures; one that was not answered has all pixels wrong."""
        for true, said in zip(truth, answer, strict=True):
            codes, found = true["codes"], said["codes"]
            self._names, self._binary = list(true["names"]), bool(true["binary"])
            n = len(self._names)
            if self._counts is None:
                self._counts = np.zeros((n, n + 1), np.int64)
            if found.size == 0:
                found = np.full(codes.shape, n)
            check_alike(codes, found)
            for rows in strips(codes):
                pairs = codes[rows].astype(np.int64) * (n + 1) + found[rows]
                counted = np.bincount(pairs[pairs >= 0], minlength=n * (n + 1))
                self._counts += counted.reshape(n, n + 1)

    def compute(self) -> float:
        """0..1."""
        return self.score(*self._parts())

    def details(self) -> dict[str, float]:
        """``class.<name>`` for each class that the truth or the answers have."""
        each = self.of_classes(*self._parts())
        return {
            f"class.{name}": float(value)
            for name, value in zip(self._names, each, strict=True)
            if np.isfinite(value)
        }

    @abstractmethod
    def of_classes(
        self, right: np.ndarray[Any, Any], true: np.ndarray[Any, Any], said: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        """Of pixels that are right, that are of each class, and that are said to be; NaN: none."""

    def score(
        self, right: np.ndarray[Any, Any], true: np.ndarray[Any, Any], said: np.ndarray[Any, Any]
    ) -> float:
        """The one thing to find, or the mean over the classes that there are."""
        each = self.of_classes(right, true, said)
        if self._binary and np.isfinite(each[1]):
            return float(each[1])
        if self._binary:
            raise MetricError(
                f"no pixel is {self._names[1]!r}, and none was said to be",
                remedy="score rows with some",
            )
        return float(np.nanmean(each))

    def _parts(self) -> tuple[np.ndarray[Any, Any], ...]:
        if self._counts is None or not self._counts.any():
            raise MetricError("no pixel has a class", remedy="score rows whose masks are not void")
        counts = self._counts
        right = np.diag(counts[:, :-1])
        return right, counts.sum(axis=1), counts[:, :-1].sum(axis=0)


class IoU(Counted):
    """Intersection over union."""

    def of_classes(self, right: Any, true: Any, said: Any) -> np.ndarray[Any, Any]:
        """As its base says."""
        return _shared(right, true + said - right)


class MeanIoU(IoU):
    """Of all classes, the rest beside one thing to find too."""

    def score(self, right: Any, true: Any, said: Any) -> float:
        """The mean over the classes that there are."""
        return float(np.nanmean(self.of_classes(right, true, said)))


class Dice(Counted):
    """F1 of pixels."""

    def of_classes(self, right: Any, true: Any, said: Any) -> np.ndarray[Any, Any]:
        """As its base says."""
        return _shared(2 * right, true + said)


class PixelAccuracy(Counted):
    """Share of the pixels that are right."""

    def of_classes(self, right: Any, true: Any, said: Any) -> np.ndarray[Any, Any]:
        """Recall of each."""
        return _shared(right, true)

    def score(self, right: Any, true: Any, said: Any) -> float:
        """Over all pixels."""
        return float(right.sum() / true.sum())


class BalancedError(Counted):
    """Percent of the pixels that are wrong, mean over the classes; usual for shadows."""

    def of_classes(self, right: Any, true: Any, said: Any) -> np.ndarray[Any, Any]:
        """Of each."""
        return 100 * (1 - _shared(right, true))

    def score(self, right: Any, true: Any, said: Any) -> float:
        """The mean over the classes that the truth has."""
        return float(np.nanmean(self.of_classes(right, true, said)))


def check_alike(codes: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> None:
    """Raises:
    MetricError: a mask and its answer are not of one size.
    """
    if codes.shape != found.shape:
        raise MetricError(
            f"a mask is {codes.shape[1]} x {codes.shape[0]} pixels, and its picture "
            f"{found.shape[1]} x {found.shape[0]}",
            remedy="`mm segmentation check DATA` lists such rows",
        )


def _shared(part: Any, whole: Any) -> np.ndarray[Any, Any]:
    return np.asarray(np.where(whole > 0, part / np.maximum(whole, 1), np.nan))
