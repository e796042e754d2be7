"""Any text, of any length: where its tokens stand, and what is found in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_ner.configs import WindowsConfig
from mm_ner.labels import read_entities, write_entities
from mm_ner.tags import spans_of
from mm_ner.topology import tags_of
from mm_ner.windows import Windows

from mm_core import MultiModalPredictor
from mm_core.api import Field, LabelError, MMWarning, Table

Orders = Callable[..., pd.DataFrame]
Fit = Callable[..., MultiModalPredictor]

MARKED = [
    "[Rome] and [New York], with a comma",
    "  white space\t in front of [Rome] \n",
    "\N{STEAMING BOWL}\N{STEAMING BOWL} [ramen] \N{WAVING HAND SIGN}\U0001f3fc",
    "[\N{STEAMING BOWL}] alone, and a family \U0001f468\u200d\U0001f469\u200d\U0001f467 in [Rome]",
    "[Cafe\N{COMBINING ACUTE ACCENT}] and [Zu\N{COMBINING DIAERESIS}rich]",
    "\N{LATIN SMALL LIGATURE FI}ne \N{FULLWIDTH LATIN CAPITAL LETTER A}\u00bd [Rome]\u2122",
    "[\u6771\u4eac]\u306e[\u30e9\u30fc\u30e1\u30f3]\u306f\u3001\u5b89\u3044",
    "\u05d0\u05db\u05dc\u05ea\u05d9 [\u05e8\u05d0\u05de\u05df] \u05d1 [\u05e8\u05d5\u05de\u05d0]",
    "\u0645\u0637\u0639\u0645 [\u0631\u0648\u0645\u0627]",
    "word " * 40 + "[Rome] " + "word " * 40 + "[New York]",
    "",
]

HALF = "\u05d1[\u05e8\u05d5\u05de\u05d0]"
"""In Rome, which Hebrew writes as one word."""


def taken_apart(marked: str) -> tuple[str, list[list[int]]]:
    """The text without brackets, and where they stood."""
    text, spans = "", []
    for place, part in enumerate(marked.replace("]", "[").split("[")):
        if place % 2:
            spans.append([len(text), len(text) + len(part), 0])
        text += part
    return text, spans


def read(texts: list[str | None], **settings: Any) -> Any:
    """A batch of all rows."""
    table = Table(pd.DataFrame({"said": pd.Series(texts, dtype="str")}), Path())
    field = Field(column="said", kind="text")
    processor = Windows(WindowsConfig(vocab_size=300, **settings), [field])
    processor.needs = ("tokens",)
    processor.fit(table)
    return processor.batch(processor.encode(table), np.arange(len(texts)))


@pytest.mark.parametrize("tagged", ["words", "pieces"])
@pytest.mark.parametrize("length", [16, 512])
def test_characters_are_those_of_the_text(length: int, tagged: str) -> None:
    """Whatever a sign takes of bytes, and in one window or in many: entities become tags of tokens
    and come back; half a word, where pieces have tags.
    """
    marked = [*MARKED, HALF] if tagged == "pieces" else MARKED
    texts, spans = zip(*map(taken_apart, marked), strict=True)
    made = read(list(texts), max_length=length, tagged=tagged)
    assert (made.arrays["attention_mask"].shape[1] >= 16 * 8) is (length == 16)
    for wanted, places in zip(spans, made.meta["offsets"], strict=True):
        tags = tags_of([torch.tensor(wanted).reshape(-1, 3)], torch.tensor(places)[None])[0]
        assert spans_of(tags.numpy(), np.ones(len(places)), places)[0] == wanted


def test_each_character_is_read_once() -> None:
    """By the window that owns its token; what is cut off is told."""
    text = " ".join(f"w{i}" for i in range(300))
    made = read([text, "short"], max_length=16)
    there = made.meta["offsets"][0][made.meta["offsets"][0].any(axis=1)]
    assert (np.diff(there[:, 0]) > 0).all()
    assert "".join(text[a:b] for a, b in there) == text.replace(" ", "")
    assert made.meta["ends"].tolist() == [len(text), 5]
    with pytest.warns(MMWarning, match="1 text.* 64 tokens or more.*max_tokens"):
        read([text, "short"], max_length=16, max_tokens=64)


def test_an_entity_in_two_windows_begins_once() -> None:
    """What the second one owns of it goes on, though tokens of others stand between."""
    made = read(["Rome " * 60], max_length=16)
    (places,) = made.meta["offsets"]
    tags = tags_of([torch.tensor([[10, 290, 0]])], torch.tensor(places)[None])[0].numpy()
    assert (tags == 1).sum() == 1
    assert spans_of(tags, np.ones(len(places)), places)[0] == [[10, 289, 0]]


def joined(frame: pd.DataFrame, of: int) -> pd.DataFrame:
    """Several texts in one."""
    rows = []
    for first in range(0, len(frame), of):
        text, entities = "", []
        for said, cell in frame.iloc[first : first + of].itertuples(index=False):
            entities += [(a + len(text), b + len(text), one) for a, b, one in read_entities(cell)]
            text += said + " "
        rows.append((text, write_entities(entities, as_text=True)))
    return pd.DataFrame(rows, columns=["said", "entities"])


def test_a_long_text_is_read_to_its_end(learned: MultiModalPredictor, orders: Orders) -> None:
    """By a model of short ones; beside short ones, and alone."""
    long = joined(orders(96, seed=5), of=24)
    assert learned.recipe.inputs["passage_text"].processor.id == "ner:windows"
    assert learned.evaluate(long)["overall_f1"] > 0.85
    mixed = pd.concat([orders(3, seed=6), long])
    assert learned.predict(mixed).tolist()[3:] == learned.predict(long).tolist()
    assert learned.predict(long[:1]).tolist() == learned.predict(long).tolist()[:1]


@pytest.mark.filterwarnings("ignore::mm_core.api.MMWarning")
def test_it_learns_of_long_texts(orders: Orders, fit: Fit) -> None:
    """All windows of a text have a part in the loss: entities stand in its second half only."""
    frame = orders(120, seed=7)
    frame["said"] = "so we went there and then " * 4 + frame["said"]
    shift = len("so we went there and then " * 4)
    moved = [[(a + shift, b + shift, g) for a, b, g in read_entities(c)] for c in frame["entities"]]
    frame["entities"] = [write_entities(one, as_text=True) for one in moved]
    settings = {"inputs.passage_text.processor.max_length": 24, "training.epochs": 8}
    assert fit(frame, **settings).evaluate(frame)["overall_f1"] > 0.5


@pytest.mark.parametrize(("text", "end"), [("We had ramen.", 14), (None, 5)])
def test_an_entity_beyond_its_text_is_refused(
    text: str | None, end: int, orders: Orders, fit: Fit
) -> None:
    """With its row; a text that is missing has no character."""
    frame = orders(40, seed=8)
    frame.loc[7:9, "said"] = text
    frame.loc[7:9, "entities"] = write_entities([(end - 5, end, "Dish")], as_text=True)
    with pytest.raises(LabelError, match="an entity ends at character") as caught:
        fit(frame, **{"training.epochs": 1})
    assert caught.value.column == "entities"
    assert "mm ner check" in caught.value.remedy
