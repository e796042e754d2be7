"""Labels, tags and the score, each against what can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_core.api import ColumnSample, LabelError, LabelSample, MetricError, State

from mm_spans.configs import TaggingOptions
from mm_spans.detect import detect
from mm_spans.labels import read_entities, write_entities
from mm_spans.metrics import OverallF1
from mm_spans.tags import spans_of
from mm_spans.task import Tagging
from mm_spans.topology import tags_of

ROME = {"entity_group": "Place", "start": 4, "end": 8}
RAMEN = {"entity_group": "Dish", "start": 0, "end": 3}
OFFSETS = np.array([[0, 0], [0, 2], [2, 5], [6, 9], [9, 10], [11, 14], [0, 0]])
"""[CLS], a word of two pieces, a word and its comma, a word, [SEP]."""


def task(*cells: Any) -> Tagging:
    """A task that has learned these labels."""
    made = Tagging(None, ["entities"])
    made.learn(frame(*cells))
    return made


def frame(*cells: Any) -> pd.DataFrame:
    """A label column."""
    return pd.DataFrame({"entities": pd.Series(list(cells))})


def sample(*values: Any) -> LabelSample:
    """What a detector sees."""
    column = ColumnSample("y", "string", values, 0.0, len(values), len(values), Path())
    return LabelSample((column,))


def test_both_forms_of_a_cell_are_read_in_order() -> None:
    """JSON, dicts, and the arrays that parquet gives; what is no list of entities is None."""
    wanted = [(0, 3, "Dish"), (4, 8, "Place")]
    cells = [ROME, {**RAMEN, "word": "ram"}]
    for cell in (cells, json.dumps(cells), np.array(cells, dtype=object)):
        assert read_entities(cell) == wanted
    assert json.loads(write_entities(wanted, as_text=True)) == [RAMEN, ROME]
    for wrong in ("Rome", "[1]", {"start": 1}, [{**ROME, "end": 4}], [{"start": 0, "end": 1}], 3):
        assert read_entities(wrong) is None


def test_only_lists_of_entities_are_claimed() -> None:
    """Not labels of a multilabel task, nor texts, nor lists that are all empty."""
    claimed = detect(sample(json.dumps([ROME]), "[]"))
    assert claimed is not None
    assert claimed.kind == "tagging"
    for values in (('["a", "b"]', "[]"), ("[]", "[]"), ("Rome", json.dumps([ROME])), ([1, 2],)):
        assert detect(sample(*values)) is None


def test_spans_become_tags_and_tags_spans() -> None:
    """Pieces go on, two entities that touch are two, special tokens and what is cut off nothing."""
    spans = np.array([[0, 5, 1], [6, 9, 0], [11, 14, 0], [40, 44, 0]])
    places = torch.tensor(np.stack([OFFSETS, OFFSETS]))
    tags = tags_of([torch.tensor(spans), torch.zeros(0, 3).long()], places)
    assert tags.tolist() == [[0, 3, 4, 1, 0, 1, 0], [0] * 7]
    assert tags_of([torch.zeros(0, 3).long()], places[:1]).sum() == 0
    scores = np.ones(len(OFFSETS))
    assert spans_of(tags[0].numpy(), scores, OFFSETS).tolist() == spans[:3].tolist()
    assert spans_of(tags[1].numpy(), scores, OFFSETS).shape == (0, 3)


def test_tags_that_cannot_be_are_read_as_what_they_mean() -> None:
    """A piece of a word begins nothing; what goes on with nothing begins; special tokens count
    for nothing.
    """
    tags, scores = np.array([1, 3, 3, 2, 2, 4, 1]), np.full(7, 0.8)
    wanted = [[0, 5, 1], [6, 10, 0], [11, 14, 1]]
    assert spans_of(tags, scores, OFFSETS).tolist() == wanted
    scores[5] = 0.3
    assert spans_of(tags, scores, OFFSETS, threshold=0.5).tolist() == wanted[:2]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "missing"),
        ("Rome", "no list of entities"),
        ([RAMEN, {**ROME, "start": 2}], "overlap"),
    ],
)
def test_labels_that_are_none_are_refused(cell: Any, said: str) -> None:
    """With the column and the row."""
    with pytest.raises(LabelError, match=said) as caught:
        task([ROME], cell)
    assert (caught.value.column, caught.value.rows) == ("entities", (1,))


def test_a_group_that_was_not_learned_is_refused() -> None:
    """Until it is, after the others; and rows without any entity teach nothing."""
    made = task([ROME], [])
    with pytest.raises(LabelError, match="Dish") as caught:
        made.encode(frame([ROME], [RAMEN]))
    assert caught.value.rows == (1,)
    made.extend(frame([RAMEN]))
    assert made.groups == ["Place", "Dish"]
    assert made.output_dim == 5
    with pytest.raises(LabelError, match="no entity"):
        task([], [])


def test_the_first_row_of_each_group_is_kept_for_training() -> None:
    """Held out, a rare group would be one that was not learned."""
    made = task([], [ROME], [ROME], [ROME, RAMEN], [RAMEN])
    targets = made.encode(frame([], [ROME], [ROME], [ROME, RAMEN], [RAMEN]))
    assert made.essential(targets).tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("as_text", [True, False])
def test_answers_are_written_as_labels_are(as_text: bool) -> None:
    """In the text's own characters, also after saving; options reach the spans."""
    cells = [json.dumps([RAMEN]), "[]"] if as_text else [[RAMEN], []]
    made = Tagging.from_state(
        None, ["entities"], State(json.loads(json.dumps(task(*cells).state().values)))
    )
    outputs = {"tags": [np.array([0, 1]), np.zeros(0)], "scores": [np.array([1, 0.6]), np.zeros(0)]}
    meta = {"passage_text": {"offsets": [np.array([[0, 0], [0, 3]]), np.array([[0, 0], [0, 9]])]}}
    answer = made.decode(outputs, meta).answer
    assert answer["entities"].tolist() == cells
    assert answer["entities"].dtype == frame(*cells)["entities"].dtype
    strict = made.decode(outputs, meta, TaggingOptions(threshold=0.7)).answer
    assert [read_entities(cell) for cell in strict["entities"]] == [[], []]


def test_a_span_is_right_where_ends_and_group_are() -> None:
    """Two of three said and of four there; in parts as in whole."""
    metric = OverallF1()
    true = [np.array([[0, 3, 0], [4, 8, 1]]), np.array([[1, 2, 0], [5, 6, 0]])]
    said = [np.array([[0, 3, 0], [4, 8, 1]]), np.array([[1, 3, 0]])]
    for one in (0, 1):
        metric.update(true[one : one + 1], said[one : one + 1])
    assert metric.compute() == pytest.approx(4 / 7)
    metric.reset()
    metric.update([np.zeros((0, 3))], [np.zeros((0, 3))])
    with pytest.raises(MetricError):
        metric.compute()
