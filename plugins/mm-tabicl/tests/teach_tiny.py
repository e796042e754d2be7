"""How the two tiny networks in ``mm_tabicl/tiny`` were made: taught on made-up tables, by hand.

``python plugins/mm-tabicl/tests/teach_tiny.py classes`` (or ``numbers``): two minutes on a CPU.
They answer what hangs on a sum of columns, so that tests and examples need no download; they are
no use for data.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from mm_tabicl import tiny
from mm_tabicl.networks import Network, write
from tabicl._model.tabicl import TabICL

SHAPE = {
    "embed_dim": 8,
    "col_num_blocks": 1,
    "col_nhead": 2,
    "col_num_inds": 8,
    "row_num_blocks": 1,
    "row_nhead": 2,
    "row_num_cls": 2,
    "row_rope_interleaved": False,
    "icl_num_blocks": 2,
    "icl_nhead": 2,
    "zero_init": False,
}
KINDS = {"classes": {"max_classes": 3}, "numbers": {"max_classes": 0, "num_quantiles": 19}}
TABLES, ROWS, KNOWN, STEPS = 16, 64, 40, 1000


def tables(columns: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [B, N, H] and what is asked of them [B, N]; ``classes`` 0: a number."""
    rows = torch.randn(TABLES, ROWS, columns)
    score = (rows @ torch.randn(TABLES, columns, 1)).squeeze(-1)
    score = (score - score.mean(1, keepdim=True)) / score.std(1, keepdim=True)
    if not classes:
        return rows, score
    places = score.argsort(dim=1).argsort(dim=1) * classes // ROWS
    names = torch.stack([torch.randperm(classes) for _ in range(TABLES)])
    return rows, torch.gather(names, 1, places)


def loss_of(network: TabICL, step: int) -> torch.Tensor:
    """Of one batch of tables: cross-entropy, or the pinball loss of all quantiles."""
    classes = 2 + step % 2 if network.max_classes else 0
    rows, asked = tables(2 + step % 3, classes)
    out = network(rows, asked[:, :KNOWN].float())
    wanted = asked[:, KNOWN:]
    if classes:
        return torch.nn.functional.cross_entropy(out.flatten(0, 1), wanted.flatten())
    levels = (torch.arange(out.shape[-1]) + 0.5) / out.shape[-1]
    above = wanted[..., None] - out
    return torch.maximum(levels * above, (levels - 1) * above).mean()


def teach(kind: str) -> None:
    """Write the network of a kind."""
    torch.manual_seed(0)
    config = {**SHAPE, **KINDS[kind]}
    network = TabICL(**config).train()
    adam = torch.optim.AdamW(network.parameters(), lr=3e-3)
    slower = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=STEPS)
    for step in range(STEPS):
        loss = loss_of(network, step)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        slower.step()
        if step % 50 == 0:
            print(step, f"{loss.item():.3f}", flush=True)
    write(Network(network.eval(), config), Path(tiny.CHECKPOINTS[kind]))


if __name__ == "__main__":
    teach(sys.argv[1])
