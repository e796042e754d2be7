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
from torch.utils.data import DataLoader, Dataset


class Part(Protocol):
    """One modality: how its cells become tensors, and the network that reads them."""

    width: int
    pretrained: bool

    @property
    def encoder(self) -> nn.Module:
        """What is collated -> [B, width]."""

    def rows(self, frame: pd.DataFrame, augment: bool) -> Sequence[Any]:
        """One item per row."""

    def collate(self, items: list[Any]) -> Any:
        """Items of a batch as what the encoder reads."""


@dataclass(frozen=True)
class Settings:
    """Values of the loop. Weight decay is AdamW's own default in torch."""

    epochs: int
    batch_size: int
    new_rate: float = 1e-3
    pretrained_rate: float = 1e-4
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


class RowData(Dataset[tuple[list[Any], Any]]):
    """Rows of all parts with their target."""

    def __init__(
        self, parts: Sequence[Part], frame: pd.DataFrame, targets: np.ndarray, augment: bool
    ) -> None:
        self.parts = parts
        self.columns = [part.rows(frame, augment) for part in parts]
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[list[Any], Any]:
        return [column[row] for column in self.columns], self.targets[row]

    def collate(self, items: list[tuple[list[Any], Any]]) -> tuple[list[Any], Tensor]:
        """A batch: the inputs of each part, and the targets."""
        inputs, targets = zip(*items, strict=True)
        columns = [list(column) for column in zip(*inputs, strict=True)]
        read = [part.collate(column) for part, column in zip(self.parts, columns, strict=True)]
        return read, torch.from_numpy(np.stack(targets))


def train(
    model: nn.Module,
    pretrained: Sequence[nn.Module],
    data: RowData,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    validate: Callable[[], float],
    settings: Settings,
) -> list[float]:
    """Train in place; the weights of the best epoch stay. Returns the score of each epoch."""
    loader = DataLoader(
        data,
        settings.batch_size,
        shuffle=True,
        collate_fn=data.collate,
        # Batch normalisation cannot train on a single row.
        drop_last=len(data) % settings.batch_size == 1,
    )
    optimizer = torch.optim.AdamW(
        _groups(model, pretrained, settings), weight_decay=settings.weight_decay
    )
    schedule = _schedule(optimizer, len(loader) * settings.epochs, settings.warmup)
    scores: list[float] = []
    best: dict[str, Tensor] = {}
    for _ in range(settings.epochs):
        model.train()
        for inputs, targets in loader:
            loss = loss_of(model(inputs), targets)
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
def outputs(model: nn.Module, data: RowData, batch_size: int) -> np.ndarray:
    """Logits [N, D] of all rows, in order."""
    model.eval()
    loader = DataLoader(data, batch_size, collate_fn=data.collate)
    return torch.cat([model(inputs) for inputs, _ in loader]).numpy()


def _groups(
    model: nn.Module, pretrained: Sequence[nn.Module], settings: Settings
) -> list[dict[str, Any]]:
    old = [parameter for module in pretrained for parameter in module.parameters()]
    known = {id(parameter) for parameter in old}
    new = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups = [(new, settings.new_rate), (old, settings.pretrained_rate)]
    return [{"params": parameters, "lr": rate} for parameters, rate in groups if parameters]


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
