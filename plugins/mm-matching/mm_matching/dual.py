"""``Dual``: pictures and texts in one space, by any CLIP or SigLIP of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mm_text.api import new_model, read_model, rebuild_model, saved_config
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, RecipeError
from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_matching.configs import DualConfig
from mm_matching.formats import KINDS
from mm_matching.words import read_words

PLUGIN = "matching:dual"
_SIDES = {"text:text": ("text",), "image:image": ("vision", "visual")}
"""Modality -> how the names of its parts of the network begin."""

_PADDED = ("siglip",)
"""Kinds that were trained on texts padded to their full length, and attend to the padding."""


class Dual(Backbone):
    """Gives ``pooled`` [B, D], the mean direction of what is there; each input's own vector [B, D]
    is in ``extra``, by its name. Vectors of inputs that a row lacks are zeros.

    Reads a text (``input_ids``, ``attention_mask``), a picture (``pixels`` [B, P, 3, H, W],
    ``image_mask`` bool [B, P]; of several pictures the mean), or both. A tower that nothing reads
    is no part of the model, but lends its words (:meth:`text_vectors`) while it is built.
    """

    config: DualConfig
    templates = ("a photo of a {}",)

    def __init__(self, config: DualConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self.inputs = _inputs(context)
        self._folder: Path | None = None
        if context.checkpoint is not None:
            self._folder = Path(context.checkpoint.location)
            model = _load(self._folder, context.checkpoint)
        elif context.architecture is not None:
            model = _rebuild(context.architecture["model"])
        else:
            model = _tiny(config, context)
        self.pretrained = context.checkpoint is not None
        known = context.architecture or {}
        self.logit_scale = float(known.get("scale", model.logit_scale.detach().exp()))
        self._model_config: Any = model.config
        begins = tuple(begin for kind in set(self.inputs.values()) for begin in _SIDES[kind])
        parts = dict(model.named_children())
        self.towers = nn.ModuleDict(
            {name: part for name, part in parts.items() if name.startswith(begins)}
        )
        # A tower that is not read is neither trained, moved nor saved.
        self._words = partial(_with, parts)

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own config, and what its cosines are multiplied by."""
        return {"model": saved_config(self._model_config), "scale": self.logit_scale}

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of the common space."""
        config = self._model_config
        if config.model_type in _PADDED:
            return {"pooled": int(config.vision_config.hidden_size)}
        return {"pooled": int(config.projection_dim)}

    @property
    def reads_words(self) -> bool:
        """Whether it was built from a checkpoint, whose tokenizer it has."""
        return self._folder is not None

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """One vector for each input, and all together."""
        vectors = {
            name: self._text(inputs[name]) if kind == "text:text" else self._pictures(inputs[name])
            for name, kind in self.inputs.items()
        }
        if len(vectors) == 1:
            return Features(pooled=next(iter(vectors.values())), extra=vectors)
        found = torch.stack([functional.normalize(one, dim=1) for one in vectors.values()])
        return Features(pooled=found.sum(dim=0), extra=vectors)

    def stages(self) -> Sequence[nn.Module]:
        """Each tower's embeddings and layers step by step, then the rest."""
        parts = [one for one in self.towers.values() if hasattr(one, "encoder")]
        layers = [list(one.encoder.layers) for one in parts]
        deepest = max((len(one) for one in layers), default=0)
        taken = {id(layer) for one in layers for layer in one}
        stages = [nn.ModuleList([one.embeddings for one in parts])]
        for depth in range(deepest):
            # Towers end together: a shallow one's last layer goes with a deep one's.
            places = [(one, depth - deepest + len(one)) for one in layers]
            stages.append(nn.ModuleList([one[place] for one, place in places if place >= 0]))
        taken |= {id(one.embeddings) for one in parts}
        rest = [
            child
            for part in self.towers.values()
            for child in (part.children() if part in parts else [part])
            if id(child) not in taken and not hasattr(child, "layers")
        ]
        return [*stages, nn.ModuleList(rest)]

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """float32 [N, D] of texts that are no cells, such as names of classes; while it is built.

        Raises:
            RecipeError: it was not built from a checkpoint, whose tokenizer it takes.
        """
        if self._folder is None:
            raise RecipeError(
                "a model with new weights knows no words: names of classes mean nothing to it",
                plugin=PLUGIN,
                remedy="name a checkpoint: backbones.image.checkpoint=...",
            )
        with torch.no_grad():
            return self._words(self._text, read_words(self._folder, texts)).float()

    def forget_words(self) -> None:
        """Its words have been read: a tower of texts that reads no input goes."""
        self._words = partial(_with, dict(self.towers.items()))
        self._folder = None

    def _text(self, arrays: Mapping[str, Tensor], parts: Any = None) -> Tensor:
        """Of the last token: its attention has seen the whole text. [B, D]"""
        parts = self.towers if parts is None else parts
        config, ids, mask = self._model_config, arrays["input_ids"], arrays["attention_mask"]
        there = mask.any(dim=1)[:, None]
        if config.model_type in _PADDED:
            room = config.text_config.max_position_embeddings
            pad = int(config.text_config.pad_token_id or 0)
            ids = torch.where(mask.bool(), ids, pad)
            ids = functional.pad(ids, (0, room - ids.shape[1]), value=pad)
            return torch.where(there, parts["text_model"](input_ids=ids).pooler_output, 0.0)
        seen = mask.clone()
        seen[:, 0] = 1  # attention over nothing is NaN; such a row is left out below
        found = parts["text_model"](input_ids=ids, attention_mask=seen).last_hidden_state
        rows = torch.arange(len(ids), device=ids.device)
        last = found[rows, (mask.sum(dim=1) - 1).clamp(min=0)]
        return torch.where(there, parts["text_projection"](last), 0.0)

    def _pictures(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """The mean of a row's pictures, [B, D]."""
        mask = arrays["image_mask"]
        counts = mask.sum(dim=1, keepdim=True).clamp(min=1)
        if torch.compiler.is_exporting():  # a graph looks at empty places too, and forgets it
            vectors = self._vectors(arrays["pixels"].flatten(0, 1)).unflatten(0, mask.shape)
            return torch.where(mask[..., None], vectors, 0.0).sum(dim=1) / counts
        pixels = arrays["pixels"][mask]
        if len(pixels) == 0:
            return arrays["pixels"].new_zeros(len(mask), self.dims["pooled"])
        vectors = self._vectors(pixels)
        total = vectors.new_zeros(len(mask), self.dims["pooled"])
        return total.index_add(0, mask.nonzero()[:, 0], vectors) / counts

    def _vectors(self, pixels: Tensor) -> Tensor:
        """Of each picture, [N, D]."""
        vectors: Tensor = self.towers["vision_model"](pixel_values=pixels).pooler_output
        if "visual_projection" in self.towers:
            vectors = self.towers["visual_projection"](vectors)
        return vectors


def _with(parts: Mapping[str, nn.Module], read: Any, arrays: Mapping[str, Tensor]) -> Tensor:
    """What the parts of a model read, without dropout."""
    modes = {name: part.training for name, part in parts.items()}
    for part in parts.values():
        part.eval()
    try:
        found: Tensor = read(arrays, parts)
    finally:
        for name, part in parts.items():
            part.train(modes[name])
    return found


def _inputs(context: BackboneContext) -> dict[str, str]:
    """Input -> id of its modality.

    Raises:
        RecipeError: two of one modality.
    """
    kinds = dict(context.modalities)
    if len(set(kinds.values())) < len(kinds) or not set(kinds.values()) <= set(_SIDES):
        raise RecipeError(
            "it reads one text, one picture, or one of each",
            plugin=PLUGIN,
            value=kinds,
            remedy="name its inputs: backbones.<name>.inputs=[...]",
        )
    return kinds


def _load(folder: Path, checkpoint: Checkpoint) -> Any:
    model, missing = read_model(folder, checkpoint, PLUGIN)
    if missing:
        raise CheckpointError(
            f"{checkpoint.name!r} ({checkpoint.source}) lacks weights, such as {missing[0]!r}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name another checkpoint",
        )
    return model


def _rebuild(architecture: Mapping[str, Any]) -> Any:
    kind = str(architecture.get("model_type"))
    if kind not in KINDS:
        raise ArtifactError(
            f"the saved architecture is of no known kind: {kind!r}", plugin=PLUGIN, value=kind
        )
    return rebuild_model(architecture, PLUGIN)


def _tiny(config: DualConfig, context: BackboneContext) -> Any:
    """A CLIP with new weights, for this vocabulary and these pictures.

    Raises:
        RecipeError: the pictures are not cut into patches of that size.
    """
    by_kind = {kind: context.inputs[name] for name, kind in context.modalities.items()}
    text = by_kind.get("text:text", {"vocab_size": 64, "max_length": 8, "pad_id": 0})
    height, width = by_kind.get("image:image", {"image_size": (config.patch,) * 2})["image_size"]
    if height != width or height % config.patch:
        raise RecipeError(
            f"pictures of {height} x {width} pixels are not cut into patches of {config.patch}",
            plugin=PLUGIN,
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
    made = CLIPConfig(
        text_config={
            **tower,
            **ids,
            "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["max_length"],
        },
        vision_config={**tower, "image_size": height, "patch_size": config.patch},
        projection_dim=config.dim,
    )
    return new_model(made)
