"""Gated multimodal unit (Arevalo et al. 2017, arXiv 1702.01992), for any number of inputs.

``h = sum_k z_k * tanh(W_k x_k)`` with gates ``z_k = sigmoid(Z_k [x_1, ..., x_K])``: each number of
the vector has its own mix of inputs, and every gate is read from all of them.
"""

import torch
from pydantic import Field as Setting
from torch import nn
from torch.nn import functional

from mm_core.api import Config, FusionHeadSpec, PluginInfo, hookimpl
from mm_core.api.nn import Fused, FusionHead


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Gated multimodal unit: gates weigh the inputs of a row.")


@hookimpl
def mm_fusion_heads():
    return [
        FusionHeadSpec(
            name="gmu",
            summary="Gated multimodal unit: each number of the vector has its own mix of inputs.",
            references=("arxiv:1702.01992",),
            target="gmu:GMU",
            config="gmu:GMUConfig",
        )
    ]


class GMUConfig(Config):
    dim: int = Setting(default=128, ge=1, description="width of the vector and of its gates")


class GMU(FusionHead):
    """An absent input has gate 0, and is to the other gates what its LayerNorm makes of zeros."""

    def __init__(self, config, inputs, output_dim):
        super().__init__(config, inputs, output_dim)
        self.dim = config.dim
        widths = {name: inputs[name]["pooled"] for name in sorted(inputs)}
        self.norm = nn.ModuleDict({name: nn.LayerNorm(width) for name, width in widths.items()})
        self.value = nn.ModuleDict({name: nn.Linear(w, config.dim) for name, w in widths.items()})
        self.gate = nn.Linear(sum(widths.values()), len(widths) * config.dim)

    def forward(self, features, present):
        there = torch.stack([present[name] for name in self.norm], dim=1)[:, :, None]  # [B, K, 1]
        known = {
            name: norm(torch.where(present[name][:, None], features[name].pooled, 0.0))
            for name, norm in self.norm.items()
        }
        values = torch.stack([self.value[name](known[name]).tanh() for name in known], dim=1)
        gates = self.gate(torch.cat(list(known.values()), dim=1)).sigmoid()
        gates = gates.unflatten(1, (len(known), self.dim)) * there  # [B, K, dim]
        shares = functional.normalize(gates.float().mean(dim=2), p=1, dim=1)
        return Fused(
            (gates * values).sum(dim=1), gates=dict(zip(known, shares.unbind(1), strict=True))
        )
