"""``Clip``: a text tower and a picture tower into one space, in one backbone (arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mm_core.api import RecipeError
from mm_core.api.nn import Backbone, BackboneContext, Features
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

from mm_pairs.configs import ClipConfig


class Clip(Backbone):
    """Gives ``pooled`` [B, D], the mean direction of what is there; each input's own vector [B, D]
    is in ``extra``, by its name. Vectors of inputs that a row lacks are zeros.

    Reads a text (``input_ids``, ``attention_mask``) and a picture (``pixels`` [B, P, 3, H, W],
    ``image_mask`` bool [B, P]; of several pictures the mean).
    """

    config: ClipConfig

    def __init__(self, config: ClipConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.text, self.image = _inputs(context)
        self.clip = CLIPModel(
            _configured(config, context.inputs[self.text], context.inputs[self.image])
        )
        del self.clip.logit_scale  # the temperature is whose loss it is

    @property
    def dims(self) -> dict[str, int]:
        """Width of the common space."""
        return {"pooled": self.config.dim}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """One vector for each input, and both together."""
        vectors = {
            self.text: self._read_text(inputs[self.text]),
            self.image: self._read_image(inputs[self.image]),
        }
        found = torch.stack([functional.normalize(one, dim=1) for one in vectors.values()])
        return Features(pooled=found.sum(dim=0), extra=vectors)

    def stages(self) -> Sequence[nn.Module]:
        """Both towers step by step: embeddings, layers, projections."""
        text, image = self.clip.text_model, self.clip.vision_model
        layers = zip(text.encoder.layers, image.encoder.layers, strict=True)
        first = [text.embeddings, image.embeddings, image.pre_layrnorm]
        last = [text.final_layer_norm, image.post_layernorm]
        last += [self.clip.text_projection, self.clip.visual_projection]
        return [nn.ModuleList(one) for one in (first, *layers, last)]

    def _read_text(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Of the last token: its attention has seen the whole text. [B, D]"""
        mask = arrays["attention_mask"]
        length = mask.sum(dim=1)
        seen = mask.clone()
        seen[:, 0] = 1  # attention over nothing is NaN; such a row is left out below
        found = self.clip.text_model(input_ids=arrays["input_ids"], attention_mask=seen)
        rows = torch.arange(len(length), device=length.device)
        vectors = self.clip.text_projection(
            found.last_hidden_state[rows, (length - 1).clamp(min=0)]
        )
        return torch.where((length > 0)[:, None], vectors, 0.0)

    def _read_image(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """The mean of a row's pictures, [B, D]."""
        mask = arrays["image_mask"]
        pixels = arrays["pixels"][mask]
        if len(pixels) == 0:
            return arrays["pixels"].new_zeros(len(mask), self.config.dim)
        vectors: Tensor = self.clip.get_image_features(pixel_values=pixels).pooler_output
        total = vectors.new_zeros(len(mask), self.config.dim)
        total = total.index_add(0, mask.nonzero()[:, 0], vectors)
        return total / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _inputs(context: BackboneContext) -> tuple[str, str]:
    """The names of the text and of the picture.

    Raises:
        RecipeError: it is to read anything but one of each.
    """
    by_modality = {modality: name for name, modality in context.modalities.items()}
    if len(context.inputs) != 2 or set(by_modality) != {"text:text", "image:image"}:
        raise RecipeError(
            "it reads one text and one picture together",
            plugin="pairs:clip",
            value=dict(context.modalities),
            remedy="name the two inputs: backbones.<name>.inputs=[...]",
        )
    return by_modality["text:text"], by_modality["image:image"]


def _configured(
    config: ClipConfig, text: Mapping[str, Any], image: Mapping[str, Any]
) -> CLIPConfig:
    """A CLIP of these sizes, for this vocabulary and these pictures.

    Raises:
        RecipeError: the pictures are not cut into patches of that size.
    """
    height, width = image["image_size"]
    if height != width or height % config.patch:
        raise RecipeError(
            f"pictures of {height} x {width} pixels are not cut into patches of {config.patch}",
            plugin="pairs:clip",
            value=config.patch,
            remedy="set backbones.<name>.patch to a divisor, or another image_size",
        )
    tower = {
        "hidden_size": config.width,
        "intermediate_size": 4 * config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.width // 16,
        "projection_dim": config.dim,
    }
    ids = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), text["pad_id"])
    return CLIPConfig(
        text_config={
            **tower,
            **ids,
            "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["max_length"],
        },
        vision_config={**tower, "image_size": height, "patch_size": config.patch},
        projection_dim=config.dim,
    )
