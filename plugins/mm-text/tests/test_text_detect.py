"""Which columns are text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mm_text.detect import count_words, detect

from mm_core.api import ColumnSample

RNG = np.random.default_rng(0)
NOUNS = [
    "river",
    "stone",
    "cloud",
    "tiger",
    "lamp",
    "violin",
    "harbour",
    "winter",
    "ladder",
    "copper",
    "meadow",
    "engine",
]


def score(values: Sequence[Any], dtype: str = "string", null_share: float = 0.0) -> float:
    distinct = len({repr(value) for value in values})
    sample = ColumnSample(
        "x", dtype, tuple(values[:300]), null_share, len(values), distinct, Path()
    )
    found = detect(sample)
    if found is None:
        return 0.0
    assert found.kind == "text"
    assert 0.1 <= found.score <= 1
    assert "words on average" in found.reason
    return found.score


def phrases(count: int, words: int) -> list[str]:
    return [" ".join(RNG.choice(NOUNS, words)) + f" {i % 7}" for i in range(count)]


@pytest.mark.parametrize(
    "values",
    [
        phrases(300, 12),
        phrases(40, 6),
        ["这家餐厅的服务非常好,下次还会再来" + "很" * (i % 9) + "好" * i for i in range(60)],
        ["この映画はとても面白かったので友達にも勧めたい" + "ね" * i for i in range(60)],
        ["ร้านอาหารนี้อร่อยมากและบริการดี" + "มาก" * i for i in range(60)],
        [
            f"Read more at https://example.org/{i} about {text}"
            for i, text in enumerate(phrases(90, 5))
        ],
        [f"On 3 May 2021 the {text}" for text in phrases(90, 5)],
    ],
)
def test_prose_is_text(values: list[str]) -> None:
    assert score(values) > 0.9


def test_questions_that_repeat_are_text() -> None:
    questions = [f"what is the colour of the {a} {b}?" for a in NOUNS for b in NOUNS]
    assert score([str(q) for q in RNG.choice(questions, 3000)]) > 0.9


def test_names_of_two_words_are_text_where_they_seldom_repeat() -> None:
    names = [f"{a} {b}" for a in NOUNS for b in NOUNS]
    assert 0.5 < score(names) < 0.9
    assert score([names[i % 10] for i in range(500)]) < 0.3


@pytest.mark.parametrize(
    "values",
    [
        ["red", "green", "blue"] * 100,
        ["NEAR BAY", "<1H OCEAN", "INLAND"] * 100,
        ["Central Time (US & Canada)", "Eastern Time (US & Canada)", "Quito"] * 100,
        ["Yes, very much.", "No, not at all.", "I do not know."] * 100,
        [NOUNS[i % 12] + chr(97 + i % 26) for i in range(400)],
    ],
)
def test_categories_are_left_to_others(values: list[str]) -> None:
    assert score(values) < 0.4


@pytest.mark.parametrize(
    "values",
    [
        [f"{i}.5" for i in range(100)],
        [f"[{i}.87642273, -78.79274566]" for i in range(100)],
        [f"+49 30 {i} 55" for i in range(100)],
        [f"2/{1 + i % 28}/2015 18:15" for i in range(100)],
        [f"2015-02-{1 + i % 28:02}T10:00:00Z" for i in range(100)],
        [f"Mon, {1 + i % 28} Feb 2015 6:15 pm UTC" for i in range(100)],
        [f"images/{i}.jpg" for i in range(100)],
        [f"my holiday pictures {i}.PNG" for i in range(100)],
        [f"a {i}.jpg;b c {i}.jpg" for i in range(100)],
        [f"https://example.org/a/{i}" for i in range(100)],
        [f"C:\\pictures\\{i}" for i in range(100)],
        [base64.b64encode(RNG.bytes(200)).decode() for _ in range(50)],
        ["data:image/png;base64," + base64.b64encode(RNG.bytes(50)).decode() for _ in range(50)],
        [f"3f2504e0-4f89-11d3-9a0c-0305e82c{i:04}" for i in range(100)],
        [f'[{{"label": "some words here", "start": {i}}}]' for i in range(100)],
        [f"AB-{i}" for i in range(100)],
        ["", "  "],
        [],
    ],
)
def test_what_machines_write_is_not_text(values: list[str]) -> None:
    assert score(values) == 0


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1.5, 2.5, 3.5], "number"),
        ([True, False], "boolean"),
        ([[1, 2], ["some words of text", "here"]], "object"),
        ([b"some words in bytes", b"and more of them"], "object"),
        ([1, 2, 3, "and now some words"], "object"),
    ],
)
def test_other_types_are_not_text(values: list[Any], dtype: str) -> None:
    assert score(values, dtype) == 0


def test_text_among_a_few_numbers_is_text() -> None:
    assert score([*phrases(90, 8), 1, 2.5, 3], "object") > 0.9


def test_missing_cells_do_not_count_as_repeats() -> None:
    values = phrases(50, 8)
    sample = ColumnSample("x", "string", tuple(values), 0.9, 500, 50, Path())
    found = detect(sample)
    assert found is not None
    assert found.score > 0.9


def test_a_megabyte_cell_is_judged_by_its_beginning() -> None:
    assert score(["word " * 200_000 + str(i) for i in range(3)]) > 0.9


def test_words_without_spaces_are_counted() -> None:
    assert count_words("two words") == 2
    assert count_words("东京大学") == 2
    assert count_words("東京 tower です") == 3
    assert count_words("안녕 세계") == 2
