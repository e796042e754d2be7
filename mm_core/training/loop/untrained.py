"""What an adapter was to train and no step has reached."""

from __future__ import annotations

import warnings
from typing import cast

from torch.optim import Optimizer

from mm_core.api.errors import MMWarning
from mm_core.api.nn import Backbone, Topology

_SHOWN = 3


def warn_of_untrained(topology: Topology, optimizer: Optimizer) -> None:
    """Warn of adapters' weights that had no gradient in any step: their layers are never called.

    Some networks compute with the weights of a layer instead of calling it, and have layers that
    nothing uses; what an adapter adds to such a layer does nothing.
    """
    if not optimizer.state:
        return
    for name, module in getattr(topology, "backbones", {}).items():
        backbone = cast("Backbone", module)
        if backbone.adapter is None or name in topology.shared:
            continue
        own = backbone.adapter.own_weights(backbone)
        wanted = {
            weight: parameter
            for weight, parameter in backbone.named_parameters()
            if weight in own and parameter.requires_grad
        }
        idle = [weight for weight, parameter in wanted.items() if parameter not in optimizer.state]
        if idle:
            more = ", ..." if len(idle) > _SHOWN else ""
            warnings.warn(
                f"backbones.{name}.adapter: {len(idle)} of its {len(wanted)} weights had no "
                f"gradient and learned nothing, as {type(backbone).__name__} does not call their "
                f"layers: {', '.join(idle[:_SHOWN])}{more}. Name others in its targets, or choose "
                "another adapter",
                MMWarning,
                stacklevel=2,
            )
