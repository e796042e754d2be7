"""Whether scikit-learn's trees name nothing that is not there: in C it looks them up unasked."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mm_trees.features import Array

Boosted: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor

_WORDS = 8
"""uint32 of a set of categories, which has a bit for each of 256."""


def check_numbers(trees: Boosted) -> None:
    """The nodes of all trees, and an answer to a row of zeros.

    numpy and scikit-learn look at shapes and dtypes themselves. Other errors than ValueError are
    theirs.

    Raises:
        ValueError: a tree names a node, a column or a category that is not there.
    """
    known, places = trees._bin_mapper.make_known_categories_bitsets()
    row = np.zeros((1, len(places)))
    if (
        trees.n_features_in_ != len(places)
        or trees._preprocess_X(row, reset=False).shape != row.shape
    ):
        raise ValueError(f"they do not make {len(places)} columns of as many")
    for number, trees_of_round in enumerate(trees._predictors):
        for tree in trees_of_round:
            sets = tree.raw_left_cat_bitsets
            if not known.shape[1:] == sets.shape[1:] == (_WORDS,):
                raise ValueError(f"round {number} has sets of other categories")
            if not _closed(tree.nodes, places, len(known), len(sets)):
                raise ValueError(
                    f"a tree of round {number} names a node, a column or a set of categories that "
                    "is not there"
                )
    outputs = int(trees.n_trees_per_iteration_)
    answer = getattr(trees, "decision_function", trees.predict)(row)
    if np.shape(answer) != ((1,) if outputs == 1 else (1, outputs)):
        raise ValueError(f"they answer {np.shape(answer)} to a row, not {outputs}")


def _closed(nodes: Array, places: Array, known: int, sets: int) -> bool:
    """Whether all paths of a tree end in a leaf of its own.

    Args:
        nodes: [M] records.
        places: [F] of each column, which of the known sets of categories is its own.
        known: how many of those there are.
        sets: how many sets of categories the tree goes left with.
    """
    at = np.flatnonzero(nodes["is_leaf"] == 0)
    inner, count = nodes[at], len(nodes)
    if not count or not _within(inner["feature_idx"], 0, len(places)):
        return False
    by_set = inner[inner["is_categorical"] != 0]
    return (
        _within(inner["left"], at + 1, count)  # a child comes after its parent: none comes again
        and _within(inner["right"], at + 1, count)
        and _within(by_set["bitset_idx"], 0, sets)
        and _within(places[by_set["feature_idx"]], 0, known)
    )


def _within(found: Array, least: Array | int, end: int) -> bool:
    return bool(((found >= least) & (found < end)).all())
