"""The contracts that need torch; imported by heavy modules only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from mm_core.api.features import Features, run_present
from mm_core.api.specs import Checkpoint
from mm_core.api.tasks import Task

__all__ = [
    "Adapter",
    "Backbone",
    "BackboneContext",
    "Batch",
    "Features",
    "Fused",
    "FusionHead",
    "Latents",
    "Outputs",
    "Parts",
    "Topology",
]


@dataclass
class Batch:
    """Some rows on their way through the network.

    Attributes:
        inputs: input name -> array name -> tensor, first axis B.
        present: input name -> bool [B].
        targets: target name -> tensor [B, ...] or list of B; empty at prediction.
        weight: float [B] or None.
        row_ids: long [B], positions in the frame.
        meta: what decoding needs (original sizes, offsets), by input name.
    """

    inputs: dict[str, dict[str, Any]]
    present: dict[str, Tensor]
    targets: dict[str, Any] = field(default_factory=dict)
    weight: Tensor | None = None
    row_ids: Tensor | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device (Lightning calls this too)."""
        return Batch(
            inputs={name: _move(arrays, device) for name, arrays in self.inputs.items()},
            present=_move(self.present, device),
            targets=_move(self.targets, device),
            weight=None if self.weight is None else self.weight.to(device),
            row_ids=self.row_ids,
            meta=self.meta,
        )


def _move(values: Mapping[str, Any], device: torch.device | str) -> dict[str, Any]:
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in values.items()}


@dataclass
class Fused:
    """What a fusion head gives; ``pooled`` or ``logits`` is set.

    Attributes:
        pooled: [B, head.dim], to be mapped to outputs by the topology.
        logits: [B, output_dim], final.
        per_input: name -> logits [B, output_dim] of one input alone (auxiliary heads).
        aux_losses: name -> scalar, added to the loss as they are.
        gates: name -> [B], share of each input in the answer, where the head knows it.
    """

    pooled: Tensor | None = None
    logits: Tensor | None = None
    per_input: dict[str, Tensor] = field(default_factory=dict)
    aux_losses: dict[str, Tensor] = field(default_factory=dict)
    gates: dict[str, Tensor] = field(default_factory=dict)


Latents = dict[str, Tensor]
"""Named tensors at the cut where caching happens: ``"text.pooled"``, ``"image.tokens"``, ..."""

Outputs = dict[str, Any]
"""What a model gives, by name: ``"logits"`` [B, D], ``"per_input"``, ``"aux_losses"``, ..."""


@dataclass(frozen=True)
class BackboneContext:
    """What a backbone is built for.

    Attributes:
        inputs: input name -> the processor's ``info``.
        task: the task's ``info``.
        checkpoint: pretrained weights to start from; None: random weights were asked for, or the
            weights come later from an artifact.
        architecture: what :attr:`Backbone.architecture` gave when the model was saved; None at fit.
    """

    inputs: Mapping[str, Mapping[str, Any]]
    task: Mapping[str, Any]
    checkpoint: Checkpoint | None = None
    architecture: Mapping[str, Any] | None = None


class Backbone(nn.Module, ABC):
    """Turns one or more inputs into features.

    ``pretrained`` is True when the weights were trained elsewhere: such a backbone gets
    ``training.learning_rate``, any other ``training.head_learning_rate``.

    Attributes:
        adapter: what was applied to it; set by the core.
        still: modules that stay as at prediction while the rest trains (no dropout, running
            statistics that do not run); set by adapters. The backbone itself may be one.
    """

    pretrained: bool = False
    adapter: Adapter | None = None
    still: tuple[nn.Module, ...] = ()

    def __init__(self, config: Any, context: BackboneContext) -> None:
        super().__init__()
        self.config = config

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-able; all that is needed besides config and info to build the same modules."""
        return {}

    @property
    @abstractmethod
    def dims(self) -> Mapping[str, int]:
        """Width of each feature named in ``BackboneSpec.provides``."""

    @abstractmethod
    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """Features of a batch; ``inputs`` maps input names to arrays."""

    def stages(self) -> Sequence[nn.Module]:
        """Modules from input to output that together hold every parameter once."""
        return [self]

    def train(self, mode: bool = True) -> Self:
        """As in torch, but for what is to be ``still``."""
        super().train(mode)
        if mode:
            for module in self.still:
                module.train(False)
        return self


class Adapter(ABC):
    """Decides what of a built backbone is trained, and by which new weights.

    It works on any backbone: through ``stages()``, types of modules and ``requires_grad``. The
    backbone's class, ``dims`` and ``forward`` stay what they are.

    Args:
        config: validated settings.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def apply(self, backbone: Backbone) -> None:
        """Change a backbone in place, at fit and again when the model is loaded.

        The same modules come of it each time; their weights are then those that were saved. What is
        not to be trained gets ``requires_grad=False``, and ``backbone.still`` says which modules
        stay as at prediction.

        Raises:
            ConfigError: the settings leave nothing of this backbone to train, or all of it.
        """

    def own_weights(self, backbone: Backbone) -> frozenset[str]:
        """Names of the adapter's weights in the state dict of an adapted backbone; none by default.

        They learn at ``training.head_learning_rate``, and are saved with every model.
        """
        return frozenset()

    def merge(self, backbone: Backbone) -> None:  # noqa: B027
        """Fold the weights into those of the backbone: its modules are as before :meth:`apply`.

        Its answers stay the same, up to rounding. Nothing is to be done by default.
        """


class FusionHead(nn.Module, ABC):
    """Combines features of several inputs.

    A row's absent inputs must not change its output, whatever the features hold there.

    Args:
        config: validated settings.
        inputs: name -> the backbone's ``dims``: width of each of its features.
        output_dim: width of the model's output, for heads that give logits.

    Attributes:
        dim: width of ``Fused.pooled``; not set by heads that give logits.
        auxiliary_weight: weight of the loss of ``Fused.per_input``.
    """

    dim: int
    auxiliary_weight: float = 0.0

    def __init__(
        self, config: Any, inputs: Mapping[str, Mapping[str, int]], output_dim: int
    ) -> None:
        super().__init__()
        self.config = config
        self.inputs = dict(inputs)
        self.output_dim = output_dim

    @abstractmethod
    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        """``present[name]`` is bool [B]."""


@dataclass(frozen=True)
class Parts:
    """What a topology is built from.

    Attributes:
        backbones: by name.
        backbone_inputs: backbone name -> names of the inputs it reads.
        fusion: None where a single backbone bypasses it.
        task: losses and output width.
    """

    backbones: Mapping[str, Backbone]
    backbone_inputs: Mapping[str, tuple[str, ...]]
    task: Task
    fusion: FusionHead | None = None


class Topology(nn.Module, ABC):
    """How backbones, fusion and task are put together.

    Attributes:
        backbones: by name.
        backbone_inputs: backbone name -> names of the inputs it reads.
        fusion: the fusion head, or None.
        task: losses and output width.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(dict(parts.backbones))
        self.backbone_inputs = dict(parts.backbone_inputs)
        self.fusion = parts.fusion
        self.task = parts.task

    def presence(self, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Backbone name -> bool [B], where any of its inputs is present.

        Args:
            present: input name -> bool [B], as in :class:`Batch`.
        """
        return {
            name: torch.stack([present[one] for one in inputs]).any(dim=0)
            for name, inputs in self.backbone_inputs.items()
        }

    def run_backbones(self, batch: Batch) -> dict[str, Features]:
        """Backbone name -> features of all rows, run on those that have any of its inputs.

        Zeros stand in the others: nothing in an absent slot reaches an output or a gradient.
        """
        found = {}
        for name, backbone in self.backbones.items():
            inputs = {one: batch.inputs[one] for one in self.backbone_inputs[name]}
            found[name] = run_present(cast("Backbone", backbone), inputs, batch.present)
        return found

    @abstractmethod
    def encode(self, batch: Batch) -> Latents:
        """Latents of a batch: everything up to the cut where caching happens."""

    @abstractmethod
    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """Outputs from latents; ``present`` as in :class:`Batch`."""

    def forward(self, batch: Batch) -> Outputs:
        """Outputs of a batch."""
        return self.forward_latents(self.encode(batch), batch.present)

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Scalar training loss."""

    def predict(self, batch: Batch) -> dict[str, Any]:
        """Outputs for :meth:`Task.decode`; may differ from forward (suppression, generation)."""
        return {"logits": self.forward(batch)["logits"]}

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """One vector per row, [B, D]."""
