"""Which rows train and which are held out."""

from __future__ import annotations

import numpy as np
import pytest

from mm_core.api import EmptyDataError
from mm_core.data.split import holdout_share, split_rows


def test_parts_cover_every_row_once():
    kept, held = split_rows(1000, None, None, seed=3)
    assert sorted([*kept, *held]) == list(range(1000))
    assert len(held) == 200


def test_same_seed_same_split_other_seed_other_split():
    first, again, other = (split_rows(200, 0.2, None, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_every_class_with_two_rows_is_on_both_sides():
    strata = np.repeat([0, 1, 2, 3], [90, 7, 2, 1])
    kept, held = split_rows(100, 0.1, strata, seed=0)
    assert set(strata[kept]) == {0, 1, 2, 3}
    assert set(strata[held]) == {0, 1, 2}
    assert np.bincount(strata[held]).tolist() == [8, 1, 1]


@pytest.mark.parametrize("per_class", [2, 3, 5, 30])
def test_small_classes_do_not_swell_the_share(per_class):
    strata = np.repeat(np.arange(20), per_class)
    kept, held = split_rows(len(strata), 0.1, strata, seed=0)
    assert len(held) == round(0.1 * len(strata))
    counts = np.bincount(strata[held], minlength=20)
    assert counts.max() - counts.min() <= 1
    assert set(strata[kept]) == set(range(20))


def test_which_small_classes_are_held_out_depends_on_the_seed_only():
    strata = np.repeat(np.arange(20), 2)
    first, again, other = (split_rows(40, 0.1, strata, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_classes_are_held_out_in_proportion():
    strata = np.repeat([0, 1, 2], [601, 299, 100])
    _, held = split_rows(1000, 0.1, strata, seed=0)
    assert np.bincount(strata[held]).tolist() == [60, 30, 10]


def test_larger_classes_come_first_where_not_all_can():
    strata = np.repeat([0, 1, 2, 3], [4, 9, 3, 14])
    _, held = split_rows(30, 0.07, strata, seed=0)
    assert sorted(strata[held]) == [1, 3]


def test_the_rare_class_of_two_is_on_both_sides():
    strata = np.array(["no"] * 98 + ["yes"] * 2)
    kept, held = split_rows(100, 0.05, strata, seed=0)
    assert (strata[held] == "yes").sum() == 1
    assert (strata[kept] == "yes").sum() == 1
    assert len(held) == 5


def test_every_class_keeps_a_training_row_whatever_the_share():
    strata = np.repeat([0, 1, 2], [5, 2, 1])
    kept, held = split_rows(8, 0.99, strata, seed=0)
    assert sorted(strata[kept]) == [0, 1, 2]
    assert len(held) == 5


def test_shares():
    assert holdout_share(100) == 0.2
    assert holdout_share(4000) == 0.125
    assert holdout_share(10**6) == 0.1


@pytest.mark.parametrize(("n_rows", "strata"), [(1, None), (3, np.array([0, 1, 2]))])
def test_nothing_to_hold_out(n_rows, strata):
    with pytest.raises(EmptyDataError, match="tuning_data") as caught:
        split_rows(n_rows, None, strata, seed=0)
    assert caught.value.remedy
