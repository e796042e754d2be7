"""``tabular:tabm``: many MLPs that share their weights (TabM, arXiv 2410.24210)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_tabular.configs import TabMConfig
from mm_tabular.embeddings import JoinedEmbedding, TableInput


class TabM(Backbone):
    """An ensemble of ``members`` MLPs, of which each has a few vectors of its own.

    A layer of member i is ``s_i * (W (r_i * x)) + b_i``: the matrix is everybody's, the vectors are
    its own (BatchEnsemble, arXiv 2002.06715). All begin as equals but for the vectors that meet the
    input, by which the members come to differ.

    In training a row is given to one member, drawn anew each time: what the task's loss is asked of
    is the answer of that one, and its mean over the draws is the mean of all members' losses. At
    prediction ``pooled`` [B, width] is the mean of all: a linear head makes of it the mean of the
    members' answers.
    """

    config: TabMConfig

    def __init__(self, config: TabMConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.table = TableInput.of(context, "tabular:tabm")
        self.embedding = JoinedEmbedding(config, self.table)
        k, width = config.members, config.width
        blocks = [_Block(k, self.embedding.dim, width, config.dropout)]
        blocks += [_Block(k, width, width, config.dropout) for _ in range(config.n_blocks - 1)]
        with torch.no_grad():
            embedded = config.numbers != "scalar"
            blocks[0].read.copy_(_unlike(k, self.embedding.widths, embedded=embedded))
        self.blocks = nn.ModuleList(blocks)
        self.last = _Scale(k, width)

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of ``pooled``."""
        return {"pooled": self.config.width}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """One vector for each row: of one member in training, else the mean of all."""
        embedded = self.embedding(*self.table.arrays(inputs))
        if not self.training:
            return Features(pooled=self.members(embedded).mean(dim=1))
        # Each member gets as many rows as any other, or one less; which they are is drawn.
        whose = torch.randperm(len(embedded), device=embedded.device) % self.config.members
        return Features(pooled=self._run(embedded, whose))

    def members(self, embedded: Tensor) -> Tensor:
        """[B, dim] -> [B, members, width]: what each of them makes of each row."""
        return self._run(embedded[:, None], slice(None))

    def stages(self) -> Sequence[nn.Module]:
        """Embeddings, layers, and the vectors before the head."""
        return [self.embedding, *self.blocks, self.last]

    def _run(self, hidden: Tensor, whose: Tensor | slice) -> Tensor:
        for block in self.blocks:
            hidden = block(hidden, whose)
        scaled: Tensor = self.last(hidden, whose)
        return scaled


class _Block(nn.Module):
    """A layer, ReLU and dropout.

    Args:
        k: members.
        narrow: width of what it reads.
        wide: width of what it gives.
        dropout: of the output.
    """

    def __init__(self, k: int, narrow: int, wide: int, dropout: float) -> None:
        super().__init__()
        shared = nn.Linear(narrow, wide)
        self.weight = shared.weight
        self.read = nn.Parameter(torch.ones(k, narrow))
        self.write = nn.Parameter(torch.ones(k, wide))
        self.bias = nn.Parameter(shared.bias.detach().repeat(k, 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, whose: Tensor | slice) -> Tensor:
        """[B, narrow] of member ``whose`` [B], or [B, k or 1, narrow] of all -> the same, wide."""
        mixed = F.linear(hidden * self.read[whose], self.weight)
        out: Tensor = self.dropout((mixed * self.write[whose] + self.bias[whose]).relu())
        return out


class _Scale(nn.Module):
    """Each member's own factors before the head that all share.

    The paper's members have heads of their own; with one output it is the same.
    """

    def __init__(self, k: int, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(k, width))

    def forward(self, hidden: Tensor, whose: Tensor | slice) -> Tensor:
        return hidden * self.factor[whose]


def _unlike(k: int, widths: Sequence[int], *, embedded: bool) -> Tensor:
    """[k, sum of widths], one draw for all of a feature's entries.

    Normal where numbers are embedded, else random signs, as in the paper's code.
    """
    drawn = torch.randn(k, len(widths))
    if not embedded:
        drawn = torch.where(drawn < 0, -1.0, 1.0)
    return drawn.repeat_interleave(torch.tensor(widths), dim=1)
