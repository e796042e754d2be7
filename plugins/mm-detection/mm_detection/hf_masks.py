"""``hf_masks``: models of transformers that find things by their masks. Heavy.

Mask2Former and its kin: queries, each with a class and a mask. Matching and losses, on sampled
points where the model samples some, are its own; a box is that of its mask.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForUniversalSegmentation

from mm_core.api import ConfigError, MMWarning
from mm_core.api.nn import BackboneContext, Features
from mm_detection.configs import HFMasksConfig
from mm_detection.detector import Drawn, Found, Wanted, over_the_square, stages_of
from mm_detection.formats import MaskFolder
from mm_detection.hf_models import Family, HFBackbone, without_autocast

_HALF = 0.5
"""A pixel of at least this probability is in a mask, where its box and its score are told."""


class HFMasks(HFBackbone):
    """Mask2Former, MaskFormer, EoMT.

    ``detections`` [B, K + 1, Q] are class logits, the last of nothing; ``masks`` [B, Q, h, w] are
    logits over the whole square.
    """

    config: HFMasksConfig
    family: ClassVar[Family] = Family(
        "detection:hf_masks", AutoModelForUniversalSegmentation, MaskFolder.TYPES
    )
    draws: ClassVar[bool] = True
    needs_masks: ClassVar[bool] = True

    def __init__(self, config: HFMasksConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self._told = False
        fixed = getattr(self.model.config, "image_size", None)  # of EoMT alone
        fixed = fixed[0] if isinstance(fixed, list | tuple) else fixed
        if fixed not in (None, self.side):
            raise ConfigError(
                f"{self.model.config.model_type} was made for squares of {fixed} pixels, not of "
                f"{self.side}",
                plugin=self.family.plugin,
                value=self.side,
                remedy=f"inputs.{self.input_name}.processor.image_size={fixed}, or leave it out",
            )
        for name, module in self.model.named_modules():
            if name.endswith(("encoder.swin.layernorm", "encoder.model.layernorm")):
                module.requires_grad_(False)  # at the end of a network whose maps are read before

    @property
    def dims(self) -> Mapping[str, int]:
        """Numbers that are said of each query, beside its mask."""
        return {"detections": self.n_classes + 1}

    def stages(self) -> Sequence[nn.Module]:
        """The network that reads pixels, and the rest, where the model parts them."""
        return stages_of(self.model, "pixel_level_module.encoder")

    def look(
        self, pixels: Tensor, extent: Tensor, wanted: Wanted | None
    ) -> tuple[Features, Tensor | None]:
        """With ``wanted`` the model's own loss."""
        given: dict[str, Any] = {}
        if wanted is not None:
            assert wanted.masks is not None  # the topology looks after it
            masks = [one.float() for one in wanted.masks]
            given = {"mask_labels": masks, "class_labels": wanted.classes}
        with without_autocast(pixels) if wanted is not None else nullcontext():
            said = self.model(pixel_values=pixels, **given)
        logits = said.class_queries_logits
        if wanted is not None:
            self._tell_of_too_many(wanted, logits.shape[1])
        extra = {
            "detections": logits.transpose(1, 2),
            "masks": said.masks_queries_logits,
            "embedding": logits.mean(dim=1),
        }
        return Features(extra=extra), None if said.loss is None else said.loss.reshape(())

    def find(self, features: Features, extent: Tensor, most: int, least: float) -> list[Found]:
        """The best of all queries and classes together; how sure a mask is of itself counts too.

        So the authors of Mask2Former score things (arXiv 2112.01527).
        """
        classes = features.extra["detections"].float().transpose(1, 2).softmax(dim=-1)[..., :-1]
        found = []
        for scores, logits, size in zip(classes, features.extra["masks"], extent, strict=True):
            cell = self.side / logits.shape[-1]
            across, down = (max(1, int(one / cell + 0.5)) for one in size.tolist())
            grids = logits[:, :down, :across].float().sigmoid()  # beside it is not about it
            inside = grids >= _HALF
            sure = (grids * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)
            scores = scores * sure[:, None]  # 0 of a mask without a pixel
            best = scores.flatten().topk(min(most, scores.numel()))
            keep = best.values > least
            keep &= best.values > 0
            places, values = best.indices[keep], best.values[keep]
            queries = torch.div(places, scores.shape[1], rounding_mode="floor")
            boxes = bounds(grids[queries])
            ends = boxes.new_tensor([across, down]).repeat(2)
            boxes = torch.where(boxes >= ends, size.repeat(2), boxes * cell)
            found.append(Found(boxes, places % scores.shape[1], values, queries))
        return found

    def draw(self, features: Features, found: Sequence[Found]) -> list[Drawn]:
        """Over the whole square."""
        return over_the_square(features.extra["masks"], found, self.side)

    def _tell_of_too_many(self, wanted: Wanted, queries: int) -> None:
        most = max(len(one) for one in wanted.classes)
        if most > queries and not self._told:
            self._told = True
            warnings.warn(
                f"{self.family.plugin}: a picture has {most} things and the model finds {queries} "
                "at most: of such pictures some are not learned in each step",
                MMWarning,
                stacklevel=2,
            )


def bounds(grids: Tensor) -> Tensor:
    """float [n, 4], x1 y1 x2 y2 in cells, of what is in by grids of probabilities [n, h, w].

    Between the middles of two cells values go over into one another, as where masks are painted.
    No grid is without a cell that is in.
    """
    height, width = grids.shape[1:]
    turned = grids.transpose(1, 2)
    sides = [_first(one) for one in (grids, turned, grids.flip(2), turned.flip(2))]
    return torch.stack([*sides[:2], width - sides[2], height - sides[3]], dim=1)


def _first(grids: Tensor) -> Tensor:
    """float [n], where along the last axis of [n, lines, places] any line first rises to a half."""
    inside = grids >= _HALF
    place = inside.float().argmax(dim=2)
    here, before = (
        grids.gather(2, one.clamp(min=0)[..., None])[..., 0] for one in (place, place - 1)
    )
    share = (_HALF - before) / (here - before).clamp(min=1e-6)
    rise = torch.where(place == 0, torch.zeros_like(here), place - 0.5 + share)
    return rise.masked_fill(~inside.any(dim=2), grids.shape[2]).amin(dim=1)
