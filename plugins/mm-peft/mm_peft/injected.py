"""What LoRA, DoRA and IA3 share: layers of the package ``peft`` in the place of the backbone's."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping

from peft import PeftConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from mm_core.api.nn import Adapter, Backbone
from mm_peft.configs import TargetsConfig
from mm_peft.statistics import keep_statistics
from mm_peft.targets import find_targets, weights_of

_HOLDER = "backbone"


class Injected(Adapter):
    """Layers are wrapped where they stand; all weights but the new ones are frozen.

    Dropout of the backbone stays active in training, running statistics do not run.
    """

    config: TargetsConfig
    id: str

    @abstractmethod
    def peft_config(self, targets: list[str]) -> PeftConfig:
        """What peft is to do with the layers of these names."""

    def apply(self, backbone: Backbone) -> None:
        """Wrap the target layers.

        Raises:
            ConfigError: no layer matches ``targets``.
        """
        targets = find_targets(backbone, self.config.targets, self.id)
        backbone.requires_grad_(False)
        keep_statistics(backbone)
        # In a module of its own: peft reads attributes such as ``config`` of the outermost one.
        holder = nn.Module()
        holder.add_module(_HOLDER, backbone)
        config = self.peft_config([f"{_HOLDER}.{name}" for name in targets])
        with warnings.catch_warnings():
            # It says that it adapts itself to transformers' Conv1D.
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set", module="peft")
            inject_adapter_in_model(config, holder)
        adapted = {weights_of(layer.get_base_layer()): layer for _, layer in _wrapped(backbone)}
        weights = {id(one): weights_of(one) for one in backbone.modules()}
        _put(backbone, {place: adapted[w] for place, w in weights.items() if w in adapted})

    def own_weights(self, backbone: Backbone) -> frozenset[str]:
        """All that the wrapped layers hold beside their base layers."""
        prefixes = tuple(f"{path}." for path, _ in _wrapped(backbone))
        return frozenset(
            name
            for name in backbone.state_dict()
            if name.startswith(prefixes) and ".base_layer." not in name
        )

    def merge(self, backbone: Backbone) -> None:
        """Fold the new weights in and put the base layers back."""
        layers = {id(layer): layer for _, layer in _wrapped(backbone)}
        for layer in layers.values():
            layer.merge(safe_merge=True)
        _put(backbone, {place: layer.get_base_layer() for place, layer in layers.items()})


def _put(backbone: Backbone, instead: Mapping[int, nn.Module]) -> None:
    """Modules in the place of others, by ``id``, wherever a module of the backbone keeps those.

    Some call a layer of a plain list that they keep beside the registered one, register a layer
    twice, or a copy of it that has its weights; peft replaces it in one place.
    """
    for module in list(backbone.modules()):
        if isinstance(module, BaseTunerLayer):
            continue  # it keeps its base layer
        for kept in (vars(module), *vars(module).values()):
            if isinstance(kept, dict):
                places = list(kept.items())
            elif isinstance(kept, list):
                places = list(enumerate(kept))
            else:
                continue
            for place, one in places:
                if id(one) in instead:
                    kept[place] = instead[id(one)]


def _wrapped(backbone: Backbone) -> list[tuple[str, BaseTunerLayer]]:
    """(path, layer) of each layer that was wrapped; of one with two paths both."""
    return list(_find(backbone, ""))


def _find(parent: nn.Module, prefix: str) -> Iterator[tuple[str, BaseTunerLayer]]:
    for name, child in parent._modules.items():
        if isinstance(child, BaseTunerLayer):
            yield prefix + name, child
        elif child is not None:
            yield from _find(child, f"{prefix}{name}.")
