"""``BiEncoder``: each side of a pair is a vector; the sides of a pair are to be near each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from mm_core.api import ConfigError, RecipeError
from mm_core.api.nn import Batch, Features, Latents, Outputs, Parts, Topology
from mm_matching import losses
from mm_matching.configs import BiEncoderConfig
from mm_matching.content import keys
from mm_matching.prompts import with_prompt

SIDES = ("query", "response")
NEGATIVE = "negative"

DEFAULT_LOSS = {"pairs": "info_nce", "match": "online_contrastive", "grades": "cosent"}
"""By what the label says; see ``SimilarityConfig.supervision``."""

FITTING = {
    "pairs": ("info_nce", "triplet"),
    "match": ("online_contrastive", "contrastive", "cosent", "cosine", "info_nce"),
    "grades": ("cosent", "cosine"),
}


@dataclass(frozen=True)
class _Vector:
    """One of the vectors that a side is made of: a backbone's, or of one input of it."""

    name: str
    backbone: str
    inputs: tuple[str, ...]


class BiEncoder(Topology):
    """A side is the mean direction of its vectors; a side that is not there is zeros.

    A backbone whose inputs are all of one side gives ``pooled`` [B, D]. One that reads inputs of
    both, such as a CLIP, gives a vector [B, D] for each: ``Features.extra``, by the input's name.

    Roles are ``query`` and ``response``; ``negative``, a response that is wrong for the row's
    query, is read in training only. The task says what its label means: ``task.supervision`` is
    ``"pairs"``, ``"match"`` (``targets["match"]`` 0 or 1) or ``"grades"`` (``targets["grade"]`` 0
    to 1).
    """

    config: BiEncoderConfig

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.names = tuple(side for side in (*SIDES, NEGATIVE) if side in self.roles)
        self.sides = [tuple(self._vectors_of(self.roles[side])) for side in self.names]
        self.into = self._projections(
            {name: one.dims["pooled"] for name, one in parts.backbones.items()}
        )
        self._check_dims(parts)

    # ---- from rows to sides

    def forward(self, batch: Batch) -> Outputs:
        """``sides`` [B, S, D], each of length 1, or zeros: query, response, perhaps negative; and
        ``keys`` int64 [B, 2]: rows that hold the same in the query, or response, have the same key
        there, 0 where it is not there.

        In training, ``topology.mini_batch`` rows at a time where that is set: their activations are
        forgotten and made again when the gradient comes by (arXiv 2101.06983).
        """
        size = self.config.mini_batch
        if size is None or not self.training or len(batch) <= size:
            return super().forward(batch)
        parts = []
        for start in range(0, len(batch), size):
            some = batch.map(partial(_slice, start, start + size))
            parts.append(
                checkpoint(super().forward, some, use_reentrant=False, preserve_rng_state=True)
            )
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def encode(self, batch: Batch) -> Latents:
        """``<vector>.vector`` [B, D]: a backbone's, or one input's of it; ``query.key`` and
        ``response.key`` int64 [B].
        """
        latents = self._vectors(batch)
        for side in SIDES:
            names = self.roles[side]
            there = [batch.present[name] for name in names]
            latents[f"{side}.key"] = keys([batch.inputs[name] for name in names], there)
        return latents

    def _vectors(self, batch: Batch) -> Latents:
        found = self.run_backbones(self._prompted(batch))
        return {
            f"{one.name}.vector": _given(found[one.backbone], one)
            for vectors in self.sides
            for one in vectors
        }

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``sides`` and ``keys``, as of :meth:`forward`."""
        return self.joined(self.directions(latents, present), latents)

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``sides`` [B, 2, D] and ``keys``."""
        kept = {name for side in SIDES for name in self.roles[side]}
        found = self.forward(_only(batch, kept))
        return {"sides": found["sides"][:, :2], "keys": found["keys"]}

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The two sides; with Matryoshka widths also ``query@64``."""
        short = tuple(f"{side}@{dim}" for dim in self.config.dims for side in SIDES)
        return (*SIDES, *short)

    def embed(self, batch: Batch, of: str = "query") -> Tensor:
        """[B, D] of one side, length 1. Backbones of the other sides are not run."""
        self.check_embedding(of)
        side, _, dim = of.partition("@")
        vectors = self.embedded(batch, self.sides[self.names.index(side)])
        return functional.normalize(vectors[:, : int(dim)], dim=1) if dim else vectors

    def embedded(self, batch: Batch, own: Sequence[_Vector]) -> Tensor:
        """The mean direction [B, D] of some vectors. What they do not read is not encoded."""
        read = {name for one in own for name in one.inputs}
        batch = _only(batch, read)
        return _whole(self.directions(self._vectors(batch), batch.present, own), own)

    def directions(
        self,
        latents: Latents,
        present: Mapping[str, Tensor],
        vectors: Sequence[_Vector] | None = None,
    ) -> dict[str, Tensor]:
        """Vector -> [B, D] in the common space, of length 1; zeros where a row has nothing of it.

        Args:
            latents: as of :meth:`encode`.
            present: by input.
            vectors: those that are wanted; None: all of :attr:`sides`.
        """
        found = {}
        for one in chain.from_iterable(self.sides) if vectors is None else vectors:
            vector = latents[f"{one.name}.vector"].float()
            owner = self.shared.get(one.backbone, one.backbone)
            if owner in self.into:
                vector = self.into[owner](vector).float()
            there = _any(present, one.inputs)[:, None]
            found[one.name] = torch.where(there, functional.normalize(vector, dim=1), 0.0)
        return found

    def joined(self, directions: Mapping[str, Tensor], latents: Latents) -> Outputs:
        """``sides`` and ``keys``, of :meth:`directions` of all vectors."""
        return {
            "sides": torch.stack([_whole(directions, one) for one in self.sides], 1),
            "keys": torch.stack([latents[f"{side}.key"] for side in SIDES], 1),
        }

    # ---- the loss

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Of the rows that have both sides, and a weight; over ``topology.dims`` too."""
        there = self._both(batch.present)
        if batch.weight is not None:
            there = there & (batch.weight > 0)
        sides = outputs["sides"][there]
        if len(sides) == 0:
            nothing: Tensor = outputs["sides"].sum() * 0.0
            return nothing
        asked = _Asked(
            name=self._loss_name(),
            targets={name: value[there] for name, value in batch.targets.items()},
            weight=None if batch.weight is None else batch.weight[there],
            same={
                side: code[:, None] == code
                for side, code in zip(SIDES, outputs["keys"][there].T, strict=True)
            },
        )
        found = self._loss_of(sides, asked)
        for dim in self.config.dims:
            found = found + self._loss_of(functional.normalize(sides[..., :dim], dim=2), asked)
        return found / (1 + len(self.config.dims))

    def _loss_of(self, sides: Tensor, asked: _Asked) -> Tensor:
        config, weight = self.config, asked.weight
        if asked.name == "info_nce":
            return self._info_nce(sides, asked)
        cosine = (sides[:, 0] * sides[:, 1]).sum(dim=1)
        if asked.name == "triplet":
            far = (sides[:, 0] * sides[:, 2]).sum(dim=1)
            return losses.triplet(cosine, far, config.margin, weight)
        truth = next(iter(asked.targets.values())).float()
        if asked.name == "contrastive":
            return losses.contrastive(cosine, truth, config.margin, weight)
        if asked.name == "online_contrastive":
            return losses.online_contrastive(cosine, truth, config.margin, weight)
        if asked.name == "cosent":
            return losses.cosent(cosine, truth, config.temperature, weight)
        return losses.cosine(cosine, truth, weight)

    def _info_nce(self, sides: Tensor, asked: _Asked) -> Tensor:
        """The responses of other rows, and all negatives, are the wrong ones for a query; their
        queries for a response.

        But not where two rows hold the same on either side, unless a label says that it is wrong.
        """
        query, response = sides[:, 0], sides[:, 1]
        rows = torch.arange(len(sides), device=sides.device)
        match = asked.targets.get("match", torch.ones(len(rows), device=rows.device)) > 0.5
        rows = rows[match]  # pairs that do not match are wrong answers and no questions
        if len(rows) == 0:
            return sides.sum() * 0.0
        other = ~torch.eye(len(sides), dtype=torch.bool, device=sides.device)
        same_query, same_response = (asked.same[side] & other for side in SIDES)
        cosines = query @ response.T
        scores = cosines.masked_fill(same_response | (same_query & match), -torch.inf)
        wrong = sides[:, 2] if sides.shape[1] > 2 else sides[:0, 0]
        wrong = wrong[wrong.any(dim=1)]
        onto = torch.cat([scores, query @ wrong.T], dim=1) / self.config.temperature
        weight = None if asked.weight is None else asked.weight[rows]
        found = losses.info_nce(onto[rows], rows, weight)
        if not self.config.symmetric:
            return found
        back = cosines.T.masked_fill(same_query | (same_response & match), -torch.inf)
        back = (back / self.config.temperature)[rows]
        return (found + losses.info_nce(back, rows, weight)) / 2

    def _loss_name(self) -> str:
        """The loss that is asked for, or goes with the label.

        Raises:
            ConfigError: it does not fit the label, or needs negatives.
        """
        given: str = getattr(self.task, "supervision", "pairs")
        name = DEFAULT_LOSS[given] if self.config.loss == "auto" else self.config.loss
        if name not in FITTING[given]:
            raise ConfigError(
                f"topology.loss={name} is not for what the label says ({given})",
                plugin="matching",
                value=name,
                remedy=f"choose from {', '.join(FITTING[given])}",
            )
        if name == "triplet" and NEGATIVE not in self.names:
            raise ConfigError(
                "topology.loss=triplet needs wrong responses",
                plugin="matching",
                value=name,
                remedy="name their column: roles={'negative': 'COLUMN'}",
            )
        return name

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
        dim, differ = self.config.dim, len(set(widths.values())) > 1
        if dim == "auto":
            dim = min(widths.values()) if differ else None
        if dim is None:
            if differ:
                raise RecipeError(
                    "the backbones give vectors of different widths: "
                    + ", ".join(f"{name} {width}" for name, width in widths.items()),
                    value=dict(widths),
                    remedy="set topology.dim=256: each is projected to that width, which a fit "
                    "has to learn",
                )
            return nn.ModuleDict()
        # A shared backbone is one module under two names, and so is its projection.
        own = {name: width for name, width in widths.items() if name not in self.shared}
        return nn.ModuleDict({name: self.projection(width, dim) for name, width in own.items()})

    def projection(self, width: int, dim: int) -> nn.Module:
        """What brings a backbone's vector [B, width] into the common space, [B, dim]; it says its
        ``out_features``.
        """
        return nn.Linear(width, dim)

    def _check_dims(self, parts: Parts) -> None:
        width = min(
            [one.dims["pooled"] for one in parts.backbones.values()]
            if not self.into
            else [int(layer.out_features) for layer in self.into.values()]  # type: ignore[arg-type]
        )
        wrong = [dim for dim in self.config.dims if not 0 < dim < width]
        if wrong:
            raise RecipeError(
                f"topology.dims: {wrong[0]} is no part of vectors of {width} numbers",
                plugin="matching",
                value=wrong[0],
                remedy=f"give widths from 1 to {width - 1}",
            )

    def _prompted(self, batch: Batch) -> Batch:
        """The batch with each side's prompt in its texts, where the processor has some."""
        inputs = dict(batch.inputs)
        for side in self.names:
            own = "query" if side == "query" else "response"
            for name in self.roles[side]:
                inputs[name] = with_prompt(inputs[name], self.infos.get(name, {}), own)
        return replace(batch, inputs=inputs)

    def _both(self, present: Mapping[str, Tensor]) -> Tensor:
        """bool [B], rows that have both sides."""
        sides = [_any(present, self.roles[side]) for side in SIDES]
        return torch.stack(sides).all(dim=0)


@dataclass(frozen=True)
class _Asked:
    """What a loss is asked of: its name, targets and weights of the rows, and which hold the same
    in a side.
    """

    name: str
    targets: Mapping[str, Tensor]
    weight: Tensor | None
    same: Mapping[str, Tensor]


def _whole(directions: Mapping[str, Tensor], side: Sequence[_Vector]) -> Tensor:
    """The mean direction [B, D] of a side's vectors."""
    own = [directions[one.name] for one in side]
    return own[0] if len(own) == 1 else functional.normalize(torch.stack(own).sum(dim=0), dim=1)


def _only(batch: Batch, inputs: Collection[str]) -> Batch:
    """The batch as if the other inputs were absent: their backbones have nothing to run on."""
    present = {
        name: there if name in inputs else torch.zeros_like(there)
        for name, there in batch.present.items()
    }
    return replace(batch, present=present)


def _slice(start: int, stop: int, values: Any) -> Any:
    return values[start:stop]


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
