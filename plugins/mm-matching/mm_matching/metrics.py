"""Scores of pairs: of ranks, of matches, of grades. No torch."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from mm_core.api import Curves, MetricError, MMWarning
from mm_matching.ranking import NEAR, Ranking, ranking

Array = np.ndarray

MOST_PLACES = 100
"""Of responses along which recall is drawn."""


class _Gathered:
    """Waits for all rows: a rank is a rank among all of them, not of a batch."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._answers: list[Array] = []
        self._truth: list[Array] = []

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows; ``truth`` None: each row is right."""
        self._answers.append(np.asarray(answer))
        if truth is not None:
            self._truth.append(np.asarray(truth))

    @property
    def rows(self) -> Array:
        """All of them.

        Raises:
            MetricError: there are none.
        """
        if not self._answers:
            raise MetricError("there are no rows to score", remedy="give rows")
        return np.concatenate(self._answers)

    @property
    def truth(self) -> Array | None:
        """Of all rows; None: each is right."""
        return np.concatenate(self._truth) if self._truth else None


class _Ranked(_Gathered):
    """A score of places; queries without a right response are left out."""

    name = ""

    def __init__(self, k: int | None = None) -> None:
        super().__init__()
        self.k = k

    def compute(self) -> float:
        """The mean over queries, where ties are broken by chance."""
        found = ranking(self.rows, self.truth)
        if self.k is not None and self.k > found.pool:
            warnings.warn(
                f"{self.name}@{self.k}: there are {found.pool} responses in all, so that every "
                "one is among the first",
                MMWarning,
                stacklevel=2,
            )
        return float(self.score(found).mean())

    def score(self, found: Ranking) -> Array:
        """float64, one for each query."""
        raise NotImplementedError


class Recall(_Ranked):
    """Share of a query's right responses that are among the first k."""

    name = "recall"

    def score(self, found: Ranking) -> Array:
        assert self.k is not None
        shares: Array = found.hits(self.k) / found.right()
        return shares


class Precision(_Ranked):
    """Share of the first k responses that are right."""

    name = "precision"

    def score(self, found: Ranking) -> Array:
        assert self.k is not None
        return found.hits(self.k) / self.k


class NDCG(_Ranked):
    """Gains of the first k responses, discounted by the logarithm of their place, over the most
    that there could be (Jaervelin, Kekaelaeinen 2002). Of grades the gain is the grade.
    """

    name = "ndcg"

    def score(self, found: Ranking) -> Array:
        assert self.k is not None
        places = np.arange(1, found.pool + 1)
        discount = np.where(places <= self.k, 1 / np.log2(places + 1), 0.0)
        total = np.concatenate([[0.0], np.cumsum(discount)])
        mean = (total[found.nearer + found.tied] - total[found.nearer]) / found.tied
        order = np.lexsort((-found.gain, found.query))
        first = np.concatenate([[0], np.cumsum(found.right())[:-1]])
        place = np.arange(len(order)) - first[found.query[order]]
        best = np.zeros(len(order))
        best[order] = found.gain[order] * discount[place]
        scores: Array = found.per_query(found.gain * mean) / found.per_query(best)
        return scores


class ReciprocalRank(_Ranked):
    """One over the place of the first right response."""

    def score(self, found: Ranking) -> Array:
        scores = np.zeros(found.queries)
        for query, nearer, tied, right in found.groups():
            chance, value = 1.0, 0.0  # that none of the tied ones before was right
            start, size, good = int(nearer[0]), int(tied[0]), int(right[0])
            for place in range(size - good + 1):
                hit = good / (size - place)
                value += chance * hit / (start + place + 1)
                chance *= 1 - hit
            scores[query] = value
        return scores


class AveragePrecision(_Ranked):
    """Mean precision at the places of the right responses (ties: McSherry, Najork 2008)."""

    def score(self, found: Ranking) -> Array:
        scores = np.zeros(found.queries)
        for query, nearer, tied, right in found.groups():
            before, total = 0, 0.0
            for start, size, good in zip(nearer, tied, right, strict=True):
                place = np.arange(1, size + 1)
                others = (place - 1) * (good - 1) / max(1, size - 1)
                total += float((good / size * (before + others + 1) / (start + place)).sum())
                before += int(good)
            scores[query] = total / before
        return scores


class Spearman(_Gathered):
    """Correlation of the ranks of cosines with those of grades; ties share their mean rank."""

    def compute(self) -> float:
        """-1 to 1.

        Raises:
            MetricError: fewer than two rows, or all alike.
        """
        return spearman(self.truth, self.rows)


class Uniformity(_Gathered):
    """Logarithm of the mean of exp(-2 d^2) over all pairs of rows, d the distance of their
    directions (arXiv 2005.10242); 0 where all are the same.
    """

    def compute(self) -> float:
        """At most 0.

        Raises:
            MetricError: fewer than two rows hold something.
        """
        rows = self.rows.astype(np.float64)
        rows = rows[rows.any(axis=1)]
        if len(rows) < 2:
            raise MetricError("pairs need two rows or more", remedy="give more rows")
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        total = 0.0
        for start in range(0, len(rows), 1024):
            total += float(np.exp(4 * (rows[start : start + 1024] @ rows.T - 1)).sum())
        return float(np.log((total - len(rows)) / (len(rows) * (len(rows) - 1))))


class Pairs(_Gathered):
    """What fits the label: ``roc_auc`` of pairs that match or not, ``spearman`` of grades, ``mrr``
    of pairs without a label. Each by cosines; rows that lack a side are left out.
    """

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._found: dict[str, float] | None = None

    def update(self, truth: Any, answer: Any) -> None:
        """Take in some rows; ``truth`` None: each row is right."""
        super().update(truth, answer)
        self._found = None

    def compute(self) -> float:
        """0..1, of grades -1..1."""
        return next(iter(self.details().values()))

    def details(self) -> dict[str, float]:
        """The score by its own name, and what goes with it."""
        if self._found is None:  # ranking all rows is dear, and the score was asked for before
            self._found = self._scores()
        return dict(self._found)

    def _scores(self) -> dict[str, float]:
        rows, truth = self.rows, self.truth
        if truth is None:
            found = ranking(rows, None)
            names = ("mrr", "recall@1", "recall@10")
            made = (ReciprocalRank(), Recall(1), Recall(10))
            return {n: float(m.score(found).mean()) for n, m in zip(names, made, strict=True)}
        there = rows["query"].any(axis=1) & rows["response"].any(axis=1)
        rows, truth = rows[there], truth[there]
        cosine = (rows["query"] * rows["response"]).sum(axis=1)
        if set(np.unique(truth)) <= {0.0, 1.0}:
            return _of_matches(truth, cosine)
        return {"spearman": spearman(truth, cosine), "pearson": pearson(truth, cosine)}

    def curves(self) -> list[Curves]:
        """Recall along the first responses, of pairs without a label; of others none."""
        return [_recalls(ranking(self.rows, None))] if self.truth is None else []


def _recalls(found: Ranking) -> Curves:
    places = np.arange(1, min(found.pool, MOST_PLACES) + 1)
    shares = np.array([Recall(int(k)).score(found).mean() for k in places])
    said = "responses that are looked at"
    return Curves("Recall", said, "share of right ones found", {"": (places.astype(float), shares)})


def _of_matches(truth: Array, cosine: Array) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    if len(np.unique(truth)) < 2:
        raise MetricError(
            "the pairs all match, or none does: there is nothing to tell apart",
            remedy="give pairs of either kind",
        )
    return {
        "roc_auc": float(roc_auc_score(truth, cosine)),
        "average_precision": float(average_precision_score(truth, cosine)),
    }


def spearman(truth: Array | None, values: Array) -> float:
    """Correlation of ranks.

    Raises:
        MetricError: it is not defined.
    """
    from scipy.stats import rankdata

    truth, values = _both(truth, values)
    return pearson(rankdata(truth), rankdata(np.round(values / NEAR)))


def pearson(truth: Array | None, values: Array) -> float:
    """Correlation.

    Raises:
        MetricError: it is not defined.
    """
    truth, values = _both(truth, values)
    truth, values = truth - truth.mean(), values - values.mean()
    size = float(np.sqrt((truth**2).sum() * (values**2).sum()))
    if size == 0:
        raise MetricError(
            "grades, or answers, are all the same: they have no order",
            remedy="give rows of different grades",
        )
    return float((truth * values).sum() / size)


def _both(truth: Array | None, values: Array) -> tuple[Array, Array]:
    if truth is None:
        raise MetricError("pairs without grades cannot be compared with them", remedy="use mrr")
    there = ~np.isnan(values)
    truth, values = truth[there].astype(np.float64), values[there].astype(np.float64)
    if len(truth) < 2:
        raise MetricError("a correlation needs two rows or more", remedy="give more rows")
    return truth, values


RECALL_1, RECALL_5, RECALL_10 = (partial(Recall, k) for k in (1, 5, 10))
PRECISION_1, NDCG_10 = partial(Precision, 1), partial(NDCG, 10)
