"""Fair shares, and rows of different lengths."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mm_text.budget import fair_shares
from mm_text.ragged import Ragged, concat, within

tables = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(0, 60), min_size=columns, max_size=columns), min_size=1, max_size=6
    )
)


@given(tables, st.integers(0, 100))
def test_shares_are_max_min_fair(rows: list[list[int]], budget: int) -> None:
    lengths = np.array(rows)
    shares = fair_shares(lengths, np.full(len(rows), budget))
    assert (shares >= 0).all()
    assert (shares <= lengths).all()
    assert (shares.sum(1) == np.minimum(lengths.sum(1), budget)).all()  # nothing is wasted
    for share, length in zip(shares, lengths, strict=True):
        cut = share < length
        if cut.any():
            # Nobody holds more than one token above a column that was cut.
            assert share.max() <= share[cut].min() + 1
            assert share[cut].max() <= share[cut].min() + 1


def test_what_short_columns_leave_goes_to_long_ones() -> None:
    assert fair_shares(np.array([[3, 100, 100]]), np.array([61])).tolist() == [[3, 29, 29]]
    assert fair_shares(np.array([[100, 3, 100]]), np.array([62])).tolist() == [[30, 3, 29]]
    assert fair_shares(np.array([[5, 0, 7]]), np.array([12])).tolist() == [[5, 0, 7]]


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8), st.data())
def test_ragged_rows_are_lists(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.from_lists(rows)
    picked = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6))
    chosen = [rows[i] for i in picked]
    taken = ragged[np.array(picked)]
    mask = within(taken.lengths)
    padded = taken.padded(mask.shape, -1)
    assert [row[keep].tolist() for row, keep in zip(padded, mask, strict=True)] == chosen
    assert (padded[~mask] == -1).all()
    assert padded.dtype == np.int64
    assert len(ragged) == len(rows)
    both = concat([ragged, taken])
    assert both.lengths.tolist() == [len(row) for row in rows + chosen]
    spread = taken.spread(np.arange(len(picked)) * 2, 2 * len(picked))
    assert spread.lengths[1::2].sum() == 0
    assert np.array_equal(spread[np.arange(0, 2 * len(picked), 2)].flat, taken.flat)
