"""A topology in two: backbones that run once a row, and all that is trained on what they gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology
from mm_fusion.batches import LATENTS, LatentBatches


class Part(Topology):
    """Some of the backbones of a topology that encodes as :class:`Topology` does.

    Args:
        whole: the topology; its modules are this one's too.
        names: of its backbones.
    """

    def __init__(self, whole: Topology, names: Iterable[str]) -> None:
        super().__init__(_parts(whole, names))
        self._whole = [whole]  # in a list: its other modules are no part of this one

    @property
    def whole(self) -> Topology:
        """The topology that this is a part of."""
        return self._whole[0]

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """What the whole topology makes of the latents of all its backbones."""
        return self.whole.forward_latents(latents, present)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The whole topology's own."""
        return self.whole.loss(outputs, batch)

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """The whole topology's own, which encodes rows by itself."""
        return self.whole.embed(batch, of)


class Above(Part):
    """All of a topology but the backbones that ran before: called with batches that hold their
    latents as the input ``latents``, and arrays of the inputs that the others read.

    Args:
        whole: the topology.
        names: backbones that are trained beside what stands above.
    """

    def __init__(self, whole: Topology, names: Iterable[str] = ()) -> None:
        super().__init__(whole, names)
        own = dict(self.named_children())
        for name, module in whole.named_children():
            if name not in own:
                setattr(self, name, module)
        for name, parameter in whole.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def encode(self, batch: Batch) -> Latents:
        """What was encoded before, and what the backbones that are trained give now."""
        return {**batch.inputs[LATENTS], **super().encode(batch)}

    def answers(self, latents: LatentBatches) -> dict[str, np.ndarray]:
        """What the topology predicts of all rows, by its own code."""
        was = self.training
        self.eval()
        device = next(self.parameters()).device
        with torch.inference_mode(), _encoding(self.whole, self.encode):
            found = [self.whole.predict(batch.to(device)) for batch in latents.in_order()]
        self.train(was)
        return {name: torch.cat([one[name] for one in found]).cpu().numpy() for name in found[0]}


def encodes_plainly(topology: Topology) -> bool:
    """Whether its latents are what its backbones give, each by itself."""
    return type(topology).encode is Topology.encode


def _parts(whole: Topology, names: Iterable[str]) -> Parts:
    kept = [name for name in whole.backbones if name in set(names)]
    return Parts(
        backbones={name: whole.backbones[name] for name in kept},  # type: ignore[misc]
        backbone_inputs={name: whole.backbone_inputs[name] for name in kept},
        task=whole.task,
        config=whole.config,
        roles=whole.roles,
        infos=whole.infos,
        shared={name: whole.shared[name] for name in kept if name in whole.shared},
    )


@contextmanager
def _encoding(topology: Topology, encode: Callable[[Batch], Latents]) -> Iterator[None]:
    """While it holds, the topology encodes in that way."""
    topology.encode = encode  # type: ignore[method-assign]
    try:
        yield
    finally:
        del topology.encode
