"""``BiEncoder``: each side of a pair is a vector; the sides of a pair are to be near each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Features, Latents, Outputs, Parts, Topology
from torch import Tensor, nn
from torch.nn import functional

from mm_pairs.configs import BiEncoderConfig

SIDES = ("query", "response")


@dataclass(frozen=True)
class _Vector:
    """One of the vectors that a side is made of: a backbone's, or of one input of it."""

    name: str
    backbone: str
    inputs: tuple[str, ...]


class BiEncoder(Topology):
    """A side is the mean direction of its vectors; a side that is not there is zeros.

    A backbone whose inputs are all of one side gives ``pooled``. One that reads inputs of both,
    such as a CLIP, gives a vector [B, D] for each: ``Features.extra``, by the input's name.
    """

    config: BiEncoderConfig

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.sides = [tuple(self._vectors_of(self.roles[side])) for side in SIDES]
        self.into = self._projections(
            {name: one.dims["pooled"] for name, one in parts.backbones.items()}
        )

    def encode(self, batch: Batch) -> Latents:
        """``<vector>.vector`` [B, D]: a backbone's, or one input's of it."""
        found = self.run_backbones(batch)
        return {
            f"{one.name}.vector": _given(found[one.backbone], one)
            for vectors in self.sides
            for one in vectors
        }

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``sides`` [B, 2, D], each of length 1, or zeros."""
        return {"sides": torch.stack([self._side(one, latents, present) for one in self.sides], 1)}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """InfoNCE in both directions, over the rows that have both sides.

        The responses of the other rows are the wrong ones for a query, and its queries for a
        response; but not where the two rows hold the same on either side.
        """
        both = self._both(batch.present)
        query, response = outputs["sides"][both].unbind(1)
        if len(query) == 0:
            nothing: Tensor = outputs["sides"].sum() * 0.0
            return nothing
        scores = query @ response.T / self.config.temperature
        scores = scores.masked_fill(self._alike(batch)[both][:, both], -torch.inf)
        own = {"own": torch.arange(len(scores), device=scores.device)}
        weight = None if batch.weight is None else batch.weight[both]
        directions = (self.task.loss(one, own, weight) for one in (scores, scores.T))
        return sum(directions, start=scores.new_zeros(())) / 2

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``sides``."""
        return {"sides": self.forward(batch)["sides"]}

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The two sides."""
        return SIDES

    def embed(self, batch: Batch, of: str = "query") -> Tensor:
        """[B, D] of one side."""
        self.check_embedding(of)
        sides: Tensor = self.forward(batch)["sides"]
        return sides[:, SIDES.index(of)]

    # ---- inside

    def _vectors_of(self, side: Sequence[str]) -> Iterator[_Vector]:
        for name, inputs in self.backbone_inputs.items():
            own = tuple(one for one in inputs if one in side)
            if own == inputs:
                yield _Vector(name, name, own)
            else:
                yield from (_Vector(one, name, (one,)) for one in own)

    def _projections(self, widths: Mapping[str, int]) -> nn.ModuleDict:
        """One for each backbone, where the settings ask for some.

        Raises:
            RecipeError: without them the vectors do not fit together.
        """
        dim = self.config.dim
        if dim is None:
            if len(set(widths.values())) > 1:
                raise RecipeError(
                    "the backbones give vectors of different widths: "
                    + ", ".join(f"{name} {width}" for name, width in widths.items()),
                    value=dict(widths),
                    remedy="set topology.dim=128: each is projected to that width",
                )
            return nn.ModuleDict()
        # A shared backbone is one module under two names, and so is its projection.
        own = {name: width for name, width in widths.items() if name not in self.shared}
        return nn.ModuleDict({name: nn.Linear(width, dim) for name, width in own.items()})

    def _side(
        self, vectors: Sequence[_Vector], latents: Latents, present: Mapping[str, Tensor]
    ) -> Tensor:
        directions = []
        for one in vectors:
            vector = latents[f"{one.name}.vector"].float()
            owner = self.shared.get(one.backbone, one.backbone)
            if owner in self.into:
                vector = self.into[owner](vector).float()
            there = _any(present, one.inputs)[:, None]
            directions.append(torch.where(there, functional.normalize(vector, dim=1), 0.0))
        return functional.normalize(torch.stack(directions).sum(dim=0), dim=1)

    def _both(self, present: Mapping[str, Tensor]) -> Tensor:
        """bool [B], rows that have both sides."""
        sides = [_any(present, self.roles[side]) for side in SIDES]
        return torch.stack(sides).all(dim=0)

    def _alike(self, batch: Batch) -> Tensor:
        """bool [B, B], whether two rows hold the same on either side; not a row and itself.

        Told by what was read, since vectors differ by dropout.
        """
        sides = [
            torch.stack([_same(batch.inputs[one], batch.present[one]) for one in self.roles[side]])
            for side in SIDES
        ]
        same = torch.stack([one.all(dim=0) for one in sides]).any(dim=0)
        return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def _given(features: Features, vector: _Vector) -> Tensor:
    found = features.pooled if vector.name == vector.backbone else features.extra.get(vector.name)
    if found is None:
        raise RecipeError(
            f"backbones.{vector.backbone} reads both sides and gives no vector of "
            f"{vector.inputs[0]} alone",
            value=vector.backbone,
            remedy="give each side a backbone of its own: backbones.<name>.inputs",
        )
    return found


def _any(present: Mapping[str, Tensor], inputs: Sequence[str]) -> Tensor:
    return torch.stack([present[one] for one in inputs]).any(dim=0)


def _same(arrays: Mapping[str, Any], present: Tensor) -> Tensor:
    """bool [B, B], whether two rows hold the same in one input."""
    codes = [torch.where(present, 1, 0)]
    for value in arrays.values():
        flat = value.reshape(len(value), -1)
        code = torch.unique(flat, dim=0, return_inverse=True)[1]
        codes.append(torch.where(present, code, -1))
    return torch.stack([code[:, None] == code for code in codes]).all(dim=0)
