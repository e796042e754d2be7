"""Ranks of made-up vectors."""

from __future__ import annotations

import numpy as np
import pytest
from mm_core.api import MetricError

from mm_pairs.metrics import RecallAt1, ReciprocalRank


def sides(query: list[list[float]], response: list[list[float]]) -> np.ndarray:
    """Vectors of length 1, or zeros; [N, 2, D]."""
    both = np.stack([np.array(query), np.array(response)], axis=1)
    return both / np.maximum(np.linalg.norm(both, axis=2, keepdims=True), 1e-12)


def scores(*parts: np.ndarray) -> tuple[float, float]:
    """recall@1 and mrr of rows that come in parts."""
    metrics = RecallAt1(), ReciprocalRank()
    for metric in metrics:
        for part in parts:
            metric.update(None, part)
    recall, mrr = (metric.compute() for metric in metrics)
    return recall, mrr


def test_the_own_response_first_second_and_last() -> None:
    """In one part or two."""
    rows = sides([[1, 0], [1, 0.1], [0, 1]], [[1, 0], [0, 1], [0.3, 1]])
    # Row 0 is first; row 1 comes after two others; row 2 after one.
    assert scores(rows) == pytest.approx((1 / 3, (1 + 1 / 3 + 1 / 2) / 3))
    assert scores(rows[:1], rows[1:]) == pytest.approx(scores(rows))


def test_vectors_that_are_all_equal_score_by_chance() -> None:
    """A network that has collapsed finds nothing."""
    recall, mrr = scores(sides([[1, 0]] * 4, [[0, 1]] * 4))
    assert recall == pytest.approx(1 / 4)
    assert mrr == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_sides_that_are_not_there_are_left_out() -> None:
    """As queries, and as candidates."""
    rows = sides([[1, 0], [0, 0], [0, 1]], [[1, 0], [0, 1], [0, 0]])
    assert scores(rows) == (1.0, 1.0)
    with pytest.raises(MetricError, match="both sides"):
        scores(rows[1:])


def test_one_pair_is_enough() -> None:
    """There is nothing to be nearer."""
    assert scores(sides([[1, 0]], [[0, 1]])) == (1.0, 1.0)
