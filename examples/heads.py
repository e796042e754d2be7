"""Frozen backbones run once for each row: fusion and head are trained on what they gave.

``fit=heads:cached``: every row is encoded once, as at prediction, and the core's own loop trains
all that stands above. Epochs and validations are cheap; rows are not augmented, and a backbone
without pretrained weights stays as it was drawn.
"""

import copy
from contextlib import contextmanager

import numpy as np
import torch
from pydantic import Field as Setting
from torch import nn
from torch.nn import functional

from mm_core.api import Config, ConfigError, Fitter, FitterSpec, PluginInfo, hookimpl
from mm_core.api.nn import Batch, tensors


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Heads on what frozen backbones gave once.")


@hookimpl
def mm_fitters():
    return [
        FitterSpec(
            name="cached",
            summary="Backbones stay as they are and run once a row; all above them is trained.",
            target="heads:CachedHeads",
            config="heads:CachedConfig",
        )
    ]


class CachedConfig(Config):
    keep: tuple[str, ...] = Setting(
        default=("pooled",), description="features that are kept: those that the fusion head reads"
    )


class CachedHeads(Fitter):
    """Cuts the network where ``Topology.encode`` does."""

    def fit(self, job):
        topology, training = job.model.topology, job.model.recipe.training
        for name, backbone in topology.backbones.items():
            if backbone.adapter is not None:
                raise _unused(f"backbones.{name}.adapter", "backbones stay as they are")
            backbone.requires_grad_(False)
        if training.mixup or training.cutmix:
            raise _unused("training.mixup and cutmix", "there are no inputs to blend")
        job.model.ready()  # to the GPU where there is one, without dropout
        train = Latents(self._encoded(job, job.train), training.batch_size, training.seed)
        above, score = Above(topology), None
        if job.validation is not None:
            held = Latents(self._encoded(job, job.validation), training.batch_size, 0)

            def score():
                return job.score(above.answers(held))

        return job.train_network(above, train, score=score)

    def _encoded(self, job, rows):
        """All rows as one batch on the CPU, whose input ``latents`` holds what backbones gave."""
        topology = job.model.topology
        device = next(topology.parameters()).device
        parts = []
        with torch.no_grad():
            for batch in map(tensors, job.plain(rows)):
                kept = {
                    name: latent.cpu()
                    for name, latent in topology.encode(batch.to(device)).items()
                    if name.split(".")[1] in self.config.keep
                }
                parts.append(Batch({"latents": kept}, batch.present, batch.targets, batch.weight))
        return _joined(parts)


def _unused(what, why):
    return ConfigError(
        f"{what} would not be used: {why}",
        plugin="heads:cached",
        remedy="leave it out, or choose fit=core:finetune",
    )


class Above(nn.Module):
    """All of a topology but its backbones, called with batches of latents."""

    def __init__(self, topology):
        super().__init__()
        self._topology = [topology]  # in a list: its backbones are no part of this module
        for name, module in topology.named_children():
            if name != "backbones":
                self.add_module(name, module)
        for name, parameter in topology.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def forward(self, batch):
        (topology,) = self._topology
        return topology.forward_latents(batch.inputs["latents"], batch.present)

    def loss(self, outputs, batch):
        return self._topology[0].loss(outputs, batch)

    def answers(self, latents):
        """What the topology predicts of all rows, by its own code, as numpy."""
        (topology,) = self._topology
        was = self.training
        self.eval()
        device = next(self.parameters()).device
        with torch.inference_mode(), _cut(topology):
            found = [topology.predict(batch.to(device)) for batch in latents.in_order()]
        self.train(was)
        return {name: torch.cat([one[name] for one in found]).cpu().numpy() for name in found[0]}


@contextmanager
def _cut(topology):
    """While it holds, the topology takes the latents of a batch for those that it would encode."""
    topology.encode = lambda batch: batch.inputs["latents"]
    try:
        yield
    finally:
        del topology.encode


class Latents:
    """Batches of latents for the core's loop (``mm_core.api.Batches``).

    Args:
        whole: all rows as one batch.
        batch_size: rows a batch; a last one of a single row joins the one before.
        seed: of the order.
    """

    def __init__(self, whole, batch_size, seed):
        self.whole, self.batch_size, self.seed = whole, batch_size, seed
        self.n_rows = len(whole)
        self.rank, self.world_size, self.epoch, self.start = 0, 1, 0, 0

    @property
    def cuts(self):
        starts = list(range(0, self.n_rows, self.batch_size))
        if len(starts) > 1 and self.n_rows - starts[-1] < 2 * self.world_size:
            starts.pop()
        return list(zip(starts, [*starts[1:], self.n_rows], strict=True))

    @property
    def sizes(self):
        return [stop - start for start, stop in self.cuts]

    def __len__(self):
        return len(self.cuts)

    def __iter__(self):
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.n_rows)
        for start, stop in self.cuts[self.start :]:
            yield _take(self.whole, order[start:stop][self.rank :: self.world_size])

    def in_order(self):
        for start, stop in self.cuts:
            yield _take(self.whole, np.arange(start, stop))

    def set_epoch(self, epoch, start=0):
        self.epoch, self.start = epoch, start

    def with_batch_size(self, batch_size):
        other = copy.copy(self)
        other.batch_size = batch_size
        return other

    def shard(self, rank, world_size):
        other = copy.copy(self)
        other.rank, other.world_size = rank, world_size
        if min(other.sizes) < world_size:
            raise ConfigError(
                f"batches of {min(other.sizes)} row(s) cannot be shared by {world_size} processes",
                value=self.batch_size,
                remedy=f"set training.batch_size to {world_size} or more",
            )
        return other

    def costliest(self):
        return next(self.in_order())


def _take(batch, rows):
    """Some rows of a batch of tensors, and of lists where rows are ragged."""
    targets = {
        name: value[rows] if isinstance(value, torch.Tensor) else [value[row] for row in rows]
        for name, value in batch.targets.items()
    }
    latents = {name: value[rows] for name, value in batch.inputs["latents"].items()}
    present = {name: value[rows] for name, value in batch.present.items()}
    weight = None if batch.weight is None else batch.weight[rows]
    return Batch({"latents": latents}, present, targets, weight)


def _joined(parts):
    """Batches as one."""
    first = parts[0]
    latents = {
        name: _stacked([one.inputs["latents"][name] for one in parts])
        for name in first.inputs["latents"]
    }
    targets = {name: _stacked([one.targets[name] for one in parts]) for name in first.targets}
    present = {name: _stacked([one.present[name] for one in parts]) for name in first.present}
    weight = None if first.weight is None else _stacked([one.weight for one in parts])
    return Batch({"latents": latents}, present, targets, weight)


def _stacked(values):
    """Rows of all; tokens of batches that are shorter than others end with zeros."""
    if not isinstance(values[0], torch.Tensor):
        return [row for part in values for row in part]
    if values[0].ndim > 1 and len({one.shape[1] for one in values}) > 1:
        most = max(one.shape[1] for one in values)
        pads = [(0, 0) * (one.ndim - 2) + (0, most - one.shape[1]) for one in values]
        values = [functional.pad(one, pad) for one, pad in zip(values, pads, strict=True)]
    return torch.cat(values)
