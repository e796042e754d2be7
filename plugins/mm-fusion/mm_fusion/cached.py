"""Frozen backbones run once for each row: fusion and head are trained on what they gave.

``fit=fusion:cached``: every row is encoded once, as at prediction, and the core's own loop trains
all that stands above. Epochs and validations are cheap; rows are not augmented, and a backbone
without pretrained weights stays as it was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api import ConfigError, FitJob, FitResult, FitRows, Fitter
from mm_core.api.nn import Batch, Features, Topology, tensors
from mm_fusion.batches import LatentBatches, joined
from mm_fusion.store import LatentStore

_FEATURES = frozenset(one.name for one in fields(Features))


class CachedHeads(Fitter):
    """Cuts the network where ``Topology.encode`` does."""

    def fit(self, job: FitJob) -> FitResult:
        """Encode, then train.

        Raises:
            ConfigError: adapters, mixup or CutMix, which would not be used.
        """
        topology, training = job.model.topology, job.model.recipe.training
        for name, backbone in topology.backbones.items():
            if backbone.adapter is not None:
                raise _unused(f"backbones.{name}.adapter", "backbones stay as they are")
            backbone.requires_grad_(False)
        if training.mixup or training.cutmix:
            raise _unused("training.mixup and cutmix", "there are no inputs to blend")
        job.model.ready()  # to the GPU where there is one, without dropout
        encoder = _Encoder(topology, self.config)
        train = LatentBatches(encoder.rows(job, job.train), training.batch_size, training.seed)
        above, score = Above(topology), None
        if job.validation is not None:
            held = LatentBatches(encoder.rows(job, job.validation), training.batch_size, 0)
            score = _scored(job, above, held)
        return job.train_network(above, train, score=score)


class _Encoder:
    """Rows to latents, by the backbones or out of the store."""

    def __init__(self, topology: Topology, config: Any) -> None:
        self._topology, self._keep = topology, frozenset(config.keep)
        self._store = (
            None if config.cache is None else LatentStore(config.cache, config.cache_gb, topology)
        )

    def rows(self, job: FitJob, rows: FitRows) -> Batch:
        """All rows as one batch on the CPU, whose input ``latents`` holds what backbones gave."""
        return joined([self._encoded(batch) for batch in job.plain(rows)])

    def _encoded(self, batch: Batch) -> Batch:
        key = None if self._store is None else self._store.key(batch, self._keep)
        kept = None if key is None or self._store is None else self._store.get(key)
        given = tensors(batch)
        if kept is None:
            kept = self._run(given)
            if key is not None and self._store is not None:
                self._store.put(key, kept)
        return Batch({"latents": kept}, given.present, given.targets, given.weight)

    def _run(self, batch: Batch) -> dict[str, Tensor]:
        device = next(self._topology.parameters()).device
        with torch.no_grad():
            found = self._topology.encode(batch.to(device))
        return {
            name: latent.cpu().contiguous() for name, latent in found.items() if self._is_kept(name)
        }

    def _is_kept(self, name: str) -> bool:
        """Of the features of backbones those that are wanted; all of a topology's own making."""
        kind = name.partition(".")[2].partition(".")[0]
        return kind in self._keep or kind not in _FEATURES


def _scored(job: FitJob, above: Above, held: LatentBatches) -> Callable[[], float]:
    return lambda: job.score(above.answers(held))


def _unused(what: str, why: str) -> ConfigError:
    return ConfigError(
        f"{what} would not be used: {why}",
        plugin="fusion:cached",
        remedy="leave it out, or choose fit=core:finetune",
    )


class Above(nn.Module):
    """All of a topology but its backbones, called with batches of latents."""

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self._topology = [topology]  # in a list: its backbones are no part of this module
        for name, module in topology.named_children():
            if name != "backbones":
                self.add_module(name, module)
        for name, parameter in topology.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def forward(self, batch: Batch) -> Any:
        """What the topology makes of the latents."""
        (topology,) = self._topology
        return topology.forward_latents(batch.inputs["latents"], batch.present)

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """The topology's own."""
        return self._topology[0].loss(outputs, batch)

    def answers(self, latents: LatentBatches) -> dict[str, np.ndarray]:
        """What the topology predicts of all rows, by its own code."""
        (topology,) = self._topology
        was = self.training
        self.eval()
        device = next(self.parameters()).device
        with torch.inference_mode(), _cut(topology):
            found = [topology.predict(batch.to(device)) for batch in latents.in_order()]
        self.train(was)
        return {name: torch.cat([one[name] for one in found]).cpu().numpy() for name in found[0]}


@contextmanager
def _cut(topology: Topology) -> Iterator[None]:
    """While it holds, the topology takes the latents of a batch for those that it would encode."""
    latents: Callable[[Batch], Mapping[str, Tensor]] = lambda batch: batch.inputs["latents"]  # noqa: E731
    topology.encode = latents  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del topology.encode
