"""Which columns the table claims, and which it leaves alone."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mm_tabular.detect import detect

from mm_core.api import ColumnSample, Detection


def sample(
    values: list[Any], dtype: str = "string", *, n_rows: int | None = None, null_share: float = 0.0
) -> ColumnSample:
    return ColumnSample(
        name="c",
        dtype=dtype,
        values=tuple(values[:300]),
        null_share=null_share,
        n_rows=n_rows or len(values),
        n_unique=len({repr(value) for value in values}),
        folder=Path(),
    )


def claim(values: list[Any], dtype: str = "string", **more: Any) -> Detection:
    found = detect(sample(values, dtype, **more))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("values", "dtype", "kind", "score"),
    [
        ([1.5, 2.5], "number", "numerical", 1.0),
        ([0, 1] * 50, "number", "numerical", 1.0),
        ([True, False], "boolean", "boolean", 1.0),
        ([True, False], "object", "boolean", 1.0),
        (["a", "b"], "categorical", "categorical", 0.95),
        ([1, Decimal("2.5")], "object", "numerical", 0.95),
        ([date(2020, 1, 1)], "object", "datetime", 1.0),
        ([timedelta(1), timedelta(2)], "object", "numerical", 1.0),
        ([], "datetime", "datetime", 1.0),
        (["12.5", " 3", "1e5", "-0.5"], "string", "numerical", 0.95),
        (["true", "False"], "string", "boolean", 0.95),
        (["2020-01-31", "2021-02-28"], "string", "datetime", 0.95),
    ],
)
def test_dtype_or_content_decides(values: list[Any], dtype: str, kind: str, score: float) -> None:
    found = claim(values, dtype)
    assert (found.kind, found.score) == (kind, score)
    assert found.reason


def test_the_reason_names_the_date_format() -> None:
    assert "%m/%d/%Y %H:%M" in claim(["2/22/2015 18:15", "2/3/2015 9:05"]).reason


def test_digits_with_leading_zeros_are_codes() -> None:
    assert claim(["01234", "02139", "10001"] * 30).kind == "categorical"


def test_three_categories_in_300_rows_are_clear() -> None:
    found = claim(["red", "green", "blue"] * 100)
    assert (found.kind, found.score) == ("categorical", 0.9)


def test_long_labels_that_repeat_are_categories() -> None:
    labels = ["I agree with most of what was said today", "I do not agree with any of it at all"]
    assert claim(labels * 100).score == 0.9


def test_many_distinct_names_are_plausible_categories() -> None:
    names = [f"Name{index}" for index in range(2600)]
    found = claim(names, n_rows=8000)
    assert found.kind == "categorical"
    assert 0.5 <= found.score <= 0.7


def test_the_score_falls_with_the_share_of_distinct_values() -> None:
    scores = [claim([f"n{i}" for i in range(n)], n_rows=1000).score for n in (90, 200, 500, 900)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_the_score_falls_with_the_number_of_words() -> None:
    scores = [
        claim([" ".join([f"w{i}", *["x"] * words]) for i in range(500)], n_rows=1000).score
        for words in (1, 2, 3)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


@pytest.mark.parametrize(
    "values",
    [
        [f"the {i}th review says that the film was rather long" for i in range(300)],
        [f"https://example.org/a/rather/long/address/{i % 80}" for i in range(300)],
        [
            f"第{i % 150}条评论说这部电影实在是太长了而且非常无聊完全不值得花钱去看真的"
            for i in range(300)
        ],
        [f"images/{i}.jpg" for i in range(300)],
        [[1, 2], [3]],
        [b"\x89PNG"],
        [{"a": 1}],
        [1 + 2j],
        [timedelta(1), 2],
    ],
)
def test_text_paths_and_containers_are_left_alone(values: list[Any]) -> None:
    dtype = "string" if isinstance(values[0], str) else "object"
    assert detect(sample(values, dtype)) is None


def test_columns_without_a_value_are_claimed_faintly() -> None:
    assert claim([], "object", n_rows=5, null_share=1.0).score == 0.1
    assert claim(["", " "], n_rows=5).score == 0.1


def test_an_empty_number_column_stays_numerical() -> None:
    assert claim([], "number", n_rows=5, null_share=1.0).kind == "numerical"
