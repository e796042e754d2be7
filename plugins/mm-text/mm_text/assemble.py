"""Columns of token ids -> whole rows with their special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mm_text.ragged import Ragged, gather
from mm_text.vocabulary import Vocabulary


def count_specials(vocabulary: Vocabulary, filled: np.ndarray) -> np.ndarray:
    """Special tokens of rows in which ``filled`` columns hold something; int [N]."""
    ends = len(vocabulary.prefix) + len(vocabulary.suffix)
    result: np.ndarray = ends + len(vocabulary.separator) * np.maximum(filled - 1, 0)
    return result


@dataclass(frozen=True)
class Rows:
    """Whole rows of tokens.

    Attributes:
        tokens: their ids.
        segments: 0 up to the separator that closes the first column that holds something, 1 from
            there on.
        columns: position of the column that each stands in, -1 for special tokens; None: not asked.
        places: (start, end) of each in its cell, (0, 0) for special tokens; None: not asked.
    """

    tokens: Ragged
    segments: Ragged
    columns: Ragged | None = None
    places: Ragged | None = None


def assemble(
    vocabulary: Vocabulary,
    columns: Sequence[Ragged],
    shares: np.ndarray,
    places: Sequence[np.ndarray] | None = None,
) -> Rows:
    """``prefix, column, separator, column, ..., suffix`` for every row, by one gather.

    Args:
        vocabulary: names the special tokens.
        columns: C columns of N rows of token ids.
        shares: int [N, C], how much of each is kept; a column with 0 gets no separator either.
        places: int [T, 2] of each column, (start, end) of each of its tokens; None: not asked.
    """
    fixed = [vocabulary.prefix, vocabulary.separator, vocabulary.suffix]
    parts = [np.array(ids, np.int32) for ids in fixed] + [column.flat for column in columns]
    sizes = np.array([len(part) for part in parts])
    prefix_at, separator_at, suffix_at, *columns_at = np.cumsum(sizes) - sizes
    prefix_size, separator_size, suffix_size = sizes[:3]

    kept = shares > 0
    earlier: np.ndarray = np.cumsum(kept, axis=1) - kept  # columns kept before this one
    filled = kept.sum(axis=1)
    zeros = np.zeros(len(shares), np.int64)
    # Pieces of a row, in order: (start in the pool, length, segment), each int [N].
    pieces = [(zeros + prefix_at, zeros + prefix_size, zeros)]
    owners = [-1]
    for i, column in enumerate(columns):
        gap = separator_size * (kept[:, i] & (earlier[:, i] > 0))
        pieces += [
            (zeros + separator_at, gap, np.clip(earlier[:, i] - 1, 0, 1)),
            (column.starts + columns_at[i], shares[:, i], np.clip(earlier[:, i], 0, 1)),
        ]
        owners += [-1, i]
    pieces.append((zeros + suffix_at, zeros + suffix_size, np.clip(filled - 1, 0, 1)))

    starts, lengths, segments = (np.stack(piece, axis=1) for piece in zip(*pieces, strict=True))
    sums = lengths.sum(axis=1)
    tokens = gather(np.concatenate(parts), starts.ravel(), lengths.ravel())
    numbers = np.repeat(segments.ravel().astype(np.int32), lengths.ravel())
    rows = Rows(Ragged.from_lengths(tokens, sums), Ragged.from_lengths(numbers, sums))
    if places is None:
        return rows
    pool = np.concatenate([np.zeros((int(sizes[:3].sum()), 2), np.int32), *places])
    owner = np.tile(np.array([*owners, -1], np.int32), len(shares))
    return replace(
        rows,
        columns=Ragged.from_lengths(np.repeat(owner, lengths.ravel()), sums),
        places=Ragged.from_lengths(gather(pool, starts.ravel(), lengths.ravel()), sums),
    )
