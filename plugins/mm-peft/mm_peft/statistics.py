"""Running statistics of normalisation layers that are not trained."""

from __future__ import annotations

from torch import nn

from mm_core.api.nn import Backbone


def keep_statistics(backbone: Backbone) -> None:
    """Layers with running statistics stay as at prediction, unless their scale is trained.

    Otherwise every training batch would change a frozen BatchNorm.
    """
    norms = [
        module
        for module in backbone.modules()
        if getattr(module, "running_mean", None) is not None and not _trained(module)
    ]
    backbone.still = (*backbone.still, *norms)


def _trained(norm: nn.Module) -> bool:
    weight = getattr(norm, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.requires_grad
