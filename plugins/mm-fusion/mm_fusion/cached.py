"""Frozen backbones run once for each row: fusion and head are trained on what they gave.

``fit=fusion:cached``: every row is encoded once, as at prediction, and the core's own loop trains
all that stands above, and beside it networks without pretrained weights, such as a table's, after
they learned by themselves. Epochs and validations are cheap; rows are not augmented.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mm_core.api import ConfigError, FitJob, FitResult, FitRows, Fitter, MMWarning
from mm_core.api.nn import Backbone, Batch, Features, Topology, tensors
from mm_fusion.above import Above, Part, encodes_plainly
from mm_fusion.batches import LATENTS, LatentBatches, joined
from mm_fusion.configs import CachedConfig
from mm_fusion.folder import default_folder
from mm_fusion.store import LatentStore

_FEATURES = frozenset(one.name for one in fields(Features))


class CachedHeads(Fitter):
    """Cuts the network where ``Topology.encode`` does.

    A subclass may train another network on the latents: :meth:`network`.
    """

    config: CachedConfig

    def fit(self, job: FitJob) -> FitResult:
        """Encode, then train.

        Raises:
            ConfigError: adapters, mixup or CutMix, which would not be used.
        """
        topology, training = job.model.topology, job.model.recipe.training
        self._refuse(job)
        trained = self._trained(topology)
        frozen = [name for name in topology.backbones if name not in trained]
        for name in frozen:
            topology.backbones[name].requires_grad_(False)
        job.model.ready()  # to the GPU where there is one, without dropout
        encoder = _Encoder(topology, frozen, self._store(job, topology, frozen), self.config.keep)
        train = LatentBatches(encoder.rows(job, job.train), training.batch_size, training.seed)
        if trained:
            job.train_new_first()
        above, score = self.network(topology, trained), None
        if job.validation is not None:
            held = LatentBatches(encoder.rows(job, job.validation), training.batch_size, 0)
            score = _scored(job, above, held)
        return job.train_network(above, train, score=score)

    def network(self, topology: Topology, trained: Iterable[str]) -> Above:
        """What is trained on the latents.

        Args:
            topology: the model's.
            trained: its backbones that are trained too.
        """
        return Above(topology, trained)

    def _refuse(self, job: FitJob) -> None:
        plugin, training = job.model.recipe.fit.id, job.model.recipe.training
        for name, backbone in job.model.topology.backbones.items():
            if backbone.adapter is not None:
                raise _unused(plugin, f"backbones.{name}.adapter", "backbones stay as they are")
        asked = job.model.recipe.origin("training.new_first") == "user" and training.new_first
        if asked and self.config.new == "keep":
            raise _unused(plugin, "training.new_first", "fit.new=keep leaves new networks alone")
        if training.mixup or training.cutmix:
            raise _unused(plugin, "training.mixup and cutmix", "there are no inputs to blend")

    def _trained(self, topology: Topology) -> list[str]:
        """Backbones that have learned nothing yet: what they give at random is not kept."""
        new = [name for name, one in topology.backbones.items() if not _pretrained(one)]
        if self.config.new == "keep" or not new:
            return []
        if encodes_plainly(topology):
            return new
        warnings.warn(
            MMWarning(
                f"features of backbones.{', backbones.'.join(new)} come of new weights, which stay "
                "as they were drawn: the latents of this task are no features of single backbones. "
                "fit=core:finetune trains the whole; fit.new=keep says that this is meant"
            ),
            stacklevel=2,
        )
        return []

    def _store(self, job: FitJob, topology: Topology, frozen: list[str]) -> LatentStore | None:
        folder = self.config.cache
        if not frozen or folder is None or folder is False:
            return None
        backbones = job.model.recipe.backbones
        return LatentStore(
            default_folder() if folder is True else Path(folder),
            self.config.cache_gb,
            _encoding_part(topology, frozen),
            [_label(backbones[name]) for name in frozen if name not in topology.shared],
        )


class _Encoder:
    """Rows to latents, by the frozen backbones or out of the store."""

    def __init__(
        self,
        topology: Topology,
        frozen: list[str],
        store: LatentStore | None,
        keep: Iterable[str],
    ) -> None:
        self._part = _encoding_part(topology, frozen)
        self._device = next(topology.parameters()).device
        self._store, self._keep = store, frozenset(keep)
        self._read = [  # by backbones that are not frozen, in each batch
            name
            for backbone, inputs in topology.backbone_inputs.items()
            if backbone not in frozen
            for name in inputs
        ]

    def rows(self, job: FitJob, rows: FitRows) -> Batch:
        """All rows as one batch on the CPU, whose input ``latents`` holds what backbones gave."""
        return joined([self._encoded(batch) for batch in job.plain(rows)])

    def _encoded(self, batch: Batch) -> Batch:
        given = tensors(batch)
        kept = self._run(given) if self._store is None else self._kept(self._store, batch, given)
        inputs = {LATENTS: kept} | {name: given.inputs[name] for name in self._read}
        return Batch(inputs, given.present, given.targets, given.weight)

    def _kept(self, store: LatentStore, batch: Batch, given: Batch) -> dict[str, Tensor]:
        """Out of the store, or put there; ``given`` is the batch as tensors."""
        key = store.key(batch, self._keep)
        kept = store.get(key)
        if kept is None:
            kept = self._run(given)
            store.put(key, kept, len(batch))
        return kept

    def _run(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            found = self._part.encode(batch.to(self._device))
        return {
            name: latent.cpu().contiguous() for name, latent in found.items() if self._is_kept(name)
        }

    def _is_kept(self, name: str) -> bool:
        """Of the features of backbones those that are wanted; all of a topology's own making."""
        kind = name.partition(".")[2].partition(".")[0]
        return kind in self._keep or kind not in _FEATURES


def _encoding_part(topology: Topology, frozen: list[str]) -> Topology:
    """What runs once: the frozen backbones, or a topology that has its own way to encode."""
    return Part(topology, frozen) if encodes_plainly(topology) else topology


def _pretrained(backbone: Any) -> bool:
    assert isinstance(backbone, Backbone)
    return backbone.pretrained


def _label(part: Any) -> str:
    """A backbone by its id, and its checkpoint where it has one."""
    checkpoint = part.config.get("checkpoint")
    return part.id if checkpoint is None else f"{part.id} {checkpoint}"


def _scored(job: FitJob, above: Above, held: LatentBatches) -> Callable[[], float]:
    return lambda: job.score(above.answers(held))


def _unused(plugin: str, what: str, why: str) -> ConfigError:
    return ConfigError(
        f"{what} would not be used: {why}",
        plugin=plugin,
        remedy="leave it out, or choose fit=core:finetune",
    )
