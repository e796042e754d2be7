"""``tabular:mlp``: an MLP over embeddings of numbers and categories (arXiv 2203.05556)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_tabular.configs import MLPConfig
from mm_tabular.embeddings import JoinedEmbedding, TableInput


class MLP(Backbone):
    """Embeds each feature, joins the vectors, and passes them through hidden layers.

    Gives ``pooled`` [B, width].
    """

    config: MLPConfig

    def __init__(self, config: MLPConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.table = TableInput.of(context, "tabular:mlp")
        self.embedding = JoinedEmbedding(config, self.table)
        widths = [self.embedding.dim, *[config.width] * config.n_blocks]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(narrow, wide), nn.ReLU(), nn.Dropout(config.dropout))
            for narrow, wide in pairwise(widths)
        )

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of ``pooled``."""
        return {"pooled": self.config.width}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """One vector for each row."""
        hidden = self.embedding(*self.table.arrays(inputs))
        for block in self.blocks:
            hidden = block(hidden)
        return Features(pooled=hidden)

    def stages(self) -> Sequence[nn.Module]:
        """Embeddings, then the hidden layers."""
        return [self.embedding, *self.blocks]
