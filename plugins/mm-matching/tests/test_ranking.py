"""Scores of ranks, on made-up vectors."""

from __future__ import annotations

import numpy as np
import pytest
from mm_matching.metrics import (
    NDCG,
    AveragePrecision,
    Pairs,
    Precision,
    Recall,
    ReciprocalRank,
    Spearman,
)

from mm_core.api import MetricError


def rows(query, response, query_key=None, response_key=None) -> np.ndarray:
    """Records of vectors of length 1, or zeros."""
    query, response = np.asarray(query, np.float32), np.asarray(response, np.float32)
    kinds = [("query", np.float32, query.shape[1:]), ("response", np.float32, query.shape[1:])]
    found = np.zeros(len(query), [*kinds, ("query_key", np.int64), ("response_key", np.int64)])
    for name, given in (("query", query), ("response", response)):
        found[name] = given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-12)
    keys = np.arange(1, len(query) + 1)
    found["query_key"] = keys if query_key is None else query_key
    found["response_key"] = keys if response_key is None else response_key
    return found


def score(metric, answer, truth=None) -> float:
    metric.update(truth, answer)
    return metric.compute()


def test_the_own_response_first_second_and_last() -> None:
    """In one part or two."""
    given = rows([[1, 0], [1, 0.1], [0, 1]], [[1, 0], [0, 1], [0.3, 1]])
    # Row 0 is first; row 1 comes after two others; row 2 after one.
    assert score(Recall(1), given) == pytest.approx(1 / 3)
    assert score(Recall(2), given) == pytest.approx(2 / 3)
    assert score(ReciprocalRank(), given) == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)
    metric = ReciprocalRank()
    metric.update(None, given[:1])
    metric.update(None, given[1:])
    assert metric.compute() == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)


def test_vectors_that_are_all_equal_score_by_chance() -> None:
    """A network that has collapsed finds nothing."""
    given = rows([[1, 0]] * 4, [[0, 1]] * 4)
    assert score(Recall(1), given) == pytest.approx(1 / 4)
    assert score(ReciprocalRank(), given) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert score(AveragePrecision(), given) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_ties_score_the_mean_over_their_orders() -> None:
    """Of all orders of five equal responses, two of them right, behind one that is nearer."""
    from itertools import permutations

    query = [[1, 0]] * 6
    given = rows(query, [[1, 0]] + [[1, 1]] * 5, query_key=[1] * 6)
    truth = np.array([0, 1, 1, 0, 0, 0], np.float32)
    wanted = {"mrr": [], "map": [], "recall": [], "ndcg": []}
    for order in permutations([1, 1, 0, 0, 0]):
        places = 2 + np.flatnonzero(order)
        wanted["mrr"].append(1 / places[0])
        wanted["map"].append(np.mean([(i + 1) / place for i, place in enumerate(places)]))
        wanted["recall"].append((places <= 3).mean())
        best = 1 + 1 / np.log2(3)
        wanted["ndcg"].append(sum(1 / np.log2(p + 1) for p in places if p <= 3) / best)
    means = {name: np.mean(values) for name, values in wanted.items()}
    assert score(ReciprocalRank(), given, truth) == pytest.approx(means["mrr"])
    assert score(AveragePrecision(), given, truth) == pytest.approx(means["map"])
    assert score(Recall(3), given, truth) == pytest.approx(means["recall"])
    assert score(NDCG(3), given, truth) == pytest.approx(means["ndcg"])
    assert score(Precision(3), given, truth) == pytest.approx(means["recall"] * 2 / 3)


def test_they_are_those_of_sentence_transformers() -> None:
    """Many queries, some with several right responses; no ties."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    rng = np.random.default_rng(0)
    query, response = rng.integers(0, 40, 160), rng.integers(0, 70, 160)
    vectors = [rng.normal(size=(n, 8)).astype(np.float32) for n in (40, 70)]
    given = rows(vectors[0][query], vectors[1][response], query + 1, response + 1)
    truth = (rng.random(160) < 0.6).astype(np.float32)
    relevant: dict[str, set[str]] = {}
    for q, r, right in zip(query, response, truth, strict=True):
        if right:
            relevant.setdefault(str(q), set()).add(str(r))
    known = sorted(set(response.tolist()))
    evaluator = InformationRetrievalEvaluator(
        {str(q): str(q) for q in sorted(set(query.tolist()))},
        {str(r): str(r) for r in known},
        relevant,
        mrr_at_k=[len(known)],
        map_at_k=[len(known)],
        ndcg_at_k=[10],
        precision_recall_at_k=[1, 5],
        accuracy_at_k=[1],
    )
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    cosines = unit[0] @ unit[1].T
    ranked = [
        [
            {"corpus_id": str(r), "score": float(cosines[int(q), r])}
            for r in sorted(known, key=lambda r, q=q: -cosines[int(q), r])
        ]
        for q in evaluator.queries_ids
    ]
    wanted = evaluator.compute_metrics(ranked)
    pairs = [
        (Recall(5), wanted["recall@k"][5]),
        (Precision(1), wanted["precision@k"][1]),
        (NDCG(10), wanted["ndcg@k"][10]),
        (ReciprocalRank(), wanted["mrr@k"][len(known)]),
        (AveragePrecision(), wanted["map@k"][len(known)]),
    ]
    for metric, value in pairs:
        assert score(metric, given, truth) == pytest.approx(value, abs=1e-6), type(metric).__name__


def test_sides_that_are_not_there_are_left_out() -> None:
    """As queries, and as candidates."""
    given = rows([[1, 0], [0, 0], [0, 1]], [[1, 0], [0, 1], [0, 0]])
    assert score(Recall(1), given) == 1.0
    with pytest.raises(MetricError, match="both sides"):
        score(Recall(1), given[1:])


def test_a_response_without_a_query_is_a_candidate() -> None:
    """It can be nearer than the right one; it is nobody's own."""
    given = rows([[1, 0], [0, 0]], [[1, 1], [1, 0.1]])
    assert score(Recall(1), given) == 0.0
    assert score(ReciprocalRank(), given) == pytest.approx(1 / 2)
    assert score(Pairs(), given) == pytest.approx(1 / 2)


def test_scores_of_the_same_rows_are_of_one_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the dear part; other rows have another."""
    from mm_matching import ranking

    asked = []
    places = ranking._places
    monkeypatch.setattr(ranking, "_places", lambda *given: asked.append(1) or places(*given))
    rng = np.random.default_rng(7)
    given = rows(rng.normal(size=(9, 4)), rng.normal(size=(9, 4)))
    first = [score(metric, given.copy()) for metric in (Recall(1), ReciprocalRank(), Pairs())]
    assert len(asked) == 1
    assert score(ReciprocalRank(), given, np.arange(9.0)) != first[1]
    given["response"][0] = -given["response"][0]
    assert [score(metric, given) for metric in (ReciprocalRank(), Pairs())] != first[1:]
    assert len(asked) == 3


def test_one_pair_is_enough() -> None:
    """There is nothing to be nearer."""
    given = rows([[1, 0]], [[0, 1]])
    assert [score(metric, given) for metric in (Recall(1), ReciprocalRank())] == [1.0, 1.0]


def test_what_fits_the_label_is_shown_by_name() -> None:
    """Of matches, of grades, of pairs without a label."""
    given = rows([[1, 0]] * 4, [[1, 0], [1, 0.5], [1, 2], [0, 1]])
    for truth, name, value in (
        (np.array([1.0, 1, 0, 0]), "roc_auc", 1.0),
        (np.array([1.0, 0.7, 0.4, 0.1]), "spearman", 1.0),
    ):
        metric = Pairs()
        assert score(metric, given, truth) == pytest.approx(value)
        assert metric.details()[name] == metric.compute()
    with pytest.raises(MetricError, match="order"):
        score(Spearman(), np.ones(3), np.array([1.0, 2, 3]))
    with pytest.raises(MetricError, match="tell apart"):
        score(Pairs(), given, np.ones(4))


def test_recall_is_drawn_along_the_first_responses() -> None:
    """Of pairs without a label, where their score says it."""
    given = rows([[1, 0], [1, 0], [0, 1]], [[1, 0.1], [1, 0], [0, 1]])  # the first is second
    metric = Pairs()
    metric.update(None, given)
    metric.compute()
    (curves,) = metric.curves()
    places, shares = curves.lines[""]
    assert places.tolist() == [1, 2, 3]
    assert shares.tolist() == pytest.approx([2 / 3, 1, 1])
    assert shares[0] == metric.details()["recall@1"]
    metric = Pairs()
    score(metric, given, np.array([1.0, 0, 1]))
    assert metric.curves() == []
