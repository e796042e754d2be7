"""Probabilities and thresholds set right on validation rows, after training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mm_core.api.errors import MetricError, MMWarning

COLDEST, HOTTEST = 0.1, 10.0
"""Bounds of the temperature."""

PRIOR = 0.25
"""Deviation of the temperature's logarithm around 0 while no row has been seen: few rows move it
little, a hundred as far as they say (docs/tasks.md: what it was chosen on, what it changes)."""

ENOUGH = 10
"""Validation answers of either kind that a threshold is chosen on, at least."""

CANDIDATES = 100
"""Thresholds that are tried, at most: shares of the validation answers."""

WINDOW = 11
"""Neighbouring thresholds whose mean score counts, so that one lucky row does not decide."""


@dataclass
class Calibration:
    """What is between logits and labels.

    Attributes:
        temperature: logits are divided by it (arXiv 1706.04599).
        threshold: probability above which an answer is yes.
        fits: whether the temperature is to be fitted.
        searches: whether the threshold is to be searched.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    fits: bool = False
    searches: bool = False

    @classmethod
    def start(cls, config: Any) -> Self:
        """Before validation rows are seen, from ``config.temperature`` and ``.threshold``."""
        given = getattr(config, "threshold", 0.5)
        searches = given == "auto"
        return cls(1.0, 0.5 if searches else given, config.temperature, searches)

    def state(self) -> dict[str, float]:
        """What :meth:`restored` needs."""
        return {"temperature": self.temperature, "threshold": self.threshold}

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> Self:
        """As it was; models of before calibration have neither key.

        Raises:
            ValueError: a value that cannot be.
        """
        found = cls(values.get("temperature", 1.0), values.get("threshold", 0.5))
        if not (math.isfinite(found.temperature) and found.temperature > 0):
            raise ValueError(f"temperature = {found.temperature!r} is not above 0")
        if not 0 <= found.threshold <= 1:
            raise ValueError(f"threshold = {found.threshold!r} is not between 0 and 1")
        return found

    def fit_temperature(self, nll: Callable[[float], float]) -> None:
        """Take the most probable temperature.

        Args:
            nll: temperature -> negative log likelihood of all rows. With the prior's it has one
                valley between 1 and the likeliest temperature.
        """

        def posterior(log_temperature: float) -> float:
            return nll(math.exp(log_temperature)) + (log_temperature / PRIOR) ** 2 / 2

        if self.fits:
            low, high = math.log(COLDEST), math.log(HOTTEST)
            self.temperature = math.exp(_lowest(posterior, low, high))

    def fit_threshold(
        self, proba: np.ndarray, truth: np.ndarray, score: Callable[[], float]
    ) -> None:
        """Take the threshold of the best score, where it is better than that of 0.5.

        It stays 0.5 where fewer than ``ENOUGH`` answers are yes or no, and for a metric that does
        not depend on it, or is best where all answers are the same (recall). Thresholds at which
        the metric is not defined are left out; where it is at too few, a warning says so.

        Args:
            proba: [M], probabilities of all answers.
            truth: bool [M].
            score: of the answers at the threshold that is set, greater is better. What it raises
                but a MetricError ends the search, and the threshold stays 0.5.
        """
        if not self.searches or min(truth.sum(), (~truth).sum()) < ENOUGH:
            return
        candidates = _candidates(proba)
        if len(candidates) < WINDOW:
            return
        undefined: list[MetricError] = []

        def at(threshold: float) -> float:
            self.threshold = float(threshold)
            try:
                return score()
            except MetricError as error:
                undefined.append(error)
                return math.nan

        try:
            plain = at(0.5)
            few = candidates[:: max(1, len(candidates) // 4)]
            if all(at(one) == plain for one in few):
                return
            scores = np.array([at(one) for one in candidates])
        finally:
            self.threshold = 0.5
        defined = ~np.isnan(scores)
        if defined.sum() < WINDOW:
            _warn_of_undefined(int(defined.sum()), len(candidates), undefined[-1])
            return
        self.threshold = _best(candidates[defined], scores[defined], plain)


def class_nll(logits: np.ndarray, classes: np.ndarray) -> Callable[[float], float]:
    """Temperature -> negative log likelihood of class indices [N] under logits [N, C].

    The true class counts ``(N + 1) / (N + 2)``, the others share the rest, as in Platt's scaling:
    else rows that are all right would ask for the smallest temperature there is.
    """
    n, c = logits.shape
    wanted = np.full((n, c), 1 / ((n + 2) * (c - 1)))
    wanted[np.arange(n), classes] = (n + 1) / (n + 2)

    def nll(temperature: float) -> float:
        scaled = logits / temperature
        shifted = scaled - scaled.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(-(wanted * log_p).sum())

    return nll


def label_nll(logits: np.ndarray, labels: np.ndarray) -> Callable[[float], float]:
    """Temperature -> negative log likelihood of bool [N, L] under logits [N, L].

    Each of the N L answers is one of two classes as in :func:`class_nll`.
    """
    n = logits.size
    wanted = np.where(labels, (n + 1) / (n + 2), 1 / (n + 2))

    def nll(temperature: float) -> float:
        scaled = logits / temperature
        return float((np.logaddexp(0, scaled) - wanted * scaled).sum())

    return nll


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one valley is lowest, to 1e-4, by golden section."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def _best(candidates: np.ndarray, scores: np.ndarray, plain: float) -> float:
    """The threshold of the best mean score, if that betters ``plain`` (NaN: any does); else 0.5."""
    smooth = _smoothed(scores)
    best = int(smooth.argmax())
    inside = 0 < best < len(candidates) - 1
    return float(candidates[best]) if inside and not smooth[best] <= plain else 0.5


def _warn_of_undefined(defined: int, tried: int, error: MetricError) -> None:
    warnings.warn(
        f"the threshold of the answers stays 0.5: the metric is defined at {defined} of {tried} "
        f"others, too few to choose from; last: {error.message}",
        MMWarning,
        stacklevel=2,
    )


def _candidates(proba: np.ndarray) -> np.ndarray:
    """Rising thresholds between neighbouring probabilities, each with as many answers between."""
    distinct = np.unique(proba)
    between = (distinct[1:] + distinct[:-1]) / 2
    wanted = np.quantile(proba, np.linspace(0, 1, CANDIDATES + 2)[1:-1])
    places = np.searchsorted(between, wanted).clip(0, max(len(between) - 1, 0))
    return between[np.unique(places)] if len(between) else np.array([0.5])


def _smoothed(scores: np.ndarray) -> np.ndarray:
    """Mean over a window of neighbours, of ``WINDOW`` scores or more; at the ends over fewer."""
    window = np.ones(WINDOW)
    there = np.convolve(np.ones(len(scores)), window, mode="same")
    found: np.ndarray = np.convolve(scores, window, mode="same") / there
    return found
