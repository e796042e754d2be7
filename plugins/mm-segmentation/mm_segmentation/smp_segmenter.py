"""``timm``: segmentation-models-pytorch's decoders on any timm network. Heavy: torch, timm, smp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from mm_image.api import maps_alone, timm_weights
from torch import nn

from mm_core.api import Checkpoint, CheckpointError
from mm_core.api.nn import BackboneContext, Features
from mm_segmentation.configs import SmpConfig
from mm_segmentation.segmenter import Segmenter, means

PLUGIN = "segmentation:timm"

_FAILS = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What timm and smp raise where an architecture gives no maps, or a decoder takes no argument."""


class SmpSegmenter(Segmenter):
    """A timm network, and a decoder of segmentation-models-pytorch on its maps."""

    config: SmpConfig

    def __init__(self, config: SmpConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        fresh: dict[str, Any] = {"model": config.random_model, "arguments": {}, "pretrained": False}
        if context.checkpoint is not None:
            details = context.checkpoint.details
            fresh = {
                "model": details["architecture"],
                "arguments": dict(details.get("arguments") or {}),
                "pretrained": True,
            }
        self._architecture = dict(context.architecture or fresh)
        self.pretrained = bool(self._architecture["pretrained"])
        name, arguments = self._architecture["model"], _arguments(self._architecture, self.canvas)
        model = self._built(name, arguments)
        self.encoder, self.decoder = model.encoder, model.decoder
        self.head = model.segmentation_head
        if context.architecture is None and context.checkpoint is not None:
            _load(self.encoder, name, arguments, context.checkpoint)
        self.new = (self.decoder, self.head) if self.pretrained else ()

    @property
    def architecture(self) -> dict[str, Any]:
        """The timm model, and whether its weights were trained elsewhere."""
        return self._architecture

    def stages(self) -> Sequence[nn.Module]:
        """The network, the decoder, what gives the classes."""
        return [self.encoder, self.decoder, self.head]

    def look(self, arrays: Mapping[str, Any]) -> Features:
        """Logits at the canvas's size, or at a part of it, as the decoder gives them."""
        pixels = arrays["pixels"].contiguous(memory_format=torch.channels_last)
        maps = self.encoder(pixels)
        masks = self.head(self.decoder(maps))
        return Features(extra={"masks": masks, "embedding": means(maps[-1])})

    def _built(self, name: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return smp.create_model(
                self.config.decoder,
                encoder_name=f"tu-{name}",
                encoder_weights=None,
                classes=self.n_outputs,
                **self.config.decoder_settings,
                **arguments,
            )
        except _FAILS as error:
            raise CheckpointError(
                f"{self.config.decoder} cannot be built on {name}: {error}",
                plugin=PLUGIN,
                value=name,
                remedy="choose another checkpoint, such as a convolutional network, another "
                "decoder, or other decoder_settings",
            ) from error


def _arguments(architecture: Mapping[str, Any], canvas: tuple[int, int]) -> dict[str, Any]:
    """Of the network's constructor, with the canvas where it is built for one size.

    Raises:
        CheckpointError: timm has no such network.
    """
    name, arguments = architecture["model"], dict(architecture["arguments"])
    if not timm.is_model(name):
        raise CheckpointError(
            f"timm has no architecture {name!r}",
            plugin=PLUGIN,
            value=name,
            remedy="timm.list_models('*...*') lists those of the installed timm",
        )
    registered = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    if registered is not None and registered.fixed_input_size:
        arguments["img_size"] = canvas
    return arguments


def _load(encoder: Any, name: str, arguments: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Fill the network, strictly but for its own classifier, which has no place in it.

    Raises:
        CheckpointError: the weights do not fit.
    """
    weights = timm_weights(checkpoint, checkpoint.details.get("arguments") or {})
    try:
        with maps_alone():
            filled = timm.create_model(
                name,
                features_only=True,
                out_indices=tuple(encoder.model.feature_info.out_indices),
                pretrained=True,
                pretrained_cfg=dict(checkpoint.details["pretrained_cfg"]),
                pretrained_cfg_overlay={"state_dict": weights, "file": None, "source": None},
                **arguments,
            )
        encoder.model.load_state_dict(filled.state_dict())
    except _FAILS as error:
        raise CheckpointError(
            f"the weights of {checkpoint.name!r} do not fit {name}: {error}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="choose another checkpoint",
        ) from error
