"""The training loop, as one writes it by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn


class Rows(Protocol):
    """The cells of one modality, read once.

    ``lengths``: int [N], where rows of like length are better run together; else None.
    """

    lengths: Tensor | None

    def batch(self, rows: Tensor) -> Any:
        """What the encoder reads, for the rows at these positions (long [B])."""


class Part(Protocol):
    """One modality: how its cells become tensors, and the network that reads them.

    ``rate``: learning rate of a pretrained encoder; None: it is new.
    """

    width: int
    rate: float | None

    @property
    def encoder(self) -> nn.Module:
        """What :meth:`Rows.batch` gives -> [B, width]."""

    def rows(self, frame: pd.DataFrame, augment: bool) -> Rows:
        """The part's cells of a frame."""


@dataclass(frozen=True)
class Settings:
    """Values of the loop. Weight decay is AdamW's own default in torch."""

    epochs: int
    batch_size: int
    new_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip_norm: float = 1.0


class Single(nn.Module):
    """One encoder and a linear head."""

    def __init__(self, part: Part, n_outputs: int) -> None:
        super().__init__()
        self.encoder = part.encoder
        self.head = nn.Linear(part.width, n_outputs)

    def forward(self, inputs: list[Any]) -> Tensor:
        logits: Tensor = self.head(self.encoder(inputs[0]))
        return logits


def train(
    model: nn.Module,
    parts: Sequence[Part],
    columns: Sequence[Rows],
    targets: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    validate: Callable[[], float],
    settings: Settings,
) -> list[float]:
    """Train in place; the weights of the best epoch stay. Returns the score of each epoch."""
    optimizer = torch.optim.AdamW(
        _groups(model, parts, settings), weight_decay=settings.weight_decay, fused=True
    )
    per_epoch = math.ceil(len(targets) / settings.batch_size)
    schedule = _schedule(optimizer, per_epoch * settings.epochs, settings.warmup)
    scores: list[float] = []
    best: dict[str, Tensor] = {}
    for _ in range(settings.epochs):
        model.train()
        for rows in _batches(targets, settings.batch_size):
            logits = model([column.batch(rows) for column in columns])
            loss = loss_of(logits, targets[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.step()
            schedule.step()
        scores.append(validate())
        if scores[-1] >= max(scores):
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return scores


@torch.inference_mode()
def outputs(model: nn.Module, columns: Sequence[Rows], n_rows: int, batch_size: int) -> np.ndarray:
    """Logits [N, D] of all rows, in order; rows of like length are run together."""
    model.eval()
    lengths = next((column.lengths for column in columns if column.lengths is not None), None)
    order = torch.arange(n_rows) if lengths is None else lengths.argsort(descending=True)
    logits = [model([column.batch(rows) for column in columns]) for rows in order.split(batch_size)]
    return torch.cat(logits)[order.argsort()].numpy()


def _batches(targets: Tensor, batch_size: int) -> list[Tensor]:
    """Positions of the rows of each batch, in a new order."""
    batches = list(torch.randperm(len(targets)).split(batch_size))
    # Batch normalisation cannot train on a single row.
    return batches[:-1] if len(batches[-1]) == 1 and len(batches) > 1 else batches


def _groups(model: nn.Module, parts: Sequence[Part], settings: Settings) -> list[dict[str, Any]]:
    """Pretrained encoders at their own rates, all else at that of new ones."""
    old = [
        {"params": list(part.encoder.parameters()), "lr": part.rate}
        for part in parts
        if part.rate is not None
    ]
    known = {id(parameter) for group in old for parameter in group["params"]}
    new = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [{"params": new, "lr": settings.new_rate}, *old]


def _schedule(
    optimizer: torch.optim.Optimizer, steps: int, warmup: float
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then half a cosine to zero."""
    warm = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
