"""Labels, tags and the score, each against what can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_ner.configs import NEROptions
from mm_ner.detect import detect
from mm_ner.labels import EntityError, read_entities, write_entities
from mm_ner.metrics import OverallF1, OverallPrecision, OverallRecall
from mm_ner.tags import spans_of
from mm_ner.task import NER
from mm_ner.topology import tags_of
from mm_ner.windows import windows
from mm_ner.words import whole_words
from mm_text.api import Ragged

from mm_core.api import ColumnSample, LabelError, LabelSample, MetricError, State

ROME = {"entity_group": "Place", "start": 4, "end": 8}
RAMEN = {"entity_group": "Dish", "start": 0, "end": 3}
OFFSETS = np.array([[0, 0], [0, 5], [0, 0], [6, 9], [9, 10], [11, 14], [0, 0]])
"""[CLS], a word of two pieces, a word and its comma, a word, [SEP]."""


def task(*cells: Any) -> NER:
    """A task that has learned these labels."""
    made = NER(None, ["entities"])
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
        with pytest.raises(EntityError):
            read_entities(wrong)


def test_only_lists_of_entities_are_claimed() -> None:
    """Not labels of a multilabel task, nor texts, nor lists that are all empty."""
    claimed = detect(sample(json.dumps([ROME]), "[]"))
    assert claimed is not None
    assert claimed.kind == "ner"
    for values in (('["a", "b"]', "[]"), ("[]", "[]"), ("Rome", json.dumps([ROME])), ([1, 2],)):
        assert detect(sample(*values)) is None


def test_spans_become_tags_and_tags_spans() -> None:
    """Two entities in a row are two; pieces, special tokens and what is cut off are nothing."""
    spans = np.array([[0, 5, 1], [6, 9, 0], [11, 14, 0], [40, 44, 0]])
    places = torch.tensor(np.stack([OFFSETS, OFFSETS]))
    tags = tags_of([torch.tensor(spans), torch.zeros(0, 3).long()], places)
    assert tags.tolist() == [[0, 3, 0, 1, 0, 1, 0], [0] * 7]
    assert tags_of([torch.zeros(0, 3).long()], places[:1]).sum() == 0
    one = tags_of([torch.tensor([[0, 10, 1]])], places[:1])
    assert one.tolist() == [[0, 3, 0, 4, 4, 0, 0]]  # a piece in between parts nothing
    scores = np.ones(len(OFFSETS))
    assert spans_of(tags[0].numpy(), scores, OFFSETS) == (spans[:3].tolist(), [1.0] * 3)
    assert spans_of(tags[1].numpy(), scores, OFFSETS) == ([], [])


def test_tags_that_cannot_be_are_read_as_what_they_mean() -> None:
    """What goes on with nothing begins; pieces and special tokens count for nothing."""
    tags, scores = np.array([1, 3, 3, 2, 2, 4, 1]), np.full(7, 0.8)
    wanted = [[0, 5, 1], [6, 10, 0], [11, 14, 1]]
    assert spans_of(tags, scores, OFFSETS)[0] == wanted
    scores[5] = 0.3
    assert spans_of(tags, scores, OFFSETS, threshold=0.5)[0] == wanted[:2]


def test_a_word_is_its_first_piece() -> None:
    """Not what stands beside it, nor in scripts that put nothing between words."""
    texts = ["rama 2nd, don't", "\u6771\u4eac e\u0301a \U0001f600", ""]
    places = [
        [[0, 0], [0, 2], [2, 4], [5, 6], [6, 8], [8, 9], [10, 13], [13, 14], [14, 15], [0, 0]],
        [[0, 0], [0, 1], [1, 2], [3, 5], [5, 6], [7, 8], [7, 8], [0, 0]],
        [[0, 0], [0, 0]],
    ]
    flat = np.array([one for row in places for one in row], np.int32)
    found = whole_words(Ragged.from_lengths(flat, np.array([10, 8, 2])), texts)
    assert [row.tolist() for row in found.split()] == [
        [[0, 0], [0, 4], [0, 0], [5, 8], [0, 0], [8, 9], [10, 13], [13, 14], [14, 15], [0, 0]],
        [[0, 0], [0, 1], [1, 2], [3, 6], [0, 0], [7, 8], [0, 0], [0, 0]],
        [[0, 0], [0, 0]],
    ]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "missing"),
        (float("nan"), "missing"),
        ("Rome", "no JSON"),
        ("[{'entity_group': 'Place', 'start': 4, 'end': 8}]", "no JSON"),
        ('{"entity_group": "Place", "start": 4, "end": 8}', "dict and no list"),
        (7, "int and no list"),
        (["Rome"], "'Rome' is no entity"),
        ([[4, 8, "Place"]], "is no entity"),
        ([{"entity": "Place", "start": 4, "end": 8}], "lacks 'entity_group', it has entity, start"),
        ([{"entity_group": "Place", "start": 4}], "lacks 'end'"),
        ([{**ROME, "start": "4"}], "start is '4', and no whole number"),
        ([{**ROME, "start": 4.5}], "start is 4.5"),
        ([{**ROME, "end": float("nan")}], "end is nan"),
        ([{**ROME, "end": None}], "end is None"),
        ([{**ROME, "start": True}], "start is True"),
        ([{**ROME, "end": 10**30}], "further than any text"),
        ([{**ROME, "end": float("inf")}], "end is inf"),
        ([{**ROME, "entity_group": 3}], "entity_group is 3, and no name"),
        ([{**ROME, "entity_group": " "}], "no name"),
        ([{**ROME, "end": 4}], r"Place \[4, 4\] has no character"),
        ([{**ROME, "start": 9}], r"Place \[9, 8\] has no character"),
        ([{**ROME, "start": -1}], "begins before its text"),
        ([RAMEN, {**ROME, "start": 2}], r"overlap: Dish \[0, 3\] and Place \[2, 8\]"),
        ([ROME, {**ROME, "start": 5, "end": 6}], "overlap"),
        ([ROME, ROME], "overlap"),
    ],
)
def test_labels_that_are_none_are_refused(cell: Any, said: str) -> None:
    """With the column, the row, and what to do."""
    with pytest.raises(LabelError, match=said) as caught:
        task([ROME], cell)
    assert (caught.value.column, caught.value.rows) == ("entities", (1,))
    assert caught.value.remedy


def test_labels_that_look_odd_are_taken() -> None:
    """Floats that are whole, as tables with gaps have them; entities that touch; further keys."""
    odd = {**ROME, "start": 4.0, "end": np.int64(8), "word": "Rome"}
    made = task([odd, {**RAMEN, "end": 4}])
    (spans,) = made.encode(frame([odd, {**RAMEN, "end": 4}]))["spans"]
    assert spans.tolist() == [[0, 4, 0], [4, 8, 1]]


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
    made = NER.from_state(
        None, ["entities"], State(json.loads(json.dumps(task(*cells).state().values)))
    )
    outputs = {"tags": [np.array([0, 1]), np.zeros(0)], "scores": [np.array([1, 0.6]), np.zeros(0)]}
    meta = {"passage_text": {"offsets": [np.array([[0, 0], [0, 3]]), np.array([[0, 0], [0, 9]])]}}
    answer = made.decode(outputs, meta).answer
    assert answer["entities"].tolist() == cells
    assert answer["entities"].dtype == frame(*cells)["entities"].dtype
    strict = made.decode(outputs, meta, NEROptions(threshold=0.7)).answer
    assert [read_entities(cell) for cell in strict["entities"]] == [[], []]


def test_a_score_says_how_sure() -> None:
    """On demand; views have none."""
    made = task([RAMEN])
    outputs = {"tags": [np.array([1])], "scores": [np.array([0.61234])]}
    decoded = made.decode(
        outputs, {"p": {"offsets": [np.array([[0, 3]])]}}, NEROptions(scores=True)
    )
    assert decoded.answer["entities"].tolist() == [[{**RAMEN, "score": 0.6123}]]
    assert decoded.views["entities"] == [[(0, 3, "Dish")]]


def counted(true: list[list[Any]], said: list[list[Any]], group: str | None = None) -> Any:
    """Precision, recall, F1 by walking over BIO tags of characters, as conlleval does."""

    def chunks(rows: list[list[Any]]) -> list[tuple[int, ...]]:
        tagged = []
        for row in rows:
            tags = ["O"] * 60
            for a, b, name in row:
                tags[a:b] = [f"B-{name}"] + [f"I-{name}"] * (b - a - 1)
            tagged.append(tags)
        ends, begun = [], None
        for row, tags in enumerate(tagged):
            for place, tag in enumerate([*tags, "O"]):
                if begun and not tag.startswith("I-"):
                    ends.append((*begun, row, place))
                    begun = None
                if tag.startswith("B-") and group in (None, tag[2:]):
                    begun = (tag[2:], place)
        return ends

    there, found = chunks(true), chunks(said)
    right = sum(one in there for one in found)
    return (
        right / len(found) if found else 0.0,
        right / len(there) if there else 0.0,
        2 * right / (len(there) + len(found)),
    )


def test_scores_are_those_of_conll() -> None:
    """Against a count that knows no spans; in parts as in whole, and by group."""
    rng = np.random.default_rng(0)

    def row() -> list[Any]:
        starts = np.flatnonzero(rng.random(10) < 0.4) * 5
        return [(int(s), int(s + rng.integers(2, 6)), "AB"[rng.integers(2)]) for s in starts]

    true = [row() for _ in range(60)]
    said = [[one for one in a if rng.random() < 0.6] if rng.random() < 0.8 else row() for a in true]
    for place, factory in enumerate((OverallPrecision, OverallRecall, OverallF1)):
        metric = factory()
        for part in (slice(0, 7), slice(7, 60)):
            metric.update(true[part], said[part])
        assert metric.compute() == pytest.approx(counted(true, said)[place])
        by_group = {f"class.{one}": counted(true, said, one)[place] for one in "AB"}
        assert metric.details() == pytest.approx(by_group)


def test_scores_without_anything_to_count() -> None:
    """Nothing there and nothing said has none; one of them is zero."""
    for factory in (OverallPrecision, OverallRecall, OverallF1):
        metric = factory()
        metric.update([[]], [[]])
        with pytest.raises(MetricError):
            metric.compute()
        assert metric.details() == {}
        metric.update([[]], [[(0, 3, "A")]])
        assert metric.compute() == 0.0
        assert metric.details() == {"class.A": 0.0}
        metric.reset()
        metric.update([[(0, 3, "A")]], [[]])
        assert metric.compute() == 0.0


@pytest.mark.parametrize(("length", "room", "overlap"), [(3, 10, 0), (10, 10, 2), (95, 10, 3)])
def test_each_token_is_owned_once(length: int, room: int, overlap: int) -> None:
    """In order, by a window that reads it; inner ones with words on both sides."""
    made = windows(length, room, room - overlap)
    assert [one for _, _, a, b in made for one in range(a, b)] == list(range(length))
    assert all(start <= a < b <= end <= start + room for start, end, a, b in made)
    if len(made) > 1:
        assert all(a - start >= overlap // 2 for start, _, a, _ in made[1:])
