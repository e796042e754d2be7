"""Any timm model as a backbone. Heavy: imports torch and timm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mm_core.api import Checkpoint, PluginError
from mm_core.api.nn import Backbone, BackboneContext, Features, told_true
from mm_image.configs import TimmImageConfig
from mm_image.sizes import model_of_size
from mm_image.stages import split_stages
from mm_image.weights import PLUGIN, create_model, fixed_size, load_weights, own_size


class TimmImage(Backbone):
    """Features of the images of a row: several images, one vector.

    The network runs on the images that are there. ``pooled`` [B, D] is the mean over a row's
    images, zero where it has none. ``tokens`` [B, n_images * T, D'] are the cells of the network's
    last feature map (for a transformer, its tokens), masked by image; D' may differ from D.
    """

    config: TimmImageConfig

    def __init__(self, config: TimmImageConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        ((self.input_name, info),) = context.inputs.items()
        saved = context.architecture or _chosen(config, context.checkpoint, info["image_size"])
        self.name: str = saved["model"]
        self.arguments: dict[str, Any] = dict(saved["arguments"])
        self.pretrained = bool(saved["pretrained"])
        self.model: Any = (
            create_model(self.name, self.arguments)
            if context.architecture is not None  # a saved model has read images of its size
            else model_of_size(
                self.name,
                self.arguments,
                info["image_size"],
                _own_size(config, context.checkpoint),
                f"inputs.{self.input_name}.processor.image_size",
            )
        )
        if context.checkpoint is not None and context.architecture is None:
            load_weights(self.model, context.checkpoint, self.arguments)

    @property
    def architecture(self) -> dict[str, Any]:
        """The timm model, its arguments, and whether its weights were trained elsewhere."""
        return {"model": self.name, "arguments": self.arguments, "pretrained": self.pretrained}

    @property
    def dims(self) -> Mapping[str, int]:
        """Widths of ``pooled`` and ``tokens``; they differ where the head widens the features."""
        tokens = int(self.model.num_features)
        return {"pooled": int(getattr(self.model, "head_hidden_size", tokens)), "tokens": tokens}

    def stages(self) -> Sequence[nn.Module]:
        """As timm groups the model's layers, finely: one stage for each block."""
        return split_stages(self.model)

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """``pixels`` float [B, n, 3, H, W], ``image_mask`` bool [B, n]."""
        arrays = inputs[self.input_name]
        mask = arrays["image_mask"]
        pixels = arrays["pixels"].flatten(0, 1)
        present = mask.flatten()
        if told_true(mask):  # without a look at the GPU, which would have to finish first
            tokens, pooled = self._features(pixels)
        elif torch.compiler.is_exporting():  # of fixed shape: absent images are computed too
            tokens, pooled = self._features(pixels)
            tokens = torch.where(present[:, None, None], tokens, 0.0)
            pooled = torch.where(present[:, None], pooled, 0.0)
        else:
            tokens, pooled = self._features_of_present(pixels, present)
        rows, images = mask.shape
        count = mask.sum(dim=1, keepdim=True).clamp(min=1)
        return Features(
            pooled=pooled.reshape(rows, images, -1).sum(dim=1) / count,
            tokens=tokens.reshape(rows, images * tokens.shape[1], -1),
            mask=mask.repeat_interleave(tokens.shape[1], dim=1),
        )

    def _features_of_present(self, pixels: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and pooled of all images, zero for those that are absent."""
        index = present.nonzero().squeeze(1)
        if len(index) == len(pixels):
            return self._features(pixels)
        # Without any image, one of zeros gives the shapes and keeps the graph whole (DDP needs it).
        images = pixels[index] if len(index) else torch.zeros_like(pixels[:1])
        tokens, pooled = self._features(images)
        return _scatter(tokens, index, len(pixels)), _scatter(pooled, index, len(pixels))

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [N, T, D'] and pooled [N, D] of ``images`` [N, 3, H, W]."""
        # Convolutions, on CPU and GPU alike, are faster on channels that lie side by side.
        images = images.contiguous(memory_format=torch.channels_last)
        with _batch_norm_of_one(self.model, images.shape[0]):
            features = self.model.forward_features(images)
            pooled: Tensor = self.model.forward_head(features, pre_logits=True)
        if not isinstance(features, Tensor) or features.ndim not in (3, 4):
            raise PluginError(
                f"{self.name} gives no feature map",
                plugin=PLUGIN,
                value=self.name,
                remedy="choose another checkpoint",
            )
        if features.ndim == 3:
            return features, pooled
        if str(getattr(self.model, "output_fmt", "NCHW")) == "NHWC":
            return features.flatten(1, 2), pooled
        return features.flatten(2).transpose(1, 2), pooled


def _scatter(values: Tensor, index: Tensor, size: int) -> Tensor:
    """[size, ...] with ``values`` at ``index`` and zeros elsewhere."""
    empty = values.new_zeros((size, *values.shape[1:]))
    if len(index) == 0:
        return empty + 0.0 * values.sum()  # zeros that still depend on the network
    return empty.index_copy(0, index, values)


@contextmanager
def _batch_norm_of_one(model: nn.Module, images: int) -> Iterator[None]:
    """A single training image has no batch statistics: use the running ones, and leave them."""
    if not model.training or images > 1:
        yield
        return
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


def _own_size(config: TimmImageConfig, checkpoint: Checkpoint | None) -> list[int]:
    """[height, width] that the network was made for."""
    if checkpoint is None:
        return own_size(config.random_model)
    return list(checkpoint.details["data_config"]["input_size"][1:])


def _chosen(
    config: TimmImageConfig, checkpoint: Checkpoint | None, size: Sequence[int]
) -> dict[str, Any]:
    """The ``architecture`` to train; ``size`` is [height, width] of the images."""
    if checkpoint is None:
        name, arguments = config.random_model, {}
        sized = fixed_size(name)
    else:
        name = checkpoint.details["architecture"]
        arguments = dict(checkpoint.details.get("arguments") or {})
        fixed = bool(checkpoint.details["pretrained_cfg"].get("fixed_input_size"))
        sized = fixed or "img_size" in arguments
    if sized:  # the model is built for one size
        arguments["img_size"] = list(size)
    return {"model": name, "arguments": arguments, "pretrained": checkpoint is not None}
