"""Texts that have been tokenised already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mm_text.ragged import Ragged, concat, gather


class Tokenised:
    """Tokens of some texts, for whoever meets the same texts again.

    Args:
        texts: N of them.
        tokens: N rows, their tokens, at most ``limit`` of each.
        limit: of tokens of a text.
    """

    def __init__(self, texts: Sequence[str], tokens: Ragged, limit: int) -> None:
        self._places = {text: place for place, text in enumerate(texts)}
        self._tokens = tokens
        self._limit = limit

    def tokens(
        self, texts: list[str], limit: int, tokenize: Callable[[list[str], int], Ragged]
    ) -> Ragged:
        """Tokens of each text, at most ``limit`` of them; ``tokenize`` is given those not known."""
        if limit > self._limit:
            return tokenize(texts, limit)
        places = np.array([self._places.get(text, -1) for text in texts], np.int64)
        fresh = places < 0
        others = [text for text, new in zip(texts, fresh, strict=True) if new]
        pool = concat([self._tokens, tokenize(others, limit)]) if others else self._tokens
        places[fresh] = len(self._tokens) + np.arange(len(others))
        lengths = np.minimum(pool.lengths[places], limit)
        return Ragged.from_lengths(gather(pool.flat, pool.starts[places], lengths), lengths)
