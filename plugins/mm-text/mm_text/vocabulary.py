"""A tokenizer and where its special tokens go."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from mm_core.api import CheckpointError, State
from mm_text.ragged import Ragged, concat

ASSET = "tokenizer.json"
_CHUNK = 8192  # texts tokenised at once; bounds the memory their Python lists take
_COUNT_FROM_PAD = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""transformers' model types whose positions begin after the padding token's id."""

_MARKS = frozenset({"Mn", "Mc", "Me"})
"""Unicode's categories of signs that stand on the one before."""

_SANE = 1_000_000  # tokenizers without a maximum say 1e30


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and the layout of its special tokens as token ids.

    A row is ``prefix, column, separator, column, ..., suffix``.

    Attributes:
        tokenizer: the tokenizer, neither padding nor cutting.
        prefix: before the first column ([CLS]).
        separator: between two columns ([SEP]).
        suffix: after the last column ([SEP]).
        pad_id: fills short rows.
        segments: whether the model tells the first column from the others by ``token_type_ids``.
        max_length: most tokens the model can read, or None.
    """

    tokenizer: Tokenizer
    prefix: tuple[int, ...]
    separator: tuple[int, ...]
    suffix: tuple[int, ...]
    pad_id: int
    segments: bool
    max_length: int | None

    def tokenize(self, texts: list[str], limit: int) -> Ragged:
        """Token ids of each text without special tokens, at most ``limit`` of them."""
        chunks = (texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK))
        return concat([self._tokenize(chunk, limit) for chunk in chunks])

    def tokenize_with_places(self, texts: list[str], limit: int) -> tuple[Ragged, np.ndarray]:
        """As :meth:`tokenize`, and int32 [T, 2], where in its text each token begins and ends.

        White space that a token begins with is no part of its place; accents and other marks that
        follow it are, which normalisation joins to a letter or drops.
        """
        chunks: list[Ragged] = []
        places = [np.zeros((0, 2), np.int32)]
        for first in range(0, len(texts), _CHUNK):
            chunk = texts[first : first + _CHUNK]
            encodings = self.tokenizer.encode_batch(chunk, add_special_tokens=False)
            chunks.append(Ragged.from_lists([encoding.ids[:limit] for encoding in encodings]))
            found = [
                _trimmed(text, *place)
                for text, encoding in zip(chunk, encodings, strict=True)
                for place in encoding.offsets[:limit]
            ]
            places.append(np.array(found, np.int32).reshape(-1, 2))
        return concat(chunks), np.concatenate(places)

    def _tokenize(self, texts: list[str], limit: int) -> Ragged:
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return Ragged.from_lists([encoding.ids[:limit] for encoding in encodings])

    def state(self) -> State:
        """JSON values and the tokenizer's own file."""
        values = {
            "prefix": list(self.prefix),
            "separator": list(self.separator),
            "suffix": list(self.suffix),
            "pad_id": self.pad_id,
            "segments": self.segments,
            "max_length": self.max_length,
        }
        return State(values=values, assets={ASSET: self.tokenizer.to_str().encode()})

    @classmethod
    def from_state(cls, state: State) -> Vocabulary:
        """The vocabulary again, through the tokenizers library alone."""
        values = state.values
        return cls(
            tokenizer=Tokenizer.from_str(state.assets[ASSET].decode()),
            prefix=tuple(values["prefix"]),
            separator=tuple(values["separator"]),
            suffix=tuple(values["suffix"]),
            pad_id=values["pad_id"],
            segments=values["segments"],
            max_length=values["max_length"],
        )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end < len(text) and unicodedata.category(text[end]) in _MARKS:
        end += 1
    return start, end


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a checkpoint's folder.

    Raises:
        CheckpointError: no tokenizer in the folder, or one that cannot be read.
    """
    tokenizer = _read_tokenizer(folder)
    model = _read_json(folder / "config.json")
    settings = _read_json(folder / "special_tokens_map.json")
    settings |= _read_json(folder / "tokenizer_config.json")
    pad_id = _pad_id(tokenizer, settings, model)
    _check_embedded(tokenizer, model, folder)
    return _with_layout(
        tokenizer,
        pad_id=pad_id,
        segments=model.get("type_vocab_size", 0) > 1,
        max_length=_longest(settings, model, pad_id),
    )


def train_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """A small byte-level BPE (arXiv 1508.07909) of these texts; every text can be written in it.

    The same texts give the same vocabulary: the alphabet is the 256 bytes, and ties between merges
    are broken by token id.
    """
    from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["[PAD]", "[CLS]", "[SEP]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return _with_layout(tokenizer, pad_id=0, segments=True, max_length=None)


def _with_layout(
    tokenizer: Tokenizer, pad_id: int, segments: bool, max_length: int | None
) -> Vocabulary:
    """Read the layout off the way in which the tokenizer writes one text and a pair of texts."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    one, two = tokenizer.encode("a"), tokenizer.encode("a", "a")
    content = [i for i, special in enumerate(one.special_tokens_mask) if not special]
    both = [i for i, special in enumerate(two.special_tokens_mask) if not special]
    if not content:
        raise CheckpointError("the tokenizer cannot write the letter 'a'", plugin="text:hf")
    start, stop = content[0], content[-1] + 1
    between = both[
        len(content) - 1 : len(content) + 1
    ]  # the last of one text, the first of another
    return Vocabulary(
        tokenizer=tokenizer,
        prefix=tuple(one.ids[:start]),
        separator=tuple(two.ids[between[0] + 1 : between[1]]) if len(between) == 2 else (),
        suffix=tuple(one.ids[stop:]),
        pad_id=pad_id,
        segments=segments and 1 in two.type_ids,
        max_length=max_length,
    )


def _read_tokenizer(folder: Path) -> Tokenizer:
    file = folder / ASSET
    if file.is_file():
        return Tokenizer.from_file(str(file))
    from transformers import AutoTokenizer  # older checkpoints: vocab.txt, spm.model, ...

    try:
        slow = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        raise _no_tokenizer(folder, f": {error}") from error
    # transformers invents an empty vocabulary where there is no file to read.
    if not any((folder / name).is_file() for name in slow.vocab_files_names.values()):
        raise _no_tokenizer(folder)
    return Tokenizer.from_str(slow.backend_tokenizer.to_str())


def _no_tokenizer(folder: Path, why: str = "") -> CheckpointError:
    return CheckpointError(
        f"no tokenizer can be read from {folder}{why}",
        plugin="text:hf",
        value=str(folder),
        remedy="put the model's tokenizer.json beside its config.json",
    )


def _pad_id(tokenizer: Tokenizer, settings: dict[str, Any], model: dict[str, Any]) -> int:
    token = settings.get("pad_token")
    name = token.get("content") if isinstance(token, dict) else token
    for known in (name, "[PAD]", "<pad>"):
        if known is not None and (found := tokenizer.token_to_id(known)) is not None:
            return int(found)
    return int(model.get("pad_token_id") or 0)


def _check_embedded(tokenizer: Tokenizer, model: dict[str, Any], folder: Path) -> None:
    """Refuse a tokenizer that writes tokens which the network has no embedding for."""
    rows = model.get("vocab_size")
    token, last = max(tokenizer.get_vocab().items(), key=lambda item: item[1], default=("", -1))
    if not isinstance(rows, int) or last < rows:
        return
    raise CheckpointError(
        f"the tokenizer in {folder} has {last + 1} tokens and the model's embedding {rows} rows: "
        f"{token!r} is token {last}",
        plugin="text:hf",
        value=token,
        remedy="where the checkpoint was made: model.resize_token_embeddings(len(tokenizer)), and "
        "save it again",
    )


def _longest(settings: dict[str, Any], model: dict[str, Any], pad_id: int) -> int | None:
    bounds = [settings.get("model_max_length")]
    if positions := model.get("max_position_embeddings"):
        bounds.append(positions - _first_position(model, pad_id))
    known = [int(bound) for bound in bounds if bound and 0 < bound < _SANE]
    return min(known, default=None)


def _first_position(model: dict[str, Any], pad_id: int) -> int:
    """The position of a row's first token: models of fairseq's kind count from pad + 1 on."""
    counted = model.get("model_type") in _COUNT_FROM_PAD
    own = model.get("pad_token_id")
    if counted and isinstance(own, int):
        return own + 1
    # Others whose vocabularies are in fairseq's order (<s>, <pad>, ...) may do so, too.
    return 2 if counted or pad_id == 1 else 0


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
