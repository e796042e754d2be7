"""``semantic_segmentation``: a class for each pixel, at the size of the pictures. numpy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import Batch, Decoded, LabelError, MetricError, MMWarning, State, Task
from mm_segmentation.answers import Drawn, answer_of
from mm_segmentation.classes import MOST, TOO_MANY, Classes, MaskError, learned
from mm_segmentation.configs import MaskOptions, SegmentationConfig
from mm_segmentation.masks import MaskCell, find
from mm_segmentation.painting import painted
from mm_segmentation.sizes import strips

HALF = 0.5


_KEPT_BYTES = 64 * 2**20


class Truths:
    """Masks as metrics read them, each when its turn comes; some are kept for the next metric.

    Args:
        cells: where they are.
        classes: what their values mean.
    """

    def __init__(self, cells: Sequence[MaskCell], classes: Classes) -> None:
        self._cells = cells
        self._known = {"names": classes.names, "binary": classes.binary}
        self._kept: list[np.ndarray[Any, Any]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row, cell in enumerate(self._cells):
            codes = self._kept[row] if row < len(self._kept) else cell.codes()
            if row == len(self._kept) and self._bytes < _KEPT_BYTES:
                self._kept.append(codes)
                self._bytes += codes.nbytes
            yield {"codes": codes, **self._known}


class SemanticSegmentation(Task):
    """Targets: ``mask``, a list of :class:`~mm_segmentation.masks.MaskCell`, one a row.

    They are read late, by the processor for a batch, which adds ``codes``, and for metrics.

    An answer is an array [H, W] of the labels' values, uint8 where they fit, at the size of the
    picture; None where there is no picture.

    Attributes:
        classes: what values mean.
        threshold: of one thing to find, the probability from which on a pixel is in.
    """

    config: SegmentationConfig

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        if len(label) != 1:
            raise LabelError(
                f"masks stand in one label column, not in {len(label)}",
                remedy="write one mask a row, with a value for each class",
            )
        self.classes = Classes([], [], True)
        self.threshold = self.config.threshold or HALF
        self._truth: tuple[Any, Truths] | None = None

    def learn(self, targets: pd.DataFrame) -> None:
        """The classes: the values of all masks, each of which is read once."""
        cells = self._cells(targets)
        values: set[int] = set()
        for cell in cells:
            values.update(cell.values())
            if len(values) > MOST + 1 and self.config.grey_from is None:  # classes and void
                raise cell.error(
                    f"and those before it have {len(values)} values: {TOO_MANY[0]}", TOO_MANY[1]
                )
        try:
            self.classes, told = learned(values, self.config)
        except MaskError as error:
            raise LabelError(
                f"label {self.label[0]!r}: the masks {error}",
                column=self.label[0],
                value=sorted(values)[:8],
                remedy=error.remedy,
            ) from error
        if told:
            warnings.warn(f"label {self.label[0]!r}: {told}", MMWarning, stacklevel=2)

    def extend(self, targets: pd.DataFrame) -> None:
        """Further rows have the classes that are known: a mask with another says so when read."""
        self._cells(targets)

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Where the masks are; each must be there, and is read later."""
        return {"mask": self._cells(targets)}

    @property
    def output_dim(self) -> int:
        """One number a pixel for one thing to find; else one for each class."""
        return 1 if self.classes.binary else len(self.classes.values)

    @property
    def info(self) -> Mapping[str, Any]:
        """Also the names of the classes."""
        return {"output_dim": self.output_dim, "class_names": list(self.classes.names)}

    def postprocess(
        self, arrays: Mapping[str, Any], batch: Batch, options: Any = None
    ) -> Mapping[str, Any]:
        """Masks at the size of each picture, from logits of the canvas."""
        ((name, present),) = batch.present.items()  # the task reads one input
        form = (options or MaskOptions()).form
        return painted(arrays["masks"], batch.inputs[name], present, form)

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Masks, or what the options ask for.

        View ``masks``: a list of ``{"codes": int16 [H, W], "certain": uint8 [H, W]}``; of one thing
        to find ``certain`` is 255 times its probability.
        """
        options = options or MaskOptions()
        threshold = options.threshold or self.threshold
        certain = outputs["certain"]
        classes, each = (outputs.get(name, [None] * len(certain)) for name in ("classes", "each"))
        answers: list[Any] = []
        views: list[dict[str, Any]] = []
        for one in map(Drawn, certain, classes, each):
            codes = one.codes(threshold)
            views.append({"codes": codes, "certain": one.certain})
            answers.append(answer_of(one, codes, self.classes, options.form))
        column = pd.Series(answers, dtype=object)
        return Decoded(pd.DataFrame({self.label[0]: column}), {"masks": views})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """``{"codes": int16 [H, W], "names": [...], "binary": ...}`` each; codes -1 are void."""
        cells = targets["mask"]
        known = self._truth  # that of several metrics; another thread may put its own there
        if known is None or known[0] is not cells:
            known = self._truth = cells, Truths(cells, self.classes)
        return known[1]

    def strata(self, targets: Mapping[str, Any]) -> np.ndarray[Any, Any] | None:
        """Of one thing to find, whether a picture has any of it."""
        if not self.classes.binary or self.classes.grey_from is not None:
            return None
        value = self.classes.values[1]
        return np.array([int(value in cell.values()) for cell in targets["mask"]], np.int64)

    def calibrate(
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        """The threshold by which masks have the best IoU over all rows, if the metric agrees."""
        if not self.classes.binary or self.config.threshold is not None:
            return
        before = self.threshold
        inside, outside = np.zeros(256), np.zeros(256)
        truth = self.truth(targets, "masks")  # which the scores below read again
        for codes, certain in zip((one["codes"] for one in truth), outputs["certain"], strict=True):
            if codes.shape != certain.shape:  # a row without a picture
                continue
            for rows in strips(codes):
                sure, true = certain[rows], codes[rows]
                inside += np.bincount(sure[true == 1], minlength=256)
                outside += np.bincount(sure[true == 0], minlength=256)
        found, wrong = inside[::-1].cumsum()[::-1], outside[::-1].cumsum()[::-1]
        overlap = found / np.maximum(inside.sum() + wrong, 1)
        best = int(np.argmax(np.where(np.arange(256) < 13, -1.0, overlap)))  # from 0.05 on
        try:
            self.threshold = HALF
            plain = score(self.decode(outputs, meta))
            self.threshold = min(max((best - 0.5) / 255, 0.01), 0.99)
            if score(self.decode(outputs, meta)) <= plain:
                self.threshold = HALF
        except MetricError:
            self.threshold = HALF
        except BaseException:
            self.threshold = before
            raise

    def state(self) -> State:
        """Classes and threshold."""
        return State({"classes": self.classes.state(), "threshold": self.threshold})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was."""
        task = cls(config, label)
        task.classes = Classes(**state.values["classes"])
        task.threshold = float(state.values["threshold"])
        return task

    def _cells(self, targets: pd.DataFrame) -> list[MaskCell]:
        column = self.complete(targets)[self.label[0]]
        cells: list[MaskCell] = []
        wrong: dict[int, MaskError] = {}
        for row, value in enumerate(column):
            try:
                source, runs = find(value, self.folder, self.label[0])
                cells.append(MaskCell(row, self.label[0], source, runs, self.classes))
            except MaskError as error:
                wrong[row] = error
        if wrong:
            first = min(wrong)
            raise LabelError(
                f"label {self.label[0]!r} has no mask in {len(wrong)} row(s): row {first} "
                f"{wrong[first]}",
                column=self.label[0],
                rows=list(wrong),
                value=column.iloc[first],
                remedy="give paths of pictures from the folder of the data, arrays, or COCO's runs",
            )
        return cells
