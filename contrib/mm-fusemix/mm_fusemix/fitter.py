"""``LatentMix``: adapters learn from mixtures of what frozen encoders gave (arXiv 2312.10144)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from mm_fusion.api import LATENTS, Above, CachedHeads
from mm_matching.api import BiEncoder
from torch import Tensor

from mm_core.api import ConfigError, FitJob, FitResult
from mm_core.api.nn import Batch, Topology
from mm_fusemix.configs import LatentMixConfig

PLUGIN = "fusemix:latent_mix"


class LatentMix(CachedHeads):
    """Trains all that stands above the backbones of pairs; for any bi-encoder that has something
    there.
    """

    config: LatentMixConfig

    def fit(self, job: FitJob) -> FitResult:
        """Encode, then train.

        Raises:
            ConfigError: no pairs that belong together, nothing above the backbones, or so few rows
                a batch that no pair has another to differ from.
        """
        topology, task = job.model.topology, job.model.recipe.task.id
        if not isinstance(topology, BiEncoder) or job.model.task.supervision != "pairs":
            raise ConfigError(
                f"{task} has no pairs that belong together, of which mixtures could be made",
                plugin=PLUGIN,
                value=task,
                remedy="problem_type='alignment', or another fit",
            )
        if not topology.into:
            raise ConfigError(
                "there is nothing above the encoders to train",
                plugin=PLUGIN,
                value=task,
                remedy="problem_type='alignment', or topology.dim=256",
            )
        self._refuse_lone_pairs(job)
        return super().fit(job)

    def _refuse_lone_pairs(self, job: FitJob) -> None:
        """The loss of a single pair is 0 whatever the network says."""
        size, rows = job.model.recipe.training.batch_size, len(job.train)
        mixed = self.config.alpha is not None
        least = 4 if mixed else 2  # two rows make a mixture
        if min(size, rows) >= least:
            return
        unmixed = "; fit.alpha=null mixes nothing, and needs 2" if mixed else ""
        raise ConfigError(
            f"batches of {min(size, rows)} row(s) make one {'mixture' if mixed else 'pair'}, which "
            "has no other to differ from: nothing would be learned",
            plugin=PLUGIN,
            value=min(size, rows),
            remedy=f"set training.batch_size to {least} or more, as large as memory allows{unmixed}"
            if rows >= least
            else f"give {least} rows or more to train on{unmixed}",
        )

    def network(self, topology: Topology, trained: Iterable[str]) -> Above:
        """What is given mixtures in training."""
        return _Mixing(topology, trained, self.config.alpha)


class _Mixing(Above):
    """Mixes the two halves of each batch while it trains.

    Args:
        whole: the topology.
        names: its backbones that are trained too.
        alpha: of the Beta distribution; None: nothing is mixed.
    """

    def __init__(self, whole: Topology, names: Iterable[str], alpha: float | None) -> None:
        super().__init__(whole, names)
        self._alpha = alpha

    def forward(self, batch: Batch) -> Any:
        """Outputs, and the batch that they are of."""
        if self.training and self._alpha is not None and len(batch) > 1:
            share = torch.distributions.Beta(self._alpha, self._alpha).sample()
            batch = mixtures(batch, share.to(next(self.parameters()).device))
        return super().forward(batch), batch

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """The topology's, of the mixtures."""
        found, mixed = outputs
        return super().loss(found, mixed)


def mixtures(batch: Batch, share: Tensor) -> Batch:
    """Half as many rows: ``share`` of a row of the first half, the rest of one of the second.

    An input is there where both rows have it. The last row of an odd number stays out. Codes of
    what rows hold become codes of both: two mixtures hold the same where both their rows do.

    Args:
        batch: of latents.
        share: scalar, the same for all inputs.
    """
    half = len(batch) // 2
    first, second = (batch.map(lambda value, a=at: value[a : a + half]) for at in (0, half))

    def mixed(own: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _between(value, other[name], share) for name, value in own.items()}

    return replace(
        first,
        inputs={LATENTS: mixed(first.inputs[LATENTS], second.inputs[LATENTS])},
        present={name: there & second.present[name] for name, there in first.present.items()},
        weight=None if batch.weight is None else _between(first.weight, second.weight, share),
    )


def _between(own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    if own.is_floating_point():
        return share.to(own.dtype) * own + (1 - share.to(own.dtype)) * other
    both = own * _ODD + other
    both = torch.where(both == 0, 1, both)
    return torch.where((own == 0) | (other == 0), 0, both)


_ODD = 0x9E3779B97F4A7C15 - (1 << 64)
"""Makes of two codes one that no other two have, with a probability of about 1 - 2**-64."""
