"""``object_detection``: boxes in and out, in pixels of the pictures as they were given. numpy."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import Batch, ConfigError, Decoded, LabelError, MMWarning, State, Task
from mm_detection.boxes import Box, BoxError, Class, read_boxes
from mm_detection.configs import BoxOptions
from mm_detection.frames import answer_column, boxes_in_pictures, chosen
from mm_detection.suppression import suppressed

_REPAIRS = {
    "swapped": "box(es) had their corners swapped: they were put in order",
    "empty": "box(es) had no area: they were left out",
    "maskless": "box(es) that are ignored have no mask: their box is taken for it",
    "hollow": "mask(s) had no pixel: their boxes were left out",
    "ignored": "box(es) are marked crowd or difficult: neither loss nor scores count them",
}


class ObjectDetection(Task):
    """Targets, ragged: ``boxes`` float32 [n, 4], ``classes`` int64 [n], ``ignore`` bool [n] a row.

    An answer is a list of ``[x1, y1, x2, y2, class, score]``, the best first; empty: nothing found.

    Attributes:
        classes: names, in the order of their codes.
        ids: the number of each in COCO files; where labels do not tell, what is free from 1 on.
    """

    _WHAT = "boxes"
    _FORM = "write a list of [x1, y1, x2, y2, class] in pixels, [] where there is none"

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        if len(label) != 1:
            raise LabelError(
                f"boxes stand in one label column, not in {len(label)}",
                remedy="join them: a list of [x1, y1, x2, y2, class] a row",
            )
        self.classes: list[Class] = []
        self.ids: list[int] = []

    def learn(self, targets: pd.DataFrame) -> None:
        """The classes, and their numbers."""
        self.classes, self.ids = [], []
        self.extend(targets)
        if not self.classes:
            raise LabelError(
                "no row has a box to learn from", column=self.label[0], remedy="give rows with some"
            )

    def extend(self, targets: pd.DataFrame) -> None:
        """New classes come after those that are known."""
        rows, _ = self._read(targets)
        told = self._ids_of(rows)
        known = set(self.classes)
        new = {box.name for boxes in rows for box in boxes if not box.ignore} - known
        used = {*self.ids, *told.values()}
        free = (number for number in range(1, len(used) + len(new) + 2) if number not in used)
        for name in sorted(new, key=lambda one: (told.get(one, 0), str(type(one)), one)):
            self.classes.append(name)
            number = name if isinstance(name, int) else told.get(name)
            self.ids.append(next(free) if number is None else number)

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Targets as the class says; repairs are told with their count."""
        return self._targets(self._known(targets))

    def _known(self, targets: pd.DataFrame) -> list[list[Box]]:
        """Boxes of known classes, row by row."""
        rows, repaired = self._read(targets)
        self._refuse_unseen(rows)
        self._ids_of(rows)
        told = [f"{count} {_REPAIRS[what]}" for what, count in repaired.items() if count]
        if told:
            warnings.warn(f"label {self.label[0]!r}: {'; '.join(told)}", MMWarning, stacklevel=3)
        known = set(self.classes)
        return [[box for box in boxes if box.name in known] for boxes in rows]

    def _targets(self, known: list[list[Box]]) -> dict[str, Any]:
        codes = {name: code for code, name in enumerate(self.classes)}
        corners = [np.array([box.corners for box in boxes], np.float32) for boxes in known]
        return {
            "boxes": [one.reshape(-1, 4) for one in corners],
            "classes": [np.array([codes[box.name] for box in row], np.int64) for row in known],
            "ignore": [np.array([box.ignore for box in row], dtype=bool) for row in known],
        }

    @property
    def output_dim(self) -> int:
        """One score for each class."""
        return len(self.classes)

    @property
    def info(self) -> Mapping[str, Any]:
        """Also the names of the classes."""
        return {"output_dim": self.output_dim, "classes": list(self.classes)}

    def postprocess(
        self, arrays: Mapping[str, Any], batch: Batch, options: Any = None
    ) -> Mapping[str, Any]:
        """The best boxes, of those that overlap one, from all that a detector says."""
        (present,) = batch.present.values()  # the task reads one input
        return suppressed(arrays, present, options or BoxOptions())

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Boxes back in pixels of the pictures, those of enough score as answers.

        View ``boxes``: all of them, a list of ``{"boxes": float [n, 6], "codes": ...}``: corners,
        code of the class, score; codes are those of the classes that were looked for.
        """
        options = options or BoxOptions()
        wanted = self._wanted(options.classes)
        (where,) = meta.values()  # the task reads one input
        places = chosen(outputs, wanted, options.most)
        found = boxes_in_pictures(outputs, where, places)
        column = answer_column(found, self.classes, self.ids, options)
        views = [{"boxes": row, "codes": wanted} for row in found]
        return Decoded(pd.DataFrame({self.label[0]: column}), {"boxes": views})

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """List of ``{"boxes": float [n, 6], "names": ...}``: corners, code, whether to ignore."""
        names = [str(name) for name in self.classes]
        triples = zip(targets["boxes"], targets["classes"], targets["ignore"], strict=True)
        return [{"boxes": np.column_stack(one), "names": names} for one in triples]

    def state(self) -> State:
        """Names and numbers of the classes."""
        return State({"classes": self.classes, "ids": self.ids})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was."""
        task = cls(config, label)
        task.classes = list(state.values["classes"])
        task.ids = [int(number) for number in state.values["ids"]]
        return task

    def _wanted(self, classes: Sequence[Class] | None) -> frozenset[int] | None:
        if classes is None:
            return None
        # From a terminal a class that is a number comes as one or as a text.
        codes = {str(name): code for code, name in enumerate(self.classes)}
        strange = [name for name in classes if str(name) not in codes]
        if strange:
            raise ConfigError(
                f"the model knows no class {strange[0]!r}",
                value=strange[0],
                remedy=f"classes: {', '.join(map(str, self.classes))}",
            )
        return frozenset(codes[str(name)] for name in classes)

    def _refuse_unseen(self, rows: list[list[Box]]) -> None:
        known = set(self.classes)
        unseen = [
            row
            for row, boxes in enumerate(rows)
            if any(box.name not in known and not box.ignore for box in boxes)
        ]
        if unseen:
            strange = next(box.name for box in rows[unseen[0]] if box.name not in known)
            raise LabelError(
                f"label {self.label[0]!r} has classes unseen in training, in {len(unseen)} row(s), "
                f"such as {strange!r}",
                column=self.label[0],
                rows=unseen,
                value=strange,
                remedy=f"classes: {', '.join(map(str, self.classes))}",
            )

    def _ids_of(self, rows: list[list[Box]]) -> dict[Class, int]:
        """Name -> number, as the labels tell and as they are known; a contradiction is refused."""
        found: dict[Class, int] = dict(zip(self.classes, self.ids, strict=True))
        names = {number: name for name, number in found.items()}
        learned = set(found)
        for row, boxes in enumerate(rows):
            for box in boxes:
                number = box.name if isinstance(box.name, int) else box.id
                if number is None:
                    continue
                if found.setdefault(box.name, number) != number:
                    other = f"{box.name!r} has the ids {found[box.name]} and {number}"
                elif names.setdefault(number, box.name) != box.name and box.name not in learned:
                    other = f"the id {number} is both {names[number]!r} and {box.name!r}"
                else:
                    continue
                raise LabelError(
                    f"label {self.label[0]!r} contradicts itself, or the model: {other}",
                    column=self.label[0],
                    rows=[row],
                    value=number,
                    remedy="give each class one id, or none: [x1, y1, x2, y2, class]",
                )
        return found

    def _read(self, targets: pd.DataFrame) -> tuple[list[list[Box]], Counter[str]]:
        column = self.complete(targets)[self.label[0]]
        rows: list[list[Box]] = []
        wrong: dict[int, str] = {}
        repaired: Counter[str] = Counter()
        for row, cell in enumerate(column):
            try:
                rows.append(self._boxes(cell, repaired))
            except BoxError as error:
                wrong[row] = str(error)
        if wrong:
            first = min(wrong)
            raise LabelError(
                f"label {column.name!r} holds no {self._WHAT} in {len(wrong)} row(s): row {first} "
                f"{wrong[first]}",
                column=column.name,
                rows=list(wrong),
                value=column.iloc[first],
                remedy=self._FORM,
            )
        return rows, repaired

    def _boxes(self, cell: Any, repaired: Counter[str]) -> list[Box]:
        """Those of a cell; raises BoxError."""
        return read_boxes(cell, repaired)
