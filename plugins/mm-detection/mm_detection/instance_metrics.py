"""COCO's scores of masks, computed by faster-coco-eval. numpy.

The truth is that of boxes with an :class:`~mm_detection.outlines.Outline` for each; answers are
those of boxes with :class:`~mm_detection.instances.Masks`. Of each mask its runs are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mm_detection.instances import Masks
from mm_detection.metrics import MOST, CocoScore, MeanAveragePrecision
from mm_detection.outlines import Outline, coded

_LARGEST = 8192
"""Sides that are made up for a row without a picture, at most."""


class _OfMasks(CocoScore):
    """What overlaps are masks, and areas are theirs."""

    kind = "segm"

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._sizes: list[tuple[int, int]] = []
        self._true_runs: list[list[dict[str, Any]]] = []
        self._said_runs: list[list[dict[str, Any]]] = []

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some pictures, whose masks are drawn one by one."""
        super().update(truth, answer)
        for true, said in zip(truth, answer, strict=True):
            masks: Masks = said["masks"]
            size = _size(masks, true["outlines"])
            self._sizes.append(size)
            self._true_runs.append([one.coded(size) for one in true["outlines"]])
            order = np.argsort(-np.asarray(said["boxes"])[:, 5], kind="stable")[:MOST]
            self._said_runs.append([coded(masks.pixels(int(place))) for place in order])

    def _images(self) -> list[dict[str, Any]]:
        return [
            {"id": number, "width": width, "height": height}
            for number, (width, height) in enumerate(self._sizes)
        ]

    def _records(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        truth, said = super()._records()
        true = [
            {**record, "segmentation": runs, "area": area}
            for record, runs in zip(truth, _flat(self._true_runs), strict=True)
            if (area := _area(runs)) > 0  # beyond its picture: no pixel of it can be found
        ]
        for record, runs in zip(said, _flat(self._said_runs), strict=True):
            del record["bbox"]  # or its area would be that of the box
            record["segmentation"] = runs
        return true, said


class SegmMeanAveragePrecision(_OfMasks, MeanAveragePrecision):
    """As that of boxes, with the same details."""


class SegmAtHalf(_OfMasks):
    """At an overlap of 0.50."""

    main = 1


class SegmAtThreeQuarters(_OfMasks):
    """At an overlap of 0.75."""

    main = 2


def _size(masks: Masks, outlines: list[Outline]) -> tuple[int, int]:
    """Width and height of the picture; of a row without one, in which nothing is found, such that
    what is there is missed.
    """
    if masks.size != (1, 1):
        return masks.given
    known = next((one.size for one in outlines if one.size is not None), None)
    far = np.ceil(np.array([one.bounds[2:] for one in outlines] or [(1, 1)]).max(axis=0))
    sides = np.clip(far, 1, _LARGEST).astype(int).tolist()
    return known or (sides[0], sides[1])


def _area(runs: dict[str, Any]) -> float:
    from faster_coco_eval import mask as coco

    return float(coco.area(runs))


def _flat(rows: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    return (one for row in rows for one in row)
