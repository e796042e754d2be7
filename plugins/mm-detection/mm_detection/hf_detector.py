"""``hf``: any detector of transformers. Heavy: imports torch and transformers.

Matching and losses are the model's own, with its denoising queries where it has them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert
from transformers import AutoModelForObjectDetection
from transformers.models.auto.modeling_auto import MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES

from mm_core.api.nn import BackboneContext, Features
from mm_detection.configs import HFDetectorConfig
from mm_detection.detector import Said, Wanted, stages_of
from mm_detection.hf_models import Family, HFBackbone, without_autocast

_MASKED = {
    "detr",
    "conditional_detr",
    "deformable_detr",
    "dab-detr",
    "lw_detr",
    "rf_detr",
    "table-transformer",
}
"""Model types that heed ``pixel_mask``: to them boxes are shares of the picture, to others of the
square."""


class HFDetector(HFBackbone):
    """D-FINE, RT-DETR, Deformable DETR, YOLOS, ...: queries, each with a class and a box.

    ``detections`` [B, K + 4, Q] are class logits and x, y, width, height as shares.
    """

    config: HFDetectorConfig
    family: ClassVar[Family] = Family(
        "detection:hf", AutoModelForObjectDetection, MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES
    )

    def __init__(self, config: HFDetectorConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self._masked = self.model.config.model_type in _MASKED
        takes = inspect.signature(self.model.forward).parameters
        self._takes_mask = "pixel_mask" in takes

    @property
    def dims(self) -> Mapping[str, int]:
        """Numbers that are said of each query."""
        softmax = self.model.config.model_type in _SOFTMAX
        return {"detections": self.n_classes + softmax + 4}

    def stages(self) -> Sequence[nn.Module]:
        """The network that reads pixels, and the rest, where the model parts them."""
        return stages_of(self.model)

    def look(
        self, pixels: Tensor, extent: Tensor, wanted: Wanted | None
    ) -> tuple[Features, Tensor | None]:
        """With ``wanted`` the model's own loss."""
        given: dict[str, Any] = {"pixel_values": pixels}
        if self._takes_mask:
            given["pixel_mask"] = _mask(extent, self.side)
        if wanted is not None:
            given["labels"] = self._labels(wanted, extent)
        with without_autocast(pixels) if wanted is not None else nullcontext():
            said = self.model(**given)
        logits, boxes = said.logits, said.pred_boxes
        tokens = said.last_hidden_state
        embedding = logits.mean(dim=1) if tokens is None else tokens.flatten(2).mean(dim=1)
        detections = torch.cat([logits, boxes], dim=2).transpose(1, 2)
        extra = {"detections": detections, "embedding": embedding, **self._said_more(said)}
        return Features(extra=extra), self._loss(said)

    def say(self, features: Features, extent: Tensor) -> Said:
        """Of each query every class, and one box."""
        said = features.extra["detections"].float().transpose(1, 2)
        logits, boxes = said[..., :-4], said[..., -4:]
        if self.model.config.model_type in _SOFTMAX:
            scores = logits.softmax(dim=-1)[..., :-1]
        else:
            scores = logits[..., : self.n_classes].sigmoid()
        units = self._units(extent).to(boxes).repeat(1, 2).unsqueeze(1)
        corners = box_convert(boxes, "cxcywh", "xyxy") * units
        return Said(corners, scores, features.extra.get("masks"))

    def _said_more(self, said: Any) -> dict[str, Tensor]:
        """What a model says beside classes and boxes, to be kept."""
        return {}

    def _loss(self, said: Any) -> Tensor | None:
        """The model's own."""
        loss: Tensor | None = said.loss
        return loss

    def _labels(self, wanted: Wanted, extent: Tensor) -> list[dict[str, Tensor]]:
        units = self._units(extent)
        rows = zip(wanted.boxes, wanted.classes, units, strict=True)
        return [
            {
                "class_labels": classes,
                "boxes": box_convert(boxes.float(), "xyxy", "cxcywh") / unit.to(boxes).repeat(2),
            }
            for boxes, classes, unit in rows
        ]

    def _units(self, extent: Tensor) -> Tensor:
        """float [B, 2], what boxes are shares of, in pixels of the square."""
        return (extent if self._masked else torch.full_like(extent, self.side)).float()


_SOFTMAX = {"detr", "yolos", "table-transformer"}
"""Model types with one more class, "nothing", that is told against the others."""


def _mask(extent: Tensor, side: int) -> Tensor:
    """int64 [B, S, S], 1 where the picture is."""
    places = torch.arange(side, device=extent.device)
    across, down = (places < extent[:, axis, None] for axis in (0, 1))
    return (down[:, :, None] & across[:, None, :]).long()
