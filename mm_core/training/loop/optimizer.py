"""AdamW and its parameter groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from mm_core.api.nn import Backbone, Topology
from mm_core.recipe.training import TrainingConfig

Group = dict[str, object]


def parameter_groups(
    topology: Topology, training: TrainingConfig, rates: Mapping[str, float | None]
) -> list[Group]:
    """AdamW groups: pretrained stages decay from the top, everything new gets the head's rate.

    That of a backbone itself is for what its checkpoint brought and for adapters: ``Backbone.new``
    of a pretrained one gets the head's whatever it is.

    Only the weights of layers are decayed: neither biases and norms, nor embeddings and other
    vectors that are learned, such as positions and a class token.

    Args:
        topology: the network.
        training: rates and decays.
        rates: backbone name -> its own learning rate, or None.
    """
    head = training.head_learning_rate
    by_rate: dict[float, list[tuple[bool, nn.Parameter]]] = {}
    seen: set[int] = set()
    for name, backbone in getattr(topology, "backbones", {}).items():
        assert isinstance(backbone, Backbone)
        if name in topology.shared:  # as its other name says
            continue
        own = rates.get(name)
        stages = _stage_rates(backbone, training, own)
        for rate, pairs in [
            *((head, _parameters(module)) for module in _new(backbone)),
            (own or head, _adapter_parameters(backbone)),
            *((rate, _parameters(stage)) for rate, stage in stages),
        ]:
            fresh = [pair for pair in pairs if id(pair[1]) not in seen]
            by_rate.setdefault(rate, []).extend(fresh)
            seen.update(id(parameter) for _, parameter in fresh)
    rest = [pair for pair in _parameters(topology) if id(pair[1]) not in seen]
    # The head's rate is the last, which is the one that is logged.
    by_rate[head] = by_rate.pop(head, []) + rest
    return [
        group
        for rate, pairs in by_rate.items()
        for group in _decayed_and_not(pairs, rate, training)
    ]


def _stage_rates(
    backbone: Backbone, training: TrainingConfig, own: float | None
) -> list[tuple[float, nn.Module]]:
    stages = list(backbone.stages())
    if not backbone.pretrained:
        return [(own or training.head_learning_rate, stage) for stage in stages]
    # A neck on top is no level of the pretrained network, whose last stage is not to decay for it.
    new = {id(p) for module in _new(backbone) for p in module.parameters()}
    levels = [{id(p) for p in stage.parameters()} for stage in stages]
    stages = [
        stage for stage, level in zip(stages, levels, strict=True) if not level or level - new
    ]
    top = own or training.learning_rate
    last = len(stages) - 1
    return [(top * training.layer_decay ** (last - i), stage) for i, stage in enumerate(stages)]


def _new(backbone: Backbone) -> tuple[nn.Module, ...]:
    return backbone.new if backbone.pretrained else ()  # else all of it is new, its rate its own


def _adapter_parameters(backbone: Backbone) -> Iterable[tuple[bool, nn.Parameter]]:
    """(decayed?, parameter) of the adapter's own; vectors, such as IA3's of [1, D], are not."""
    own = frozenset() if backbone.adapter is None else backbone.adapter.own_weights(backbone)
    for name, parameter in backbone.named_parameters():
        if name in own and parameter.requires_grad:
            yield parameter.squeeze().ndim > 1, parameter


def _parameters(module: nn.Module) -> Iterable[tuple[bool, nn.Parameter]]:
    """(decayed?, parameter) of a module, each once."""
    for part in module.modules():
        embedding = isinstance(part, (nn.Embedding, nn.EmbeddingBag))
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.requires_grad:
                yield parameter.ndim > 1 and "weight" in name and not embedding, parameter


def _decayed_and_not(
    pairs: Iterable[tuple[bool, nn.Parameter]], rate: float, training: TrainingConfig
) -> list[Group]:
    pairs = list({id(parameter): (decayed, parameter) for decayed, parameter in pairs}.values())
    split: list[tuple[float, list[torch.Tensor]]] = [
        (training.weight_decay, [p for decayed, p in pairs if decayed]),
        (0.0, [p for decayed, p in pairs if not decayed]),
    ]
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for decay, parameters in split
        if parameters
    ]
