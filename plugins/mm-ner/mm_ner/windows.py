"""Long texts in windows. Once fitted it needs numpy, pandas and tokenizers, no torch."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from mm_text.api import HFTokenizer, Ragged

from mm_core.api import Encoded, InputBatch, MMWarning, Table
from mm_ner.configs import WindowsConfig
from mm_ner.words import whole_characters, whole_words

Array = npt.NDArray[Any]
ANY = np.iinfo(np.int64).max
Window = tuple[int, int, int, int]
"""Its first token, the one after its last; and the first and the one after the last of its own."""


class Windows(HFTokenizer):
    """mm-text's tokenizer, for networks that read ``max_length`` tokens and texts that have more.

    A batch in which no text is longer is as there: arrays [B, T]. Otherwise they are
    [B, W * max_length]: W windows a row, each with the special tokens of a row, which the topology
    has the network read one by one. Neighbours overlap, and each token is *owned* by one window,
    where it has words on both sides: ``meta["offsets"]``, int [T, 2] a row, are those of the tokens
    that ``attention_mask`` lets through, in order, and (0, 0) where one is owned by another window.
    Of a word that is cut into pieces the first stands for all of it, and the others are (0, 0)
    (``tagged``).

    ``meta["ends"]``, int [B], is the number of characters of the cell, 0 of one that is missing.
    """

    config: WindowsConfig

    @property
    def longest_row(self) -> int:
        """Tokens that are read of a text."""
        return max(self.config.max_tokens, self.max_length)

    def encode(self, table: Table) -> Encoded:
        """All tokens of every row, and the lengths of the cells."""
        encoded = super().encode(table)
        cut = int((encoded.lengths >= self.longest_row).sum()) if encoded.lengths is not None else 0
        (field,) = self.fields
        if cut:
            warnings.warn(
                f"{cut} text(s) of {field.column!r} have {self.longest_row} tokens or more: what "
                "lies beyond is not read, and no entity is found there; raise "
                "inputs.passage_text.processor.max_tokens, or split the texts",
                MMWarning,
                stacklevel=2,
            )
        arrays = {**encoded.arrays, "ends": _ends(table, field.column)}
        if "offsets" in arrays:
            arrays["offsets"] = self._tagged(arrays["offsets"], table)
        return replace(encoded, arrays=arrays)

    def _tagged(self, places: Ragged, table: Table) -> Ragged:
        """Characters of what has a tag, at its first token."""
        if self.config.tagged == "pieces":
            return whole_characters(places)
        return whole_words(places, _texts(table, self.fields[0].column))

    def batch(
        self,
        encoded: Encoded,
        rows: Array,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Rows, cut into windows where one is too long for the network."""
        made = super().batch(encoded, rows, augment, targets)
        meta = {**made.meta, "ends": encoded.arrays["ends"][rows]}
        if made.arrays["attention_mask"].shape[1] <= self.max_length:
            return replace(made, meta=meta)
        lengths = encoded.arrays["tokens"][rows].lengths
        cuts = [self._windows(int(length)) for length in lengths]
        meta.pop("columns", None)  # there is one
        if "offsets" in meta:
            places = zip(meta["offsets"], cuts, strict=True)
            meta["offsets"] = [self._owned(one, cut) for one, cut in places]
        fills = {"input_ids": self.vocabulary.pad_id}
        arrays = {
            name: self._folded(one, lengths, cuts, fills.get(name, 0))
            for name, one in made.arrays.items()
        }
        return replace(made, arrays=arrays, meta=meta)

    def _windows(self, length: int) -> list[Window]:
        """Of a row of so many tokens, special ones not counted in the places."""
        room = self.max_length - self._specials
        return windows(length - self._specials, room, room - int(room * self.config.overlap))

    @property
    def _specials(self) -> int:
        return len(self.vocabulary.prefix) + len(self.vocabulary.suffix)

    def _folded(self, array: Array, lengths: Array, cuts: list[list[Window]], fill: int) -> Array:
        """[B, W * max_length] of [B, T]."""
        most = max(map(len, cuts))
        made = np.full((len(array), most, self.max_length), fill, array.dtype)
        prefix, suffix = len(self.vocabulary.prefix), len(self.vocabulary.suffix)
        for row, (length, cut) in enumerate(zip(lengths.tolist(), cuts, strict=True)):
            for place, (start, end, _, _) in enumerate(cut):
                parts = (
                    array[row, :prefix],
                    array[row, prefix + start : prefix + end],
                    array[row, length - suffix : length],
                )
                made[row, place, : prefix + end - start + suffix] = np.concatenate(parts)
        return made.reshape(len(array), -1)

    def _owned(self, places: Array, cut: list[Window]) -> Array:
        """int [T, 2] of the tokens of all windows of a row."""
        prefix, suffix = len(self.vocabulary.prefix), len(self.vocabulary.suffix)
        parts = []
        for start, end, first, last in cut:
            part = np.zeros((prefix + end - start + suffix, 2), places.dtype)
            own = slice(prefix + first - start, prefix + last - start)
            part[own] = places[prefix + first : prefix + last]
            parts.append(part)
        return np.concatenate(parts)


def windows(length: int, room: int, step: int) -> list[Window]:
    """Windows of ``room`` tokens at most, which begin ``step`` after one another.

    The last one ends with the text. Where two overlap, each owns its half.
    """
    starts = [*range(0, length - room, step), max(0, length - room)]
    spans = [(start, min(start + room, length)) for start in starts]
    middles = [(after + end) // 2 for (_, end), (after, _) in pairwise(spans)]
    own = zip([0, *middles], [*middles, length], strict=True)
    return [(*span, *one) for span, one in zip(spans, own, strict=True)]


def _texts(table: Table, column: str) -> list[str]:
    """Cells as the offsets count them; empty of what is missing or no string."""
    cells = table.frame[column] if column in table.frame else [None] * len(table)
    return [one if isinstance(one, str) else "" for one in cells]


def _ends(table: Table, column: str) -> Array:
    """int [N]: characters of each cell; 0 of one that is missing, ANY of one that is no string."""
    if column not in table.frame:
        return np.zeros(len(table), np.int64)
    cells = table.frame[column]
    missing = cells.isna().to_numpy()
    sizes = [len(one) if isinstance(one, str) else ANY for one in cells]
    return np.where(missing, 0, np.array(sizes, np.int64))
