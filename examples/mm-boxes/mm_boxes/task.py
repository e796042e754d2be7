"""``detection``: boxes in and out, both in pixels of the pictures as they were given. numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from mm_core.api import Decoded, LabelError, State, Task

from mm_boxes.configs import BoxOptions
from mm_boxes.labels import Box, box_list


class Boxes(Task):
    """Targets, ragged: ``boxes`` list of float32 [n, 4], ``classes`` list of int64 [n].

    An answer is a list of ``[x1, y1, x2, y2, class, score]``, the best first; empty: nothing found.
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        if len(label) != 1:
            raise LabelError(
                f"boxes stand in one label column, not in {len(label)}",
                remedy="join them: a list of [x1, y1, x2, y2, class] a row",
            )
        self.classes: list[Any] = []

    def learn(self, targets: pd.DataFrame) -> None:
        """The classes."""
        found = {box[4] for boxes in self._read(targets) for box in boxes}
        if not found:
            raise LabelError("no row has a box", column=self.label[0], remedy="give rows with some")
        self.classes = sorted(found, key=lambda name: (str(type(name)), name))

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Targets as the class says."""
        rows = self._read(targets)
        codes = {name: code for code, name in enumerate(self.classes)}
        unseen = [
            row for row, boxes in enumerate(rows) if any(box[4] not in codes for box in boxes)
        ]
        if unseen:
            raise LabelError(
                f"label {self.label[0]!r} has classes unseen in training, in {len(unseen)} row(s)",
                column=self.label[0],
                rows=unseen,
                value=next(box[4] for box in rows[unseen[0]] if box[4] not in codes),
                remedy=f"classes: {', '.join(map(str, self.classes))}",
            )
        corners = [np.array([box[:4] for box in boxes], np.float32) for boxes in rows]
        return {
            "boxes": [one.reshape(-1, 4) for one in corners],
            "classes": [np.array([codes[box[4]] for box in boxes], np.int64) for boxes in rows],
        }

    @property
    def output_dim(self) -> int:
        """One score for each class."""
        return len(self.classes)

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Boxes back in pixels of the pictures, those of enough score as answers.

        View ``boxes``: all of them, a list of float [n, 6]: corners, code of the class, score.
        """
        threshold = (options or BoxOptions()).score_threshold
        (where,) = meta.values()  # the task reads one input
        found = [
            np.column_stack([np.clip(boxes / np.tile(scale, 2), 0, np.tile(size, 2)), code, score])
            for boxes, code, score, size, scale in zip(
                *(outputs[name] for name in ("boxes", "classes", "scores")),
                where["size"],
                where["scale"],
                strict=True,
            )
        ]
        answers = [[self._answer(box) for box in row if box[5] >= threshold] for row in found]
        column = pd.Series(answers, dtype=object)
        return Decoded(pd.DataFrame({self.label[0]: column}), {"boxes": found})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """List of float [n, 5]: corners, code of the class."""
        pairs = zip(targets["boxes"], targets["classes"], strict=True)
        return [np.column_stack(pair) for pair in pairs]

    def state(self) -> State:
        """The classes."""
        return State({"classes": self.classes})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was."""
        task = cls(config, label)
        task.classes = list(state.values["classes"])
        return task

    def _answer(self, box: np.ndarray) -> list[Any]:
        corners = [round(one, 2) for one in box[:4].tolist()]
        return [*corners, self.classes[int(box[4])], round(float(box[5]), 4)]

    def _read(self, targets: pd.DataFrame) -> list[list[Box]]:
        column = self.complete(targets)[self.label[0]]
        rows = [box_list(cell) for cell in column]
        wrong = [row for row, boxes in enumerate(rows) if boxes is None]
        if wrong:
            raise LabelError(
                f"label {column.name!r} holds no boxes in {len(wrong)} row(s)",
                column=column.name,
                rows=wrong,
                value=column.iloc[wrong[0]],
                remedy="write a list of [x1, y1, x2, y2, class], x1 < x2 and y1 < y2",
            )
        return [boxes for boxes in rows if boxes is not None]
