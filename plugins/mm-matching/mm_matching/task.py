"""``Similarity``: how alike two sides are, and from where on they match. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import Decoded, LabelError, MetricError, State, Task
from mm_matching.configs import SimilarityConfig
from mm_matching.labels import Reading, grades, matches, read_labels

Array = np.ndarray

STEEPNESS, MIDDLE = 10.0, 0.5
"""Of the curve from cosines to probabilities where nothing was calibrated: it is steep where
sentence encoders put pairs that are in doubt."""

TRIED = 64
"""Thresholds that are tried for a metric that reads labels."""


class Similarity(Task):
    """Reads ``sides`` [N, 2, D] and ``keys`` [N, 2], what the bi-encoder gives.

    Without a label the answer is ``similarity``, the cosine, missing where a side is. Of pairs that
    match or not, it is the label, with probabilities; of grades, a grade. Cosines become
    probabilities by a logistic curve, or grades by a line, learned from the held-out rows.

    Attributes:
        supervision: ``"pairs"``, ``"match"`` or ``"grades"``: which losses fit.
    """

    config: SimilarityConfig

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self.reading = Reading()
        self._curve = (STEEPNESS, -STEEPNESS * MIDDLE)
        self._threshold: float | None = None
        self._line = (1.0, 0.0)

    @property
    def supervision(self) -> str:
        """What the label says."""
        return self.reading.supervision

    # ---- labels

    def learn(self, targets: pd.DataFrame) -> None:
        """What the label says.

        Raises:
            LabelError: it cannot be told; or there is none, and one is needed.
        """
        if len(self.label) > 1:
            raise LabelError(
                f"a pair has one label, not {', '.join(self.label)}",
                column=self.label[1],
                remedy="name one of them",
            )
        if self.label and set(self.label) <= set(targets.columns):
            self.reading = read_labels(self.config, self.complete(targets)[self.label[0]])
        elif not self.label and self.config.supervision in ("match", "grades"):
            raise LabelError(
                f"task.supervision={self.config.supervision} needs a label",
                remedy="MultiModalPredictor(label='name of the column'), --label",
            )
        elif not self.label and self.config.match_label is not None:
            raise LabelError(
                f"match_label={self.config.match_label!r}, and no label is named",
                value=self.config.match_label,
                remedy="MultiModalPredictor(label='name of the column', match_label=...), --label",
            )

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """``match`` or ``grade``, float32 [N]; nothing of pairs without a label."""
        if not self.label:
            return {}
        if self.supervision == "pairs":  # built for rows without labels, and now there are some
            self.learn(targets)
        labels = self.complete(targets)[self.label[0]]
        if self.supervision == "match":
            return {"match": matches(self.reading, labels)}
        return {"grade": grades(self.reading, labels)}

    @classmethod
    def decided(cls, config: Any, labels: pd.DataFrame) -> Mapping[str, tuple[Any, str]]:
        """What the label says, for the plan."""
        if labels.shape[1] != 1 or config.supervision != "auto":
            return {}
        try:
            found = read_labels(config, labels.iloc[:, 0].dropna())
        except (LabelError, IndexError):
            return {}
        if found.supervision == "grades":
            why = f"numbers from {found.lowest:g} to {found.highest:g}"
            return {"supervision": ("grades", why)}
        told: dict[str, tuple[Any, str]] = {
            "supervision": ("match", f"{found.match!r} says that two sides match")
        }
        if config.match_label is None:
            told["match_label"] = (found.match, "of 0 and 1, the 1")
        return told

    @property
    def output_dim(self) -> int:
        """One cosine."""
        return 1

    @property
    def class_labels(self) -> list[Any] | None:
        """(no match, match), where the label says so."""
        return list(self.reading.classes) or None

    @property
    def positive_class(self) -> Any:
        """The label of a match."""
        return self.reading.classes[1] if self.reading.classes else None

    def strata(self, targets: Mapping[str, Any]) -> Array | None:
        """Matches and others."""
        found = targets.get("match")
        return None if found is None else np.asarray(found).astype(np.int64)

    # ---- answers

    @property
    def threshold(self) -> float:
        """Cosine from which on a pair matches."""
        if isinstance(self.config.threshold, float | int):
            return float(self.config.threshold)
        slope, offset = self._curve
        return -offset / slope if self._threshold is None else self._threshold

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """A label, a grade or a cosine a row; missing where a side is."""
        sides = np.asarray(outputs["sides"], dtype=np.float32)
        cosine, there = _cosines(sides)
        cosine = np.where(there, cosine.astype(np.float64), np.nan)
        views: dict[str, Any] = {
            "sides": _together(sides, np.asarray(outputs["keys"])),
            "cosines": cosine,
        }
        if self.supervision == "pairs":
            return Decoded(pd.DataFrame({"similarity": cosine}), views=views)
        if self.supervision == "grades":
            return self._graded(cosine, views)
        given = getattr(options, "threshold", None)
        return self._matched(cosine, there, self.threshold if given is None else given, views)

    def _matched(
        self, cosine: Array, there: Array, threshold: float, views: dict[str, Any]
    ) -> Decoded:
        slope, offset = self._curve
        right = 1 / (1 + np.exp(-np.clip(slope * np.nan_to_num(cosine) + offset, -30, 30)))
        proba = np.where(there[:, None], np.stack([1 - right, right], axis=1), 0.5)
        yes = np.nan_to_num(cosine, nan=-np.inf) >= threshold
        classes = pd.Series(list(self.reading.classes))
        answer = classes.iloc[yes.astype(np.int64)].reset_index(drop=True)
        if not there.all():  # neither: there is nothing to compare
            answer = answer.astype(object).where(there, None)
        views |= {"labels": yes.astype(np.int64), "proba": proba}
        return Decoded(
            pd.DataFrame({self.label[0]: answer}),
            views=views,
            proba=pd.DataFrame(proba, columns=list(self.reading.classes)),
        )

    def _graded(self, cosine: Array, views: dict[str, Any]) -> Decoded:
        slope, offset = self._line
        low, high = self.reading.lowest, self.reading.highest
        values = low + (high - low) * (slope * cosine + offset)
        views |= {"values": values}
        return Decoded(pd.DataFrame({self.label[0]: values}), views=views)

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """``match``, 0 or 1; a grade; None of pairs without a label."""
        if needs == "sides":
            return next(iter(targets.values()), None)
        if needs in ("labels", "proba") and "match" in targets:
            return np.asarray(targets["match"]).astype(np.int64)
        if needs == "cosines" and targets:
            return np.asarray(next(iter(targets.values())))
        if needs == "values" and "grade" in targets:
            span = self.reading.highest - self.reading.lowest
            return self.reading.lowest + span * np.asarray(targets["grade"], dtype=np.float64)
        raise MetricError(
            f"there are no {needs} to score: pairs are {self.supervision}", value=needs
        )

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame | None:
        """The labels as answers are written."""
        if "match" in targets:
            classes = pd.Series(list(self.reading.classes))
            places = np.asarray(targets["match"]).astype(np.int64)
            return pd.DataFrame({self.label[0]: classes.iloc[places].reset_index(drop=True)})
        return None

    # ---- calibration

    def calibrate(
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        """The curve from cosines to probabilities, and a threshold where the metric wants another
        than that of an even chance; or the line to grades.
        """
        cosine, there = _cosines(np.asarray(outputs["sides"], dtype=np.float64))
        cosine = cosine[there]
        if self.supervision == "match":
            match = np.asarray(targets["match"])[there]
            self._curve = logistic(cosine, match)
            self._threshold = None
            if self.config.threshold == "auto":
                self._threshold = self._best(cosine, outputs, meta, score)
        elif self.supervision == "grades" and len(cosine) > 2 and cosine.std() > 0:
            slope, offset = np.polyfit(cosine, np.asarray(targets["grade"])[there], 1)
            if slope > 0:
                self._line = (float(slope), float(offset))

    def _best(
        self,
        cosine: Array,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> float | None:
        """The middle of the best thresholds; None: that of an even chance is as good."""
        if len(cosine) < 20:  # one lucky row would decide
            return None
        try:
            even = score(self.decode(outputs, meta))
        except MetricError:
            return None
        tried = np.unique(np.quantile(cosine, np.linspace(0.02, 0.98, TRIED)))
        found = []
        for number, threshold in enumerate(tried):
            self._threshold = float(threshold)
            try:
                found.append(score(self.decode(outputs, meta)))
            except MetricError:
                found.append(-np.inf)
            if number == 7 and len(set(found)) == 1:  # a metric that reads no labels
                self._threshold = None
                return None
        self._threshold = None
        smooth = np.convolve(np.pad(found, 2, mode="edge"), np.full(5, 0.2), mode="valid")
        best = int(np.argmax(smooth))
        return float(tried[best]) if smooth[best] > even else None

    # ---- state

    def state(self) -> State:
        """What the label says, and what was calibrated."""
        values = {**asdict(self.reading), "classes": list(self.reading.classes)}
        return State(
            {
                "reading": values,
                "curve": list(self._curve),
                "line": list(self._line),
                "threshold": self._threshold,
            }
        )

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task again."""
        task = cls(config, label)
        values = state.values
        reading = dict(values["reading"])
        task.reading = Reading(**{**reading, "classes": tuple(reading["classes"])})
        task._curve = tuple(values["curve"])
        task._line = tuple(values["line"])
        task._threshold = values["threshold"]
        return task


def logistic(cosine: Array, match: Array) -> tuple[float, float]:
    """Slope and offset of the probability of a match over the cosine (Platt 1999).

    Fitted to cosines of mean 0 and deviation 1, as encoders differ in their spread, with the slope
    drawn a little to 1, so that a few rows which are all right make nothing certain.
    """
    spread, middle = float(cosine.std()), float(cosine.mean())
    if len(np.unique(match)) < 2 or spread < 1e-9:
        return STEEPNESS, -STEEPNESS * MIDDLE
    yes, no = match.sum(), len(match) - match.sum()
    goal = np.where(match > 0.5, (yes + 1) / (yes + 2), 1 / (no + 2))
    given = np.stack([(cosine - middle) / spread, np.ones(len(cosine))], axis=1)
    drawn, to = np.array([0.1, 1e-6]), np.array([1.0, 0.0])
    curve = np.array([1.0, 0.0])
    for _ in range(50):
        right = 1 / (1 + np.exp(-np.clip(given @ curve, -30, 30)))
        gradient = given.T @ (right - goal) + drawn * (curve - to)
        weight = np.maximum(right * (1 - right), 1e-9)[:, None]
        step = np.linalg.solve((given * weight).T @ given + np.diag(drawn), gradient)
        curve = curve - step * min(1.0, 5 / max(1e-9, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-8:
            break
    if curve[0] <= 0:  # matches are further apart than others: no threshold would tell them
        return STEEPNESS, -STEEPNESS * MIDDLE
    slope = float(curve[0]) / spread
    return slope, float(curve[1]) - slope * middle


def _cosines(sides: Array) -> tuple[Array, Array]:
    """[N] of ``sides`` [N, 2, D]; and bool [N], where both sides are there."""
    return (sides[:, 0] * sides[:, 1]).sum(axis=1), sides.any(axis=2).all(axis=1)


def _together(sides: Array, keys: Array) -> Array:
    """Records of ``query``, ``response`` (float32 [D]) and their keys: one view that rows are
    taken of.
    """
    wide = sides.shape[2]
    kinds = [("query", np.float32, (wide,)), ("response", np.float32, (wide,))]
    kinds += [("query_key", np.int64), ("response_key", np.int64)]  # type: ignore[list-item]
    found = np.zeros(len(sides), dtype=kinds)
    found["query"], found["response"] = sides[:, 0], sides[:, 1]
    found["query_key"], found["response_key"] = keys[:, 0], keys[:, 1]
    return found
