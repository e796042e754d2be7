"""``ner``: entities in a text. numpy only; the loss is the topology's, which has the tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from mm_core.api import Batch, Decoded, LabelError, MetricError, State, Task
from mm_ner.configs import NEROptions
from mm_ner.labels import Entity, EntityError, Scored, read_entities, write_entities
from mm_ner.tags import best, cut, n_tags, spans_of

Array = npt.NDArray[Any]


class NER(Task):
    """Target ``spans``: a list of N arrays int64 [S, 3], first character, end, code of the group.

    What tokens they fall on is not known here: labels come without their texts.
    """

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        if len(label) != 1:
            raise LabelError(
                f"entities stand in one label column, not in {len(label)}",
                remedy="name one column of lists of {entity_group, start, end}",
            )
        self.groups: list[str] = []
        self.as_text = True
        self.dtype = "object"

    def learn(self, targets: pd.DataFrame) -> None:
        """The groups, and how cells are written."""
        cells = targets[self.label[0]] if self.label[0] in targets else pd.Series()
        self.groups = self._groups(targets)
        if not self.groups:
            raise LabelError(
                f"label {self.label[0]!r} has no entity in any row",
                column=self.label[0],
                remedy="give rows with entities",
            )
        self.as_text = isinstance(cells.iloc[0], str)
        self.dtype = str(cells.dtype) if isinstance(cells.dtype, pd.StringDtype) else "object"

    def extend(self, targets: pd.DataFrame) -> None:
        """New groups come after the old ones."""
        self.groups += [one for one in self._groups(targets) if one not in self.groups]

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """``spans``, as the class says."""
        rows = self._read(targets)
        unseen = [
            (row, one[2])
            for row, entities in enumerate(rows)
            for one in entities
            if one[2] not in self.groups
        ]
        if unseen:
            raise LabelError(
                f"label {self.label[0]!r} has a group {unseen[0][1]!r} that was not learned",
                column=self.label[0],
                rows=sorted({row for row, _ in unseen}),
                value=unseen[0][1],
                remedy=f"groups are: {', '.join(self.groups)}",
            )
        code = {group: place for place, group in enumerate(self.groups)}
        coded = ([(a, b, code[group]) for a, b, group in entities] for entities in rows)
        return {"spans": [np.array(one, dtype=np.int64).reshape(-1, 3) for one in coded]}

    @property
    def output_dim(self) -> int:
        """Tags of a token."""
        return n_tags(len(self.groups))

    @property
    def info(self) -> Mapping[str, Any]:
        """The groups."""
        return {"output_dim": self.output_dim, "groups": self.groups}

    def postprocess(
        self, arrays: Mapping[str, Any], batch: Batch, options: Any = None
    ) -> Mapping[str, Any]:
        """The best tag of each token; what padding said is left out."""
        return cut(*best(arrays["logits"]), arrays["mask"])

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Entities in characters of the cell, written as the labels are; of a text that is missing
        none.

        Reads ``tags`` and ``scores``, [n] a row, and the input's ``offsets``, int [n, 2] a row.
        View: ``entities``, a list of (first character, the one after the last, group) a row.
        """
        options = options or NEROptions()
        (offsets,) = (one["offsets"] for one in meta.values())
        columns = outputs["tags"], outputs["scores"], offsets
        found = [
            # A row that is absent has no token, and the offsets of special ones.
            spans_of(tags, scores, places[: len(tags)], options.threshold)
            for tags, scores, places in zip(*columns, strict=True)
        ]
        named = [
            [
                (a, b, self.groups[code], sure)
                for (a, b, code), sure in zip(spans, sures, strict=True)
            ]
            for spans, sures in found
        ]
        views = {"entities": [[(a, b, group) for a, b, group, _ in one] for one in named]}
        answer = named if options.scores else views["entities"]
        return Decoded(self._frame(answer), views=views)

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """The entities of each row."""
        if needs != "entities":
            raise MetricError(
                f"the metric reads {needs!r}, which entities do not have",
                value=needs,
                remedy="take overall_f1, overall_precision or overall_recall",
            )
        return [
            [(a, b, self.groups[code]) for a, b, code in spans.tolist()]
            for spans in targets["spans"]
        ]

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame:
        """The labels, entities in the order of the text."""
        return self._frame(self.truth(targets, "entities"))

    def essential(self, targets: Mapping[str, Any]) -> Array:
        """The first row of each group: held out, it might be the only one."""
        groups = [np.unique(spans[:, 2]) for spans in targets["spans"]]
        rows = np.repeat(np.arange(len(groups)), [len(one) for one in groups])
        _, first = np.unique(np.concatenate(groups), return_index=True)
        return np.isin(np.arange(len(groups)), rows[first])

    def state(self) -> State:
        """Groups, and how cells are written."""
        return State({"groups": self.groups, "as_text": self.as_text, "dtype": self.dtype})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was after ``learn``."""
        task = cls(config, label)
        task.groups = list(state.values["groups"])
        task.as_text, task.dtype = state.values["as_text"], state.values["dtype"]
        return task

    def _groups(self, targets: pd.DataFrame) -> list[str]:
        return sorted({group for entities in self._read(targets) for _, _, group in entities})

    def _read(self, targets: pd.DataFrame) -> list[list[Entity]]:
        """Entities of each row.

        Raises:
            LabelError: a cell is missing, is no list of entities, or has some that overlap.
        """
        column = self.complete(targets)[self.label[0]]
        rows: list[list[Entity]] = []
        wrong: dict[int, EntityError] = {}
        for row, cell in enumerate(column):
            try:
                rows.append(read_entities(cell))
            except EntityError as error:
                wrong[row] = error
        if wrong:
            first = next(iter(wrong))
            raise LabelError(
                f"label {column.name!r}: {len(wrong)} row(s) list no entities that can be read; "
                f"row {first}: {wrong[first]}",
                column=self.label[0],
                rows=list(wrong),
                value=column.iloc[first],
                remedy='a cell is [{"entity_group": "Dish", "start": 0, "end": 4}, ...], or JSON '
                "of it; each character belongs to one entity at most. `mm ner check DATA` lists "
                "all such rows",
            )
        return rows

    def _frame(self, rows: Sequence[Sequence[Entity | Scored]]) -> pd.DataFrame:
        cells = [write_entities(one, self.as_text) for one in rows]
        return pd.DataFrame({self.label[0]: pd.Series(cells, dtype=self.dtype)})
