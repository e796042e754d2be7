"""``hf_instances``: models of transformers that find boxes and draw masks of them. Heavy.

RF-DETR-Seg: queries, each with a class, a box and a mask. Matching by all three, and losses, on
sampled points where masks are, are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from transformers import AutoModelForInstanceSegmentation

from mm_core.api.nn import Features
from mm_detection.configs import HFInstancesConfig
from mm_detection.detector import Drawn, Found, Wanted, over_the_square
from mm_detection.formats import InstanceFolder
from mm_detection.hf_detector import HFDetector
from mm_detection.hf_models import Family


class HFInstances(HFDetector):
    """RF-DETR-Seg; beside what a detector of boxes says, ``masks`` [B, Q, h, w] are logits over the
    whole square.
    """

    config: HFInstancesConfig
    family: ClassVar[Family] = Family(
        "detection:hf_instances", AutoModelForInstanceSegmentation, InstanceFolder.TYPES
    )
    draws: ClassVar[bool] = True
    needs_masks: ClassVar[bool] = True

    def draw(self, features: Features, found: Sequence[Found]) -> list[Drawn]:
        """Over the whole square: no box cuts its mask, as the authors have it."""
        return over_the_square(features.extra["masks"], found, self.side)

    def _labels(self, wanted: Wanted, extent: Tensor) -> list[dict[str, Tensor]]:
        assert wanted.masks is not None  # the topology looks after it
        labels = super()._labels(wanted, extent)
        for one, masks in zip(labels, wanted.masks, strict=True):
            one["masks"] = masks.float()
        return labels

    def _said_more(self, said: Any) -> dict[str, Tensor]:
        return {"masks": said.pred_masks}

    def _loss(self, said: Any) -> Tensor | None:
        """Of pictures with nothing in them that classes tell alone.

        transformers adds an empty tensor for the masks there, and the sum is empty then.
        """
        loss: Tensor | None = super()._loss(said)
        if loss is None or loss.numel() == 1:
            return loss
        config, counted = self.model.config, {"loss_ce"}
        if config.auxiliary_loss:
            counted |= {f"loss_ce_{layer}" for layer in range(config.decoder_layers - 1)}
            counted.add("loss_ce_enc")
        told = [value for name, value in said.loss_dict.items() if name in counted]
        total: Tensor = config.class_loss_coefficient * sum(told)
        return total
