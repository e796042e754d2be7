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
    assert (strata[held] == 0).sum() == 9


def test_shares():
    assert holdout_share(100) == 0.2
    assert holdout_share(4000) == 0.125
    assert holdout_share(10**6) == 0.1


@pytest.mark.parametrize(("n_rows", "strata"), [(1, None), (3, np.array([0, 1, 2]))])
def test_nothing_to_hold_out(n_rows, strata):
    with pytest.raises(EmptyDataError, match="tuning_data") as caught:
        split_rows(n_rows, None, strata, seed=0)
    assert caught.value.remedy
