"""The contracts that need torch; imported by heavy modules only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api.batch import Batch
from mm_core.api.checkpoints import Checkpoint
from mm_core.api.config import Config, suggest
from mm_core.api.errors import ConfigError
from mm_core.api.features import (
    Dims,
    Features,
    Latents,
    features_of,
    latents_of,
    run_present,
    told_true,
)
from mm_core.api.processors import State
from mm_core.api.tasks import Task

__all__ = [
    "Adapter",
    "Backbone",
    "BackboneContext",
    "Batch",
    "Dims",
    "Features",
    "Fused",
    "FusionHead",
    "Latents",
    "Outputs",
    "Parts",
    "Topology",
    "features_of",
    "latents_of",
    "tensors",
    "told_true",
]


def tensors(batch: Batch) -> Batch:
    """The batch with a tensor in the place of each numpy array, in lists and dicts too.

    Memory is shared where it can be. Arrays of strings or objects, and what is no array, stay.
    """
    ids = batch.row_ids
    return replace(batch.map(_tensor), row_ids=None if ids is None else _tensor(ids))


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        return value
    # torch warns of memory that must not be written, as that of a parquet file or of broadcasting.
    return torch.from_numpy(value if value.flags.writeable else value.copy())


@dataclass
class Fused:
    """What a fusion head gives; ``pooled`` or ``logits`` is set.

    Attributes:
        pooled: [B, head.dim], to be mapped to outputs by the topology.
        logits: [B, output_dim], final.
        per_input: name -> logits [B, output_dim] of one input alone (auxiliary heads).
        aux_losses: name -> scalar, added to the loss as they are.
        gates: name -> [B], share of each input in the answer, where the head knows it.
        kept: name -> tensor, what :meth:`FusionHead.loss` needs of this pass.
    """

    pooled: Tensor | None = None
    logits: Tensor | None = None
    per_input: dict[str, Tensor] = field(default_factory=dict)
    aux_losses: dict[str, Tensor] = field(default_factory=dict)
    gates: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)


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
        architecture: what :attr:`Backbone.architecture` gave when the model was saved; None at fit,
            and where weights come from the checkpoint again.
        saved: the same, also where weights come from the checkpoint again (the model was saved
            without them); None at fit. For a backbone whose settings name more than weights: a
            config that may have changed since, or would run code.
        modalities: input name -> id of its modality, for a backbone that reads several.
    """

    inputs: Mapping[str, Mapping[str, Any]]
    task: Mapping[str, Any]
    checkpoint: Checkpoint | None = None
    architecture: Mapping[str, Any] | None = None
    modalities: Mapping[str, str] = field(default_factory=dict)
    saved: Mapping[str, Any] | None = None


class Backbone(nn.Module, ABC):
    """Turns one or more inputs into features.

    ``pretrained`` is True when the weights were trained elsewhere: such a backbone gets
    ``training.learning_rate``, any other ``training.head_learning_rate``.

    Attributes:
        adapter: what was applied to it; set by the core.
        new: modules of a pretrained backbone that its checkpoint has no weights for, such as a neck
            or a projection: they get ``training.head_learning_rate``, and are trained whatever an
            adapter freezes. Modules of its own: say so beside registering them.
        still: modules that stay as at prediction while the rest trains (no dropout, running
            statistics that do not run); set by adapters. The backbone itself may be one.
    """

    pretrained: bool = False
    adapter: Adapter | None = None
    new: tuple[nn.Module, ...] = ()
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
    def dims(self) -> Dims:
        """Width of each feature named in ``BackboneSpec.provides``; of a list of feature maps
        (``spatial``) their widths, fine to coarse."""

    @abstractmethod
    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """Features of a batch; ``inputs`` maps input names to arrays."""

    def stages(self) -> Sequence[nn.Module]:
        """Modules from input to output that together hold every parameter once."""
        return [self]

    def train(self, mode: bool = True) -> Self:
        """As in torch, but for what is to be ``still``; what is ``new`` trains even inside that."""
        super().train(mode)
        if mode:
            for module in self.still:
                module.train(False)
            for module in self.new:
                module.train(True)
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

    def __init__(self, config: Any, inputs: Mapping[str, Dims], output_dim: int) -> None:
        super().__init__()
        self.config = config
        self.inputs = dict(inputs)
        self.output_dim = output_dim

    @abstractmethod
    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        """``present[name]`` is bool [B]."""

    def loss(self, outputs: Outputs, batch: Batch, of: Callable[[Batch], Tensor]) -> Tensor:
        """Scalar training loss, for a head that looks at targets, or blends them.

        Unless overridden: ``of(batch)``. A head around another one asks that one's ``loss``.

        Args:
            outputs: what the topology made of :class:`Fused`: ``"logits"`` [B, output_dim],
                ``"per_input"``, ``"aux_losses"``, ``"gates"``, ``"kept"``.
            batch: with ``targets``, ``weight`` ([B] or None) and ``present``, by input.
            of: the topology's own loss of these outputs, by the targets and weights of a batch:
                the task's, those of ``per_input``, and ``aux_losses``.
        """
        return of(batch)


@dataclass(frozen=True)
class Parts:
    """What a topology is built from.

    Attributes:
        backbones: by name.
        backbone_inputs: backbone name -> names of the inputs it reads.
        task: losses and output width.
        fusion: None where a single backbone bypasses it.
        config: the topology's own, a ``TaskSpec.topology_config``.
        roles: role of the task -> names of the inputs that play it.
        infos: input name -> its processor's ``info``.
        shared: backbone name -> the other name of the same module (``share_with``): it was built
            for the inputs of that one, and reads its own in their place.
    """

    backbones: Mapping[str, Backbone]
    backbone_inputs: Mapping[str, tuple[str, ...]]
    task: Task
    fusion: FusionHead | None = None
    config: Config = field(default_factory=Config)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    infos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)


class Topology(nn.Module, ABC):
    """How backbones, fusion and task are put together.

    Attributes:
        backbones: by name.
        backbone_inputs: backbone name -> names of the inputs it reads.
        fusion: the fusion head, or None.
        task: losses and output width.
        config: its own.
        roles: role of the task -> names of the inputs that play it.
        infos: input name -> its processor's ``info``.
        shared: backbone name -> the other name of the same module, whose inputs it was built for.
        things: names of those :meth:`arrays` [B, n, ...] that say of n things in no order, the same
            one at the same place: in a graph two that are as good may change places.
    """

    things: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(dict(parts.backbones))
        self.backbone_inputs = dict(parts.backbone_inputs)
        self.fusion = parts.fusion
        self.task = parts.task
        self.config = parts.config
        self.roles = dict(parts.roles)
        self.infos = dict(parts.infos)
        self.shared = dict(parts.shared)

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

        Zeros stand in the others: nothing in an absent slot reaches an output or a gradient. A
        shared backbone runs under each of its names, its inputs called as it knows them.
        """
        found = {}
        for name, backbone in self.backbones.items():
            own = self.backbone_inputs[name]
            known = self.backbone_inputs[self.shared.get(name, name)]
            inputs = {as_: batch.inputs[one] for as_, one in zip(known, own, strict=True)}
            present = {as_: batch.present[one] for as_, one in zip(known, own, strict=True)}
            found[name] = run_present(cast("Backbone", backbone), inputs, present)
        return found

    def encode(self, batch: Batch) -> Latents:
        """Latents of a batch: everything up to the cut where caching happens.

        Unless overridden: all tensors that the backbones give, see :func:`latents_of`.
        """
        return latents_of(self.run_backbones(batch))

    @abstractmethod
    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """Outputs from latents; ``present`` as in :class:`Batch`."""

    def forward(self, batch: Batch) -> Outputs:
        """Outputs of a batch."""
        return self.forward_latents(self.encode(batch), batch.present)

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Scalar training loss; targets are tensors, or lists of B tensors for ragged rows."""

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """Outputs for :meth:`Task.decode`; may differ from forward (suppression, generation).

        Unless overridden: ``logits``, and of outputs that have ``gates`` each as
        ``"gates.<backbone>"`` [B], which become ``Decoded.contributions``.

        Args:
            batch: without targets.
            options: of the task (``TaskSpec.options``), validated; None: its defaults.
        """
        outputs = self.forward(batch)
        gates = outputs.get("gates", {})
        shares = {f"gates.{name}": share for name, share in gates.items()}
        return {"logits": outputs["logits"], **shares}

    def arrays(self, batch: Batch, options: Any = None) -> dict[str, Tensor]:
        """What an exporter writes as a graph: tensors [B, ...] by name, which ``torch.export`` can
        follow.

        A graph gives no lists of rows of unequal length, and no steps that depend on what was
        found. Where :meth:`predict` does, this ends before them, and :meth:`Task.postprocess` makes
        of these arrays what predict gives. Options that are read here are fixed in the graph.
        Unless overridden: what :meth:`predict` gives.

        Args:
            batch: as of :meth:`predict`.
            options: as of :meth:`predict`.
        """
        return self.predict(batch, options)

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Names of the vectors that :meth:`embed` gives, the usual one first."""
        return ("fused",)

    @abstractmethod
    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """One vector per row, [B, D].

        Args:
            batch: without targets.
            of: one of :attr:`embeddings`.

        Raises:
            ConfigError: it is none of them; see :meth:`check_embedding`.
        """

    def check_embedding(self, of: str) -> None:
        """Refuse a vector that :meth:`embed` does not give.

        Raises:
            ConfigError: says which there are.
        """
        if of not in self.embeddings:
            near = suggest(of, list(self.embeddings))
            listed = f"embeddings: {', '.join(self.embeddings)}"
            raise ConfigError(
                f"there is no embedding {of!r}",
                value=of,
                remedy=listed if near is None else f"did you mean {near!r}? {listed}",
            )

    def state(self) -> State:
        """What :meth:`load_state` needs: all it learned that stands in no parameter or buffer.

        Unless overridden: nothing.
        """
        return State()

    def load_state(self, state: State) -> None:
        """Take back what :meth:`state` gave; parameters and buffers are loaded by the core."""
