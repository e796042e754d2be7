"""``mask_generation``: things of pictures, each with a mask, which nobody pointed at. numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from mm_image.api import runs_to_mask, short_runs

from mm_core.api import ConfigError, Decoded, MetricError, State, Task
from mm_segmentation.configs import EverythingConfig, EverythingOptions


class MaskGeneration(Task):
    """Column ``things``, of each picture a list, the surest first, or a map; None without picture.

    One thing is ``{"mask": COCO's runs, "score": ..., "box": [x1, y1, x2, y2], "area": ...}``, in
    pixels of the picture.
    """

    config: EverythingConfig

    def learn(self, targets: pd.DataFrame) -> None:
        """Nothing."""

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Nothing."""
        return {}

    @property
    def output_dim(self) -> int:
        """There is no head."""
        return 1

    @property
    def info(self) -> Mapping[str, Any]:
        """Also that SAM is wanted whole: with its choice among masks, without tokens of classes."""
        return {"output_dim": 1, "whole": True}

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Records or a map; view ``things``: ``{"size": [h, w], "runs": [...]}`` a row."""
        form = (options or EverythingOptions()).form
        answers = [answer(one, form) for one in outputs["things"]]
        column = pd.Series(answers, dtype=object)
        return Decoded(pd.DataFrame({"things": column}), {"things": outputs["things"]})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """There is none; what is scored is how much of the pictures was found."""
        if needs == "things":
            return None
        raise MetricError(
            "things that nobody named have no truth to be scored by",
            value=needs,
            remedy="masks as labels, and problem_type=semantic_segmentation",
        )

    def state(self) -> State:
        """Nothing was learned."""
        return State()

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task again."""
        return cls(config, label)


class Covered:
    """Share of the pixels that lie in some thing, 0..1, over all rows."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._inside = self._pixels = 0

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some pictures."""
        for one in answer:
            inside = np.zeros(np.asarray(one["size"]).tolist(), dtype=bool)
            for mask in _masks(one):
                inside |= mask
            self._inside += int(inside.sum())
            self._pixels += inside.size

    def compute(self) -> float:
        """The share.

        Raises:
            MetricError: there was no picture.
        """
        if not self._pixels:
            raise MetricError("no row has a picture", remedy="give rows with pictures")
        return self._inside / self._pixels


def answer(one: Mapping[str, Any], form: str) -> Any:
    """What is said of a picture: records or a map of what the view ``things`` has of it."""
    size = np.asarray(one["size"]).tolist()
    if not all(size):
        return None
    if form == "map":
        return _map(one, size)
    return [
        {
            "mask": short_runs(size, np.asarray(runs)),
            "score": round(float(score), 4),
            "box": [int(side) for side in box],
            "area": _area(runs),
        }
        for runs, score, box in zip(one["runs"], one["scores"], one["boxes"], strict=True)
    ]


def _map(one: Mapping[str, Any], size: Sequence[int]) -> np.ndarray[Any, Any]:
    """uint16 [H, W], numbers of things from 1 on; a small one lies upon a large one."""
    areas = [_area(runs) for runs in one["runs"]]
    if len(areas) > np.iinfo(np.uint16).max:
        raise ConfigError(
            f"a map has no numbers for {len(areas)} things",
            value=len(areas),
            remedy="a larger pred_iou_thresh or stability_score_thresh, or form=records",
        )
    found = np.zeros(size, np.uint16)
    masks = dict(enumerate(one["runs"]))
    for place in sorted(masks, key=lambda place: -areas[place]):
        found[_whole(masks[place], size)] = place + 1
    return found


def _area(runs: Any) -> int:
    """Pixels of a thing: every second run is in it."""
    return int(np.asarray(runs)[1::2].sum())


def _masks(one: Mapping[str, Any]) -> Any:
    size = np.asarray(one["size"]).tolist()
    return (_whole(runs, size) for runs in one["runs"])


def _whole(runs: Any, size: Sequence[int]) -> np.ndarray[Any, Any]:
    """bool [H, W]."""
    return runs_to_mask({"size": list(size), "counts": np.asarray(runs).tolist()}).astype(bool)
