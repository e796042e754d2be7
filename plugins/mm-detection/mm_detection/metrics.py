"""COCO's scores (arXiv 1405.0312), computed by faster-coco-eval. numpy.

The truth is a list of ``{"boxes": float [n, 6], "names": [...]}``, a row a picture: corners, code
of the class, 1 where a box is to be ignored; answers are ``{"boxes": float [n, 6], "codes": ...}``
with a score last, and perhaps the codes of the classes that count.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mm_core.api import Curves, MetricError

MOST = 100
"""Boxes a picture that count, the best ones."""

_STATS = ("map", "50", "75", "small", "medium", "large")
_STATS = (*_STATS, "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large")


class CocoScore:
    """One of COCO's twelve scores. Areas are those of the boxes: labels have no other."""

    main = 0
    """Place of the score among the twelve."""

    kind = "bbox"
    """What overlaps: COCO's name."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._truth: list[np.ndarray[Any, Any]] = []
        self._answers: list[np.ndarray[Any, Any]] = []
        self._names: list[str] = []
        self._codes: frozenset[int] | None = None
        self.__dict__.pop("_evaluated", None)

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some pictures; a number a corner of each box is kept."""
        self.__dict__.pop("_evaluated", None)
        for true, said in zip(truth, answer, strict=True):
            self._names = true["names"]
            self._codes = said["codes"]
            boxes = np.asarray(said["boxes"], np.float64).reshape(-1, 6)
            self._truth.append(np.asarray(true["boxes"], np.float64).reshape(-1, 6))
            self._answers.append(boxes[np.argsort(-boxes[:, 5], kind="stable")][:MOST])

    def compute(self) -> float:
        """0..1."""
        return float(self._evaluated.stats[self.main])

    @cached_property
    def _evaluated(self) -> Any:
        truth, said = self._records()
        if self._codes is not None:
            truth = [one for one in truth if one["category_id"] in self._codes]
        if all(one["iscrowd"] for one in truth):
            raise MetricError("no row has a box to find", remedy="score rows with some")
        return evaluated(self._images(), truth, said, self.kind)

    def _images(self) -> list[dict[str, Any]]:
        return [{"id": number} for number in range(len(self._truth))]

    def _records(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What there is and what was found, as COCO has them."""
        return list(_annotations(self._truth)), list(_results(self._answers))


def evaluated(
    images: list[dict[str, Any]],
    truth: list[dict[str, Any]],
    said: list[dict[str, Any]],
    kind: str,
) -> Any:
    """faster-coco-eval's record of all pictures: ``stats``, ``eval``, ``params``.

    Args:
        images: ids, which count from 0; for masks also ``width`` and ``height``.
        truth: COCO's annotations.
        said: its results; those of classes that the truth has not are left out.
        kind: ``"bbox"`` or ``"segm"``.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    codes = sorted({one["category_id"] for one in truth})
    true = COCO(
        {
            "images": images,
            "categories": [{"id": code, "name": str(code)} for code in codes],
            "annotations": truth,
        }
    )
    known = set(codes)
    found = true.loadRes([one for one in said if one["category_id"] in known])
    evaluation = COCOeval_faster(true, found, kind, print_function=_silent)
    evaluation.params.maxDets = [1, 10, MOST]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def _silent(*said: Any) -> None:
    """Nothing: tables of scores are for the caller to print."""


def _annotations(truth: list[np.ndarray[Any, Any]]) -> Any:
    number = 0
    for image, boxes in enumerate(truth):
        for x1, y1, x2, y2, code, ignore in boxes.tolist():
            number += 1
            yield {
                "id": number,
                "image_id": image,
                "category_id": int(code),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": int(ignore),
            }


def _results(answers: list[np.ndarray[Any, Any]]) -> Any:
    for image, boxes in enumerate(answers):
        for x1, y1, x2, y2, code, score in boxes.tolist():
            yield {
                "image_id": image,
                "category_id": int(code),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
            }


class MeanAveragePrecision(CocoScore):
    """Mean over the classes that the truth has, and over overlaps of 0.50, 0.55, ... 0.95."""

    def details(self) -> dict[str, float]:
        """The other scores of the same pass; those that no true box says anything of are left out.

        ``50``, ``75``, ``small`` (less than 32 x 32 pixels), ``medium``, ``large`` (from 96 x 96),
        ``mar_100`` and its kin, and ``class.<name>``.
        """
        found = {
            name: float(value)
            for place, (name, value) in enumerate(zip(_STATS, self._evaluated.stats, strict=False))
            if place != self.main and value >= 0
        }
        found |= {f"class.{name}": float(one.mean()) for name, one in self._by_class().items()}
        return found

    def curves(self) -> list[Curves]:
        """Precision along recall at an overlap of 0.50, and average precision along overlaps; a
        line for each class that the truth has.
        """
        shares, overlaps = self._evaluated.params.recThrs, self._evaluated.params.iouThrs
        by_class = self._by_class()
        half = {f"{name} ({one[0].mean():.3f})": (shares, one[0]) for name, one in by_class.items()}
        each = {name: (overlaps, one.mean(axis=1)) for name, one in by_class.items()}
        return [
            Curves("Precision and recall at an overlap of 0.50", "recall", "precision", half),
            Curves(
                "Average precision by overlap", "overlap that counts", "average precision", each
            ),
        ]

    def _by_class(self) -> dict[str, np.ndarray[Any, Any]]:
        """Precision of each class that the truth has: float64 [overlaps, recalls]."""
        precision = self._evaluated.eval["precision"]  # overlap, recall, class, area, most
        return {
            self._names[int(code)]: precision[:, :, place, 0, -1]
            for place, code in enumerate(self._evaluated.params.catIds)
            if (precision[:, :, place, 0, -1] > -1).all()
        }


class AtHalf(CocoScore):
    """At an overlap of 0.50."""

    main = 1


class AtThreeQuarters(CocoScore):
    """At an overlap of 0.75."""

    main = 2


class MeanAverageRecall(CocoScore):
    """Recall with at most 100 boxes a picture, mean over classes and overlaps."""

    main = 8
