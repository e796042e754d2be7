"""Text columns -> token ids. Once fitted it needs numpy, pandas and tokenizers, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mm_core.api import (
    BadCell,
    Checkpoint,
    ConfigError,
    Encoded,
    Field,
    InputBatch,
    NotFittedError,
    Processor,
    State,
    Table,
)
from mm_text.assemble import assemble, count_specials
from mm_text.budget import fair_shares
from mm_text.cells import Texts, read_texts
from mm_text.configs import HFTokenizerConfig
from mm_text.ragged import Ragged, within
from mm_text.tokenised import Tokenised
from mm_text.vocabulary import Vocabulary, read_vocabulary, train_vocabulary

CHARS_PER_TOKEN = 32
"""Of a cell at most ``CHARS_PER_TOKEN * max_length`` characters are read: a bound on work and
memory far above what fills ``max_length`` tokens in any language (prose has 1 to 5 characters per
token)."""

_FIT_ROWS = 10_000  # training rows that the length is learned from
_VOCAB_SIZE = 4096
_RANDOM_MAX_LENGTH = 512  # of the encoder built where checkpoint=random


@dataclass(frozen=True)
class _Column:
    """Token ids of all rows, int32 [T, 2] where each token stands (or None), unreadable cells."""

    tokens: Ragged
    places: np.ndarray | None
    bad: list[BadCell]


class HFTokenizer(Processor):
    """Token ids of all text columns of a row in one sequence.

    A row reads ``[CLS] first column [SEP] second column [SEP]`` in the special tokens of the
    model's own tokenizer. Columns share ``max_length`` fairly: short ones keep everything, long
    ones are cut to equal lengths (:func:`mm_text.budget.fair_shares`). A missing cell contributes
    nothing, not even a separator. A row without any text is absent, and reads ``[CLS] [SEP]``.
    What counts as missing, and what becomes of numbers, is said in :mod:`mm_text.cells`.

    :meth:`encode` gives ``arrays["tokens"]`` (:class:`~mm_text.ragged.Ragged`) and, where the model
    tells segments apart, ``arrays["segments"]``. :meth:`batch` gives ``input_ids``,
    ``attention_mask`` and perhaps ``token_type_ids``, int64 [B, longest row of the batch].

    Where the task needs ``tokens`` (:attr:`~mm_core.api.Processor.needs`), ``meta`` says of each
    row where its T tokens stand, special tokens included, padding not: ``"offsets"``, int [T, 2],
    (start, end) in the cell as the user wrote it, (0, 0) of special tokens; ``"columns"``, int [T],
    which of the input's columns, -1 for special tokens. Both are lists of B arrays, and row t of
    them is ``tokens[:, t]`` of the backbone.
    """

    config: HFTokenizerConfig

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        self._vocabulary: Vocabulary | None = None
        self._max_length = 0
        self._learned_from: dict[str, Tokenised] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer and its special tokens.

        Raises:
            NotFittedError: before :meth:`fit`.
        """
        if self._vocabulary is None:
            raise NotFittedError("this processor was not fitted", plugin="text:hf_tokenizer")
        return self._vocabulary

    @property
    def max_length(self) -> int:
        """Tokens a row may have, special tokens included."""
        return self._max_length

    @property
    def longest_row(self) -> int:
        """Tokens of a row that :meth:`encode` keeps: ``max_length``, unless a processor built on
        this one cuts rows into windows.
        """
        return self._max_length

    # ---- fit

    def fit(self, table: Table) -> None:
        """Read or train the vocabulary, and learn how long rows are.

        What is tokenised for that is kept until the rows are encoded.

        Raises:
            ConfigError: ``max_length`` is more than the model can read, or too little for the
                number of columns; ``vocab_size`` with pretrained weights.
            CheckpointError: the checkpoint has no tokenizer that can be read.
        """
        rows = np.unique(np.linspace(0, len(table) - 1, _FIT_ROWS).astype(np.int64))
        sample = table.take(rows) if len(table) > _FIT_ROWS else table
        self._vocabulary = self._find_vocabulary(sample)
        self._max_length = self._find_max_length(sample)

    def _find_vocabulary(self, sample: Table) -> Vocabulary:
        if self.checkpoint is None:
            columns = (self._read(sample, f.column, self._longest(None)) for f in self.fields)
            texts = (text for column in columns for text in column.texts)
            return train_vocabulary(texts, self.config.vocab_size or _VOCAB_SIZE)
        if self.config.vocab_size is not None:
            raise ConfigError(
                f"vocab_size = {self.config.vocab_size}, but the checkpoint "
                f"{self.checkpoint.name!r} brings its own vocabulary",
                plugin="text:hf_tokenizer",
                value=self.config.vocab_size,
                remedy="leave vocab_size out, or set checkpoint=random",
            )
        return read_vocabulary(Path(self.checkpoint.location))

    def _longest(self, model_max: int | None) -> int:
        """The most tokens that may come out, before looking at the data."""
        model_max = model_max or _RANDOM_MAX_LENGTH
        wanted = self.config.max_length
        if wanted is None:
            return min(self.config.max_length_cap, model_max)
        if self.checkpoint is not None and wanted > model_max:
            raise ConfigError(
                f"max_length = {wanted}, but {self.checkpoint.name!r} reads {model_max} tokens",
                plugin="text:hf_tokenizer",
                value=wanted,
                remedy=f"set max_length to at most {model_max}",
            )
        return wanted

    def _find_max_length(self, sample: Table) -> int:
        longest = self._longest(self.vocabulary.max_length)
        least = int(count_specials(self.vocabulary, np.array(len(self.fields)))) + len(self.fields)
        if least > longest:
            raise ConfigError(
                f"{len(self.fields)} text columns need at least {least} tokens, not {longest}",
                plugin="text:hf_tokenizer",
                value=longest,
                remedy="raise max_length or max_length_cap, or use fewer text columns",
            )
        if self.config.max_length is not None:
            return longest
        columns = [self._learn_from(sample, field.column, longest) for field in self.fields]
        lengths = np.stack([tokens.lengths for tokens in columns], axis=1)
        needed = lengths.sum(axis=1) + count_specials(self.vocabulary, (lengths > 0).sum(axis=1))
        typical = np.quantile(needed, self.config.max_length_quantile, method="higher")
        return int(min(longest, max(least, -(-int(typical) // 8) * 8)))

    def _learn_from(self, sample: Table, column: str, limit: int) -> Ragged:
        cells = self._read(sample, column, limit)
        tokens = self.vocabulary.tokenize(cells.texts, limit)
        self._learned_from[column] = Tokenised(cells.texts, tokens, limit)
        return tokens.spread(cells.rows, len(sample))

    # ---- encode

    def encode(self, table: Table) -> Encoded:
        """Tokenise every row once; see :class:`HFTokenizer` for the arrays."""
        placed = "tokens" in self.needs
        columns = [self._tokenize(table, f.column, self.longest_row, placed) for f in self.fields]
        lengths = np.stack([column.tokens.lengths for column in columns], axis=1)
        filled = (lengths > 0).sum(axis=1)
        shares = fair_shares(lengths, self.longest_row - count_specials(self.vocabulary, filled))
        places = [column.places for column in columns if column.places is not None]
        rows = assemble(
            self.vocabulary, [c.tokens for c in columns], shares, places if placed else None
        )
        arrays = {"tokens": rows.tokens}
        if self.vocabulary.segments:
            arrays["segments"] = rows.segments
        if rows.places is not None and rows.columns is not None:
            arrays |= {"offsets": rows.places, "columns": rows.columns}
        bad = [cell for column in columns for cell in column.bad]
        return Encoded(arrays, present=filled > 0, lengths=rows.tokens.lengths, bad=bad)

    def _read(self, table: Table, column: str, limit: int, placed: bool = False) -> Texts:
        if column not in table.frame:  # wholly missing; the core has said so
            none = np.zeros(0, np.int64)
            return Texts([], none, before=none)
        return read_texts(table.frame[column], CHARS_PER_TOKEN * limit, placed)

    def _tokenize(self, table: Table, column: str, limit: int, placed: bool = False) -> _Column:
        """The tokens of a column in all rows; ``placed``: and where they stand."""
        cells = self._read(table, column, limit, placed)
        places = None
        if placed:
            tokens, places = self.vocabulary.tokenize_with_places(cells.texts, limit)
            assert cells.before is not None
            places = places + np.repeat(cells.before, tokens.lengths).astype(np.int32)[:, None]
        else:
            known = self._learned_from.pop(column, None)
            tokenize = self.vocabulary.tokenize
            if known is None:
                tokens = tokenize(cells.texts, limit)
            else:
                tokens = known.tokens(cells.texts, limit, tokenize)
        return _Column(tokens.spread(cells.rows, len(table)), places, cells.bad)

    # ---- batch

    def batch(
        self,
        encoded: Encoded,
        rows: np.ndarray,
        augment: np.random.Generator | None = None,
        targets: dict[str, Any] | None = None,
    ) -> InputBatch:
        """Rows padded on the right to the longest of them; see :class:`HFTokenizer`."""
        tokens: Ragged = encoded.arrays["tokens"][rows]
        # Attention over nothing is NaN: a row without any token reads one padding token.
        mask = within(np.maximum(tokens.lengths, 1))
        arrays = {
            "input_ids": tokens.padded(mask.shape, self.vocabulary.pad_id),
            "attention_mask": mask.astype(np.int64),
        }
        if "segments" in encoded.arrays:
            arrays["token_type_ids"] = encoded.arrays["segments"][rows].padded(mask.shape, 0)
        meta = {
            key: encoded.arrays[key][rows].split()
            for key in ("offsets", "columns")
            if key in encoded.arrays
        }
        return InputBatch(arrays, present=encoded.present[rows], targets=targets, meta=meta)

    # ---- facts and state

    @property
    def info(self) -> Mapping[str, Any]:
        """``vocab_size``, ``pad_id``, ``max_length``, and ``cls``: rows begin with a special
        token."""
        return {
            "vocab_size": self.vocabulary.tokenizer.get_vocab_size(),
            "pad_id": self.vocabulary.pad_id,
            "max_length": self._max_length,
            "cls": bool(self.vocabulary.prefix),
        }

    def state(self) -> State:
        """The vocabulary (asset ``tokenizer.json``) and the length."""
        inner = self.vocabulary.state()
        values = {"vocabulary": inner.values, "max_length": self._max_length}
        return State(values=values, assets=inner.assets)

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = cls(config, fields)
        inner = State(values=state.values["vocabulary"], assets=state.assets)
        processor._vocabulary = Vocabulary.from_state(inner)
        processor._max_length = state.values["max_length"]
        return processor
