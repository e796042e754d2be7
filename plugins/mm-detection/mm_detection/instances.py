"""``instance_segmentation``: boxes with a mask each, in pixels of the pictures. numpy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mm_image.api import mask_to_runs

from mm_core.api import Decoded
from mm_detection.boxes import Box, read_boxes
from mm_detection.configs import InstanceOptions
from mm_detection.frames import chosen
from mm_detection.outlines import painted, turned_back, with_outlines
from mm_detection.task import ObjectDetection


@dataclass(frozen=True, eq=False)
class Masks:
    """What a detector says of the pixels of the things in a picture, the best first.

    They are drawn one by one, when they are wanted: those of a hundred things in a large picture
    are no little memory.

    Attributes:
        grids: float32 [n, h, w], 0..1.
        frames: float64 [n, 4], x1 y1 x2 y2 that each grid covers, in pixels of the picture upright.
        size: width and height of the picture upright; 1, 1 where there is none.
        turn: EXIF's number where pixels are given as they are stored, else 1.
        least: from which on a pixel is in.
    """

    grids: np.ndarray[Any, Any]
    frames: np.ndarray[Any, Any]
    size: tuple[int, int]
    turn: int
    least: float

    @property
    def given(self) -> tuple[int, int]:
        """Width and height of the picture as masks are given: stored, or upright."""
        return self.size[::-1] if self.turn >= 5 else self.size

    def pixels(self, place: int) -> np.ndarray[Any, Any]:
        """bool [H, W]."""
        upright = painted(self.grids[place], self.frames[place], self.size, self.least)
        return turned_back(upright, self.turn)


class InstanceSegmentation(ObjectDetection):
    """Targets, beside those of boxes: ``outlines``, a list of
    :class:`~mm_detection.outlines.Outline` a row, from which the processor draws ``masks``.

    An answer is a list of ``[x1, y1, x2, y2, class, score, {"size": [h, w], "counts": ...}]``.
    """

    _WHAT = "boxes with masks"
    _FORM = (
        'write {"box": [x1, y1, x2, y2], "class": ..., "mask": ...}: polygons [[x1, y1, x2, y2, '
        'x3, y3, ...]], runs {"size": [height, width], "counts": ...}, or an array [H, W]; '
        "problem_type=object_detection does without masks"
    )

    def _boxes(self, cell: Any, repaired: Counter[str]) -> list[Box]:
        return with_outlines(read_boxes(cell, repaired), self.label[0], repaired)

    def _targets(self, known: list[list[Box]]) -> dict[str, Any]:
        outlines = [[box.more["mask"] for box in boxes] for boxes in known]
        return {**super()._targets(known), "outlines": outlines}

    @property
    def info(self) -> Mapping[str, Any]:
        """Also ``masks``: detectors are to give some."""
        return {**super().info, "masks": True}

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Boxes as ever, each with the runs of its mask, at the size of the picture.

        View ``instances``: a list of ``{"boxes": float [n, 6], "codes": ..., "masks": Masks}``.
        """
        options = options or InstanceOptions()
        decoded = super().decode(outputs, meta, options)
        (where,) = meta.values()
        places = chosen(outputs, self._wanted(options.classes), options.most)
        masks = _masks(outputs, where, places, options.mask_threshold)
        answers = decoded.answer[self.label[0]]
        for cells, drawn in zip(answers, masks, strict=True):
            for place, cell in enumerate(cells):  # the best ones, in the order of the masks
                runs = mask_to_runs(drawn.pixels(place))
                if options.as_coco:
                    cell["segmentation"] = runs
                else:
                    cell.append(runs)
        views = [
            {**view, "masks": drawn}
            for view, drawn in zip(decoded.views["boxes"], masks, strict=True)
        ]
        return Decoded(
            pd.DataFrame({self.label[0]: answers}), {**decoded.views, "instances": views}
        )

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """Of ``instances``: also ``outlines``, one for each box."""
        boxes = super().truth(targets, needs)
        if needs != "instances":
            return boxes
        pairs = zip(boxes, targets["outlines"], strict=True)
        return [{**one, "outlines": outlines} for one, outlines in pairs]


def _masks(
    outputs: Mapping[str, Any],
    where: Mapping[str, Any],
    places: Sequence[np.ndarray[Any, Any]],
    least: float,
) -> list[Masks]:
    """Of each picture, from grids and frames in pixels of the square."""
    rows = zip(
        *(outputs[name] for name in ("grids", "frames")),
        *(where[name] for name in ("size", "scale", "turn")),
        places,
        strict=True,
    )
    return [
        Masks(
            np.asarray(grids, np.float32)[order],
            np.asarray(frames, np.float64)[order] / np.tile(scale, 2),
            (int(size[0]), int(size[1])),
            int(turn),
            least,
        )
        for grids, frames, size, scale, turn, order in rows
    ]
