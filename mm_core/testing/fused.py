"""Situations that every fusion head must cope with: its inputs, its features, its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_core.api.config import Config
from mm_core.api.features import features_of, latents_of, map_features
from mm_core.api.nn import Batch, Features, Fused, FusionHead, Latents, Outputs
from mm_core.api.specs import FusionHeadSpec
from mm_core.testing.networks import copied, pull
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject, shown
from mm_core.training.seeding import seeded

OUTPUT_DIM = 3
BATCHES = (1, 2, 5)
_POOLED = {"right": 12, "left": 8, "upper": 5, "inner": 16}  # not in sorted order
_TOKENS = {"right": 6, "left": 8, "upper": 10, "inner": 4}
_LENGTHS = {"right": 3, "left": 1, "upper": 4, "inner": 2}


@dataclass(frozen=True)
class Situation:
    """A head with so many inputs and such settings."""

    subject: Subject[FusionHeadSpec]
    config: Config
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.names)} input(s), {shown(self.config)}"

    def build(self, seed: int = 0) -> FusionHead:
        """The head, new."""
        dims = {name: _widths(name) for name in self.names}
        with seeded(seed):
            head: FusionHead = self.subject.component.load()(self.config, dims, OUTPUT_DIM)
        return head

    def rows(self, n: int, seed: int = 1) -> Rows:
        """``n`` rows in which everything is present."""
        with seeded(seed):
            features = {name: _features(name, n) for name in self.names}
        return Rows(features, {name: torch.ones(n, dtype=torch.bool) for name in self.names})

    def reversed(self) -> Situation:
        """The same inputs, named in another order."""
        return replace(self, names=self.names[::-1])


@dataclass(frozen=True)
class Rows:
    """What a head is given."""

    features: dict[str, Features]
    present: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def with_gaps(self) -> Rows:
        """Row i lacks input i (of K + 1, so that every K-th row is whole); never all of a row."""
        present = {name: value.clone() for name, value in self.present.items()}
        if len(present) > 1:
            for row in range(len(self)):
                for position, name in enumerate(present):
                    present[name][row] = position != row % (len(present) + 1)
        return Rows(self.features, present)

    def without(self, row: int) -> Rows:
        """One row lacks everything."""
        present = {name: value.clone() for name, value in self.present.items()}
        for value in present.values():
            value[row] = False
        return Rows(self.features, present)

    def lacking(self, name: str) -> Rows:
        """All rows lack that input."""
        return Rows(self.features, {**self.present, name: torch.zeros_like(self.present[name])})

    def take(self, row: int) -> Rows:
        """One row, alone."""
        one = slice(row, row + 1)
        return Rows(
            {
                name: map_features(features, lambda v: v[one])
                for name, features in self.features.items()
            },
            {name: value[one] for name, value in self.present.items()},
        )

    def spoilt(self, value: float) -> Rows:
        """``value`` stands in every absent slot."""
        features = {}
        for name, given in self.features.items():
            absent = ~self.present[name]
            features[name] = map_features(given, partial(_fill, absent=absent, filling=value))
        return Rows(features, self.present)

    def reversed(self) -> Rows:
        """The inputs in the other order."""
        return Rows(dict(reversed(self.features.items())), dict(reversed(self.present.items())))


def situations(subject: Subject[FusionHeadSpec]) -> Iterator[Situation]:
    """One to four inputs with the trial's settings; two with every other choice of a setting."""
    for number, config in enumerate(subject.configs()):
        for k in (1, 2, 3, 4) if number == 0 else (2,):
            yield Situation(subject, config, tuple(_POOLED)[:k])


def fuse(head: FusionHead, rows: Rows) -> Fused:
    """One pass, torch's generator at a fixed seed."""
    with seeded(0):
        fused: Fused = head(rows.features, rows.present)
    expect(isinstance(fused, Fused), f"it gives {type(fused).__name__}, not mm_core.api.nn.Fused")
    return fused


def answers(fused: Fused) -> dict[str, Tensor]:
    """Everything with one entry per row, by name."""
    found = {"pooled": fused.pooled, "logits": fused.logits}
    found |= {f"per_input.{name}": value for name, value in fused.per_input.items()}
    found |= {f"gates.{name}": value for name, value in fused.gates.items()}
    return {name: value for name, value in found.items() if value is not None}


def loss_of(head: FusionHead, fused: Fused, rows: Rows, weight: Tensor | None = None) -> Tensor:
    """What the head makes of a loss that moves all that it gives, by classes of the rows."""
    n = len(rows)
    batch = Batch({}, rows.present, {"class": torch.arange(n) % OUTPUT_DIM}, weight)
    with seeded(0):
        return head.loss(_outputs(fused), batch, partial(_loss, fused))


def _outputs(fused: Fused) -> Outputs:
    """As a topology's, a fixed layer on what is pooled."""
    logits = fused.logits
    if logits is None:
        assert fused.pooled is not None
        layer = torch.linspace(-1.0, 1.0, fused.pooled.shape[1] * OUTPUT_DIM)
        logits = fused.pooled.float() @ layer.reshape(-1, OUTPUT_DIM)
    found = {name: getattr(fused, name) for name in ("per_input", "aux_losses", "gates", "kept")}
    return {"logits": logits} | found


def _loss(fused: Fused, batch: Batch) -> Tensor:
    given = {name: value for name, value in answers(fused).items() if "gates." not in name}
    logits = _outputs(fused)["logits"].float()
    right = functional.cross_entropy(logits, batch.targets["class"], reduction="none")
    loss = pull(given) + (right if batch.weight is None else right * batch.weight).mean()
    for extra in fused.aux_losses.values():
        loss = loss + extra
    return loss


def answer(head: FusionHead, rows: Rows) -> dict[str, Tensor]:
    """What it answers at prediction."""
    with torch.no_grad():
        return copied(answers(fuse(head.eval(), rows)))


def exported(head: FusionHead, rows: Rows) -> Callable[[Rows], dict[str, Tensor]]:
    """The head as a program of ``torch.export``, for any number of rows; seeded as ``fuse`` is.

    Args:
        head: at prediction.
        rows: what it is followed with; more than one, for one would be taken for a constant.
    """
    given, free = (latents_of(rows.features), rows.present), {0: torch.export.Dim("rows")}
    shapes = tuple(dict.fromkeys(one, free) for one in given)
    followed = _Answers(head.eval())
    program = torch.export.export(followed, given, dynamic_shapes=shapes, strict=False).module()

    def run(others: Rows) -> dict[str, Tensor]:
        with torch.no_grad(), seeded(0):
            return copied(program(latents_of(others.features), others.present))

    return run


class _Answers(nn.Module):
    """A head's answers from plain dicts of tensors, which is what an exporter can follow."""

    def __init__(self, head: FusionHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, latents: Latents, present: dict[str, Tensor]) -> dict[str, Tensor]:
        return answers(self.head({name: features_of(latents, name) for name in present}, present))


def _widths(name: str) -> Mapping[str, int]:
    return {"pooled": _POOLED[name], "tokens": _TOKENS[name], "spatial": _TOKENS[name]}


def _features(name: str, n: int) -> Features:
    length = _LENGTHS[name]
    mask = torch.arange(length)[None, :] <= (torch.arange(n) % length)[:, None]
    return Features(
        pooled=torch.randn(n, _POOLED[name]),
        tokens=torch.randn(n, length, _TOKENS[name]),
        mask=mask,
        spatial=torch.randn(n, _TOKENS[name], 2, 2),
    )


def _fill(value: Tensor, absent: Tensor, filling: float) -> Tensor:
    if value.dtype == torch.bool:
        return value
    return value.masked_fill(absent.view(-1, *[1] * (value.dim() - 1)), filling)
