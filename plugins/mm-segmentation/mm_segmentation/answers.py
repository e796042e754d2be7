"""What a segmenter says of a picture, in the forms that may be asked for. numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mm_image.api import mask_to_runs

from mm_segmentation.classes import Classes


@dataclass(frozen=True)
class Drawn:
    """Of one picture, at its size.

    Attributes:
        certain: uint8 [H, W], 255 times the probability of being in, or of the class taken.
        best: uint8 or int32 [H, W], codes of the classes taken; None: there is one thing to find.
        each: int16 [D, H, W], 2**14 times the probability of each; None: nobody asked.
    """

    certain: np.ndarray[Any, Any]
    best: np.ndarray[Any, Any] | None
    each: np.ndarray[Any, Any] | None

    @property
    def there(self) -> bool:
        """Whether there was a picture: what a row without one has is a single pixel."""
        return self.certain.size > 0

    def codes(self, threshold: float) -> np.ndarray[Any, Any]:
        """uint8 or int32 [H, W]."""
        if self.best is not None:
            return self.best
        return (self.certain >= threshold * 255).astype(np.uint8)


def answer_of(one: Drawn, codes: np.ndarray[Any, Any], classes: Classes, form: str) -> Any:
    """The cell of the answer; None where there is no picture.

    Args:
        one: what is said.
        codes: classes of the pixels.
        classes: what they mean.
        form: as in :class:`~mm_segmentation.configs.MaskOptions`.
    """
    if not one.there:
        return None
    if form == "mask":
        return classes.answer(codes)
    if form == "probability":
        return (one.certain / np.float32(255)).astype(np.float32)
    if form == "probabilities":
        assert one.each is not None
        each = (one.each / np.float32(2**14)).astype(np.float16)
        return np.concatenate([1 - each, each]) if classes.binary else each
    runs = _runs(codes, classes)
    if form == "rle":
        return runs
    counts = np.bincount(codes.ravel(), minlength=len(classes.names))
    pairs = zip(classes.names, (counts / codes.size).tolist(), strict=True)
    shares = {name: round(share, 6) for name, share in pairs}
    return {"rle": runs, "confidence": round(_confidence(one), 4), "shares": shares}


def _runs(codes: np.ndarray[Any, Any], classes: Classes) -> dict[str, Any]:
    """COCO's runs of each class that is there; of one thing to find of that, be it or not."""
    if classes.binary:
        return {classes.names[1]: mask_to_runs(codes == 1)}
    return {classes.names[code]: mask_to_runs(codes == code) for code in np.unique(codes).tolist()}


def _confidence(one: Drawn) -> float:
    """Mean probability of what is said of each pixel."""
    certain = one.certain / 255
    if one.best is None:
        certain = np.maximum(certain, 1 - certain)
    return float(certain.mean())
