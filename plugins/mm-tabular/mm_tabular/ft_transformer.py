"""``tabular:ft_transformer``: a transformer over one token per column (arXiv 2106.11959)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_tabular.configs import FTTransformerConfig
from mm_tabular.embeddings import Categories, LinearNumbers, TableInput, symmetric


class FTTransformer(Backbone):
    """Feature tokenizer, pre-norm blocks with ReGLU, and a [CLS] token that is pooled.

    Gives ``pooled`` [B, width] and ``tokens`` [B, features, width], numbers first.
    """

    config: FTTransformerConfig

    def __init__(self, config: FTTransformerConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.table = TableInput.of(context, "tabular:ft_transformer")
        self.tokenizer = _Tokenizer(config, self.table)
        # The paper leaves out the very first normalisation: it makes optimisation easier.
        self.blocks = nn.ModuleList(
            _Block(config, norm_first=index > 0) for index in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.width)

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of ``pooled`` and ``tokens``."""
        return {"pooled": self.config.width, "tokens": self.config.width}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """One vector for each row, and one for each feature of it."""
        tokens = self.tokenizer(*self.table.arrays(inputs))
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        pooled, columns = tokens[:, 0].relu(), tokens[:, 1:]
        mask = torch.ones(columns.shape[:2], dtype=torch.bool, device=columns.device)
        return Features(pooled=pooled, tokens=columns, mask=mask)

    def stages(self) -> Sequence[nn.Module]:
        """Tokenizer, blocks, final normalisation."""
        return [self.tokenizer, *self.blocks, self.norm]


class _Tokenizer(nn.Module):
    """[CLS], a token for each number, a token for each category."""

    def __init__(self, config: FTTransformerConfig, table: TableInput) -> None:
        super().__init__()
        width, n, counts = config.width, table.n_numerical, table.counts
        self.cls = symmetric(1, 1, width)
        self.numbers = LinearNumbers(n, width) if n else None
        self.categories = Categories(counts, width, config.category_smoothing) if counts else None
        self.category_bias = symmetric(len(counts), width) if counts else None

    def forward(self, numerical: Tensor, missing: Tensor, categorical: Tensor) -> Tensor:
        tokens = [self.cls.expand(len(numerical), -1, -1)]
        if self.numbers is not None:
            tokens.append(self.numbers(numerical, missing))
        if self.categories is not None:
            tokens.append(self.categories(categorical) + self.category_bias)
        return torch.cat(tokens, dim=1)


class _Block(nn.Module):
    """Attention and ReGLU feed-forward, each added to what it reads."""

    def __init__(self, config: FTTransformerConfig, *, norm_first: bool) -> None:
        super().__init__()
        width, hidden = config.width, int(config.width * config.ffn_factor)
        self.attention_norm = nn.LayerNorm(width) if norm_first else nn.Identity()
        self.attention = _Attention(config)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn_in = nn.Linear(width, 2 * hidden)
        self.ffn_dropout = nn.Dropout(config.ffn_dropout)
        self.ffn_out = nn.Linear(hidden, width)
        self.residual_dropout = nn.Dropout(config.residual_dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.residual_dropout(self.attention(self.attention_norm(tokens)))
        value, gate = self.ffn_in(self.ffn_norm(tokens)).chunk(2, dim=-1)
        hidden = self.ffn_dropout(value * gate.relu())
        added: Tensor = tokens + self.residual_dropout(self.ffn_out(hidden))
        return added


class _Attention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, config: FTTransformerConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.dropout = config.attention_dropout
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length, width = tokens.shape
        heads = self.qkv(tokens).view(batch, length, 3, self.n_heads, width // self.n_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        joined: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return joined
