"""``pyramid``: the feature maps of a timm network. Heavy: imports torch and timm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from mm_core.api import Checkpoint, CheckpointError
from mm_core.api.nn import Backbone, BackboneContext, Features
from torch import Tensor, nn

from mm_boxes.configs import PyramidConfig

LEVELS = (2, 3, 4)
"""Of timm's: 1/8, 1/16 and 1/32 of the picture's side."""


class Pyramid(Backbone):
    """``spatial``: a list of [B, D, H, W], fine to coarse."""

    config: PyramidConfig

    def __init__(self, config: PyramidConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        ((self.input_name, _),) = context.inputs.items()
        fresh = {"model": config.random_model, "pretrained": False}
        if context.checkpoint is not None:
            fresh = {"model": context.checkpoint.details["architecture"], "pretrained": True}
        self._architecture = dict(context.architecture or fresh)
        self.pretrained = bool(self._architecture["pretrained"])
        self.model: Any = timm.create_model(
            self._architecture["model"], features_only=True, out_indices=LEVELS
        )
        if context.checkpoint is not None and context.architecture is None:
            _load(self.model, context.checkpoint)

    @property
    def architecture(self) -> dict[str, Any]:
        """The timm model, and whether its weights were trained elsewhere."""
        return self._architecture

    @property
    def dims(self) -> Mapping[str, Any]:
        """Width of each map."""
        return {"spatial": list(self.model.feature_info.channels())}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """``pixels`` float [B, 3, S, S]."""
        return Features(spatial=list(self.model(inputs[self.input_name]["pixels"])))


def _load(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Fill the network, which lacks the classifier, from the whole one."""
    details = checkpoint.details
    whole = timm.create_model(details["architecture"], **details["arguments"])
    try:
        if details["ordered"]:  # the entries have other names, and stand in timm's order
            stored = torch.load(details["weights"], map_location="cpu", weights_only=True)
            whole.load_state_dict(dict(zip(whole.state_dict(), stored.values(), strict=True)))
        else:
            timm.models.load_checkpoint(whole, details["weights"])
        source = whole.state_dict()
        model.load_state_dict({name: source[name] for name in model.state_dict()})
    except (KeyError, RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"the weights of {checkpoint.name!r} give no feature maps: {error}",
            plugin="boxes:pyramid",
            value=details["weights"],
            remedy="choose a convolutional network of timm's",
        ) from error
