"""``Painter``: one segmenter, whatever it is, answers for one column of pictures. Heavy: torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mm_core.api import ConfigError, RecipeError
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology, features_of, latents_of
from mm_segmentation.configs import MaskOptions
from mm_segmentation.segmenter import WANTED, WEIGHED, Segmenter

_WHOLE = 2**26
"""Numbers of a picture's classes and pixels that are resized at once; of more, class by class."""


class Painter(Topology):
    """Classes of all pixels of the pictures, at their own size."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        segmenters = list(parts.backbones.items())
        if len(segmenters) != 1 or not isinstance(segmenters[0][1], Segmenter):
            raise RecipeError(
                f"masks are drawn by one segmenter, not by {', '.join(parts.backbones)}",
                value=list(parts.backbones),
                remedy="name the column of the pictures: roles={'picture': ...}, and a segmenter "
                "such as segmentation:timm",
            )
        self.reader = segmenters[0][0]
        (self.input,) = self.backbone_inputs[self.reader]

    @property
    def segmenter(self) -> Segmenter:
        """The one there is."""
        found = self.backbones[self.reader]
        assert isinstance(found, Segmenter)
        return found

    def encode(self, batch: Batch) -> Latents:
        """What the segmenter says; in training one with a loss of its own is shown the targets."""
        if self.training and self.segmenter.own_loss and "codes" in batch.targets:
            arrays = {**batch.inputs[self.input], WANTED: batch.targets["codes"]}
            if batch.weight is not None:
                arrays[WEIGHED] = batch.weight
            batch = replace(batch, inputs={**batch.inputs, self.input: arrays})
        return latents_of(self.run_backbones(batch))

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``masks`` [B, D, h, w], and ``loss`` [B] where it is the segmenter's own."""
        features = features_of(latents, self.reader)
        given = {name: features.extra.get(name) for name in ("loss", "codes")}
        return {"masks": features.extra["masks"], **given}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """That of the recipe, at the canvas's size; rows without a picture have none."""
        there = batch.present[self.input]
        if outputs["loss"] is not None:
            losses = outputs["loss"] if batch.weight is None else outputs["loss"] * batch.weight
            return torch.where(there, losses, 0.0).mean()
        codes = batch.targets["codes"] if outputs["codes"] is None else outputs["codes"]
        logits = _larger(outputs["masks"].float(), codes.shape[-2:])
        weight = there.float() if batch.weight is None else there * batch.weight
        return self.task.loss(logits, {"codes": codes}, weight)

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """Lists of B arrays at the size of each picture, of 0 x 0 where there is none.

        One thing to find: ``certain`` uint8 [H, W], 255 times its probability. Classes:
        ``classes`` uint8 (of more than 255 int32) [H, W], their codes, and ``certain``, of the
        class that is taken. With the form ``probabilities`` also ``each`` int16 [D, H, W], 2**14
        times the probability of each.
        """
        options = options or MaskOptions()
        masks = self.arrays(batch, options)["masks"]
        found: dict[str, Any] = {"certain": [], "classes": [], "each": []}
        sizes = batch.inputs[self.input]["size"].tolist()
        extents = batch.inputs[self.input]["extent"].tolist()
        there = batch.present[self.input].tolist()
        for row, (size, extent) in enumerate(zip(sizes, extents, strict=True)):
            size = size if there[row] else (0, 0)  # an answer of no pixels
            logits = _on_canvas(masks[row], self._full, extent)
            certain, classes = _drawn(logits, (size[1], size[0]))
            found["certain"].append(certain)
            if classes is not None:
                found["classes"].append(classes)
            if options.form == "probabilities":
                found["each"].append(_each(logits, (size[1], size[0])))
        return {name: rows for name, rows in found.items() if rows}

    def arrays(self, batch: Batch, options: Any = None) -> dict[str, Tensor]:
        """``masks`` [B, D, h, w], logits of the canvas, see :mod:`mm_segmentation.painting`."""
        options = options or MaskOptions()
        if options.prompts is not None:
            batch = self._prompted(batch, options)
        masks = self.forward(batch)["masks"].float()
        if options.tta:
            arrays = batch.inputs[self.input]
            turned = {**arrays, "pixels": _mirrored(arrays["pixels"], arrays["extent"])}
            other = replace(batch, inputs={**batch.inputs, self.input: turned})
            masks = _mean(masks, self.forward(other)["masks"].float(), arrays["extent"], self._full)
        return {"masks": masks}

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """What the network knows of each picture as a whole, [B, E]."""
        self.check_embedding(of)
        vectors: Tensor = features_of(self.encode(batch), self.reader).extra["embedding"]
        return vectors

    def _prompted(self, batch: Batch, options: MaskOptions) -> Batch:
        """With prompts among the segmenter's arrays.

        Raises:
            ConfigError: it takes none, or they are none.
        """
        from mm_segmentation.prompts import PROMPTS, on_canvas

        if not self.segmenter.takes_prompts or options.tta or self.segmenter.n_outputs > 1:
            raise ConfigError(
                "prompts are for segmentation:sam, one thing to find, without tta",
                value=type(self.segmenter).__name__,
                remedy="leave prompts out, or fit backbones.picture_image=segmentation:sam",
            )
        arrays, rows = batch.inputs[self.input], batch.row_ids.tolist()
        asked = on_canvas(options.prompts or (), rows, arrays["size"], arrays["extent"])
        return replace(batch, inputs={**batch.inputs, self.input: {**arrays, PROMPTS: asked}})

    @property
    def _full(self) -> tuple[int, int]:
        return self.segmenter.canvas


def _larger(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    if 0 in size:
        return maps[..., :0, :0]
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _on_canvas(masks: Tensor, canvas: tuple[int, int], extent: list[int]) -> Tensor:
    """Logits [1, D, h, w] of the part of the canvas that the picture fills."""
    width, height = extent
    return _larger(masks[None], canvas)[..., :height, :width]


def _drawn(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
    """255 times the probability, and of several classes the best one."""
    if logits.shape[1] == 1:
        return _byte(_larger(logits, size)[0, 0].sigmoid()), None
    small = logits.shape[1] <= 255
    if logits.shape[1] * size[0] * size[1] <= _WHOLE:
        best, classes = _larger(logits, size)[0].softmax(dim=0).max(dim=0)
    else:  # a large picture: no more than three maps of its size at a time
        best = logits.new_full(size, float("-inf"))
        total = logits.new_full(size, float("-inf"))
        classes = torch.zeros(size, dtype=torch.int64, device=logits.device)
        for code in range(logits.shape[1]):
            one = _larger(logits[:, code : code + 1], size)[0, 0]
            total = torch.logaddexp(total, one)
            classes[one > best] = code
            best = torch.maximum(best, one)
        best = (best - total).exp()
    return _byte(best), classes.to(torch.uint8 if small else torch.int32)


def _each(logits: Tensor, size: tuple[int, int]) -> Tensor:
    whole = _larger(logits, size)[0]
    found = whole.sigmoid() if len(whole) == 1 else whole.softmax(dim=0)
    return found.mul(2.0**14).round().to(torch.int16)


def _byte(probability: Tensor) -> Tensor:
    return probability.mul(255).round().to(torch.uint8)


def _mirrored(maps: Tensor, extent: Tensor) -> Tensor:
    """Left to right, each within what its picture fills."""
    found = maps.clone()
    for row, (width, _) in enumerate(extent.tolist()):
        found[row, ..., :width] = maps[row, ..., :width].flip(-1)
    return found


def _mean(one: Tensor, mirrored: Tensor, extent: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Logits of the mean probability of a picture and of its mirrored self."""
    back = _mirrored(_larger(mirrored, canvas), extent)
    one = _larger(one, canvas)
    if one.shape[1] == 1:
        return ((one.sigmoid() + back.sigmoid()) / 2).clamp(1e-6, 1 - 1e-6).logit()
    return ((one.softmax(dim=1) + back.softmax(dim=1)) / 2).clamp(min=1e-9).log()
