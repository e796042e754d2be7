"""Texts -> token ids, as the sentence encoder was trained to read them. No torch."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from mm_text.api import HFTokenizer, Vocabulary, read_vocabulary

from mm_core.api import Checkpoint, Field, MMWarning, State, Table
from mm_matching.configs import SentenceTokenizerConfig

SIDES = ("query", "response")
_PROBE = "a text"
_NAMES = {"query": ("query",), "response": ("passage", "document", "corpus")}
"""What checkpoints call the prompt of each side."""


class SentenceTokenizer(HFTokenizer):
    """Token ids, at most as many as the encoder was trained with; prompts by side.

    sentence-transformers say how many tokens that is (``max_seq_length``); it does not depend on
    the rows, for texts of an index may be longer than those of a training set. A prompt is
    tokenised once (``words`` has it as text): ``info["prompts"]`` has its ids by side, which the
    topology puts in, after the first ``info["prefix"]`` tokens. So both sides can share one
    processor.
    """

    config: SentenceTokenizerConfig

    def __init__(
        self, config: Any, fields: Sequence[Field], checkpoint: Checkpoint | None = None
    ) -> None:
        super().__init__(config, fields, checkpoint)
        self._prompts: dict[str, list[int]] = {}
        self.words: dict[str, str] = {}

    def fit(self, table: Table) -> None:
        """Read or train the vocabulary, and the prompts."""
        words, given = self._words(), self.config
        if self.checkpoint is not None:
            folder = Path(self.checkpoint.location)
            vocabulary = read_vocabulary(folder)
            room = given.max_length or _max_length(folder) or vocabulary.max_length
            longest = max(map(len, _ids(vocabulary, words).values()), default=0)
            if room is not None:
                # A prompt stands before the text within what the encoder reads.
                self.config = given.model_copy(update={"max_length": max(8, room - longest)})
        try:
            super().fit(table)
        finally:
            self.config = given
        self._prompts = _ids(self.vocabulary, words)
        self.words = words

    def _words(self) -> dict[str, str]:
        """The prompt of each side that has one."""
        own = {"query": self.config.query_prompt, "response": self.config.response_prompt}
        known = _prompts(self.checkpoint)
        found = {
            side: next((known[name] for name in _NAMES[side] if known.get(name)), "")
            if own[side] is None
            else str(own[side])
            for side in SIDES
        }
        return {side: words for side, words in found.items() if words}

    @property
    def info(self) -> Mapping[str, Any]:
        """As of a tokenizer; ``prompts``: side -> ids; ``prefix``: tokens before them."""
        known = super().info
        longest = max(map(len, self._prompts.values()), default=0)
        return {
            **known,
            "max_length": known["max_length"] + longest,
            "prompts": self._prompts,
            "prefix": len(self.vocabulary.prefix),
        }

    def state(self) -> State:
        """The vocabulary, the length, the prompts."""
        state = super().state()
        values = {**state.values, "prompts": self._prompts, "words": self.words}
        return State(values, state.arrays, state.assets)

    @classmethod
    def from_state(cls, config: Any, fields: Sequence[Field], state: State) -> Self:
        """The fitted processor again."""
        processor = super().from_state(config, fields, state)
        processor._prompts = {
            side: list(ids) for side, ids in state.values.get("prompts", {}).items()
        }
        processor.words = dict(state.values.get("words", {}))
        return processor


def _ids(vocabulary: Vocabulary, words: Mapping[str, str]) -> dict[str, list[int]]:
    """The tokens of each side's prompt, as they stand before a text."""
    return {side: _before(vocabulary, text) for side, text in words.items()}


def _before(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """The tokens to put before those of a text, so that they are those of both written together.

    Some tokenizers begin every text with a space: the one at the end of a prompt is there already.
    """

    def tokens(text: str) -> list[int]:
        return [int(one) for one in vocabulary.tokenize([text], 8 * len(text)).flat]

    for words in (prompt, prompt.rstrip()):
        if tokens(words) + tokens(_PROBE) == tokens(prompt + _PROBE):
            return tokens(words)
    warnings.warn(
        f"behind the prompt {prompt!r} this tokenizer writes a text otherwise than alone: vectors "
        "are not quite those of texts that hold the prompt",
        MMWarning,
        stacklevel=2,
    )
    return tokens(prompt)


def _max_length(folder: Path) -> int | None:
    """What a sentence-transformers folder was trained with; None: it does not say."""
    found = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    return found if isinstance(found, int) else None


def _prompts(checkpoint: Checkpoint | None) -> dict[str, str]:
    if checkpoint is None:
        return {}
    file = Path(checkpoint.location) / "config_sentence_transformers.json"
    found = _json(file).get("prompts")
    return {str(key): str(words or "") for key, words in (found or {}).items()}


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
