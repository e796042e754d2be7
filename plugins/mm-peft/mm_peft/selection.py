"""Adapters that train a few weights of the backbone's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from torch import nn

from mm_core.api import ConfigError
from mm_core.api.nn import Adapter, Backbone
from mm_peft.statistics import keep_statistics


class _Selection(Adapter):
    """Parameters chosen by what they are; everything else is frozen."""

    what: str
    id: str

    def apply(self, backbone: Backbone) -> None:
        """Freeze all but the chosen parameters.

        Raises:
            ConfigError: the backbone has none.
        """
        chosen = self.own_weights(backbone)
        if not chosen:
            raise ConfigError(
                f"the backbone has no {self.what}: nothing of it would be trained",
                plugin=self.id,
                value=type(backbone).__name__,
                remedy="choose another adapter, such as peft:lora",
            )
        for name, parameter in backbone.named_parameters():
            parameter.requires_grad_(name in chosen)
        keep_statistics(backbone)

    def own_weights(self, backbone: Backbone) -> frozenset[str]:
        """The chosen parameters: they are trained as if new."""
        return frozenset(self.choose(backbone))

    @abstractmethod
    def choose(self, backbone: Backbone) -> Iterator[str]:
        """Names of the parameters to train."""


class BitFit(_Selection):
    """Biases, and nothing else."""

    what = "bias"
    id = "peft:bitfit"

    def choose(self, backbone: Backbone) -> Iterator[str]:
        """By name: ``bias`` of any layer, ``q_bias``, ``in_proj_bias``, ..."""
        for name, _ in backbone.named_parameters():
            last = name.rpartition(".")[2]
            if last == "bias" or last.endswith("_bias"):
                yield name


class NormTuning(_Selection):
    """Normalisation layers, whatever they are called; their running statistics run."""

    what = "normalisation layer with weights"
    id = "peft:norm_tuning"

    def choose(self, backbone: Backbone) -> Iterator[str]:
        """Weights of modules that are named norms and hold vectors only."""
        for path, module in backbone.named_modules():
            if _is_norm(module):
                yield from (f"{path}.{name}" for name, _ in _own_parameters(module))


def _is_norm(module: nn.Module) -> bool:
    """LayerNorm, BatchNorm2d, RMSNorm, T5LayerNorm, ...: many libraries write their own."""
    named = "norm" in type(module).__name__.lower()
    return named and all(parameter.squeeze().ndim <= 1 for _, parameter in _own_parameters(module))


def _own_parameters(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return list(module.named_parameters(recurse=False))
