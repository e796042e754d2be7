"""What LoRA, DoRA and IA3 share: layers of the package ``peft`` in the place of the backbone's."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator

from peft import PeftConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from mm_core.api.nn import Adapter, Backbone
from mm_peft.configs import TargetsConfig
from mm_peft.statistics import keep_statistics
from mm_peft.targets import find_targets

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

    def own_weights(self, backbone: Backbone) -> frozenset[str]:
        """All that the wrapped layers hold beside their base layers."""
        prefixes = tuple(f"{path}." for path, _, _ in _wrapped(backbone))
        return frozenset(
            name
            for name in backbone.state_dict()
            if name.startswith(prefixes) and ".base_layer." not in name
        )

    def merge(self, backbone: Backbone) -> None:
        """Fold the new weights in and put the base layers back."""
        for path, parent, layer in _wrapped(backbone):
            layer.merge(safe_merge=True)
            setattr(parent, path.rpartition(".")[2], layer.get_base_layer())


def _wrapped(backbone: Backbone) -> list[tuple[str, nn.Module, BaseTunerLayer]]:
    """(path, parent, layer) of each layer that was wrapped."""
    return list(_find(backbone, ""))


def _find(parent: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module, BaseTunerLayer]]:
    for name, child in parent.named_children():
        if isinstance(child, BaseTunerLayer):
            yield prefix + name, parent, child
        else:
            yield from _find(child, f"{prefix}{name}.")
