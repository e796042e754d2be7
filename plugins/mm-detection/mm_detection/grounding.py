"""Boxes of whatever is named in words, without training: Grounding DINO, OWLv2. Heavy.

Models of transformers for which labels are text. They label pictures; a small detector that is
trained on these labels then finds the same things hundreds of times as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torchvision.ops import batched_nms
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from mm_core.api import CheckpointError, ConfigError
from mm_detection.boxes import Box
from mm_detection.hf_models import UNFIT, quiet

_PLUGIN = "detection"


class Grounding:
    """Finds what phrases name.

    Args:
        folder: a checkpoint on this machine, with its tokenizer.
        classes: names or phrases, ``"a red car"``.

    Raises:
        CheckpointError: the folder holds no such model.
        ConfigError: no class is named, or one is empty.
    """

    def __init__(self, folder: str, classes: Sequence[str]) -> None:
        self.classes = [name.strip().lower().rstrip(".") for name in classes]
        if not self.classes or not all(self.classes):
            raise ConfigError(
                "no class is named, or one is empty",
                plugin=_PLUGIN,
                value=list(classes),
                remedy="--classes 'cat, a red car'",
            )
        try:
            with quiet():
                self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
                self.model: Any = AutoModelForZeroShotObjectDetection.from_pretrained(
                    folder, local_files_only=True, dtype=torch.float32
                ).eval()
        except (*UNFIT, KeyError) as error:
            raise CheckpointError(
                f"{folder!r} holds no model of transformers that finds what words name: {error}",
                plugin=_PLUGIN,
                value=folder,
                remedy="give a folder of Grounding DINO or OWLv2, with its tokenizer",
            ) from error

    def find(self, picture: Image.Image, threshold: float, overlap: float = 0.6) -> list[Box]:
        """Boxes in pixels of the picture, the best first, one for each thing.

        Args:
            picture: RGB.
            threshold: boxes of a lower score are left out.
            overlap: of boxes that overlap by more, whatever they are called, the best is kept.
        """
        corners, scores, codes = self.said(picture)
        keep = scores > threshold
        corners, scores, codes = corners[keep], scores[keep], codes[keep]
        kept = batched_nms(corners, scores, torch.zeros_like(codes), overlap)
        size = torch.tensor(picture.size * 2)
        inside = torch.minimum(corners[kept].clamp(min=0), size)
        rows = zip(inside.tolist(), codes[kept].tolist(), strict=True)
        return [
            Box((box[0], box[1], box[2], box[3]), self.classes[code], code + 1)
            for box, code in rows
            if box[0] < box[2] and box[1] < box[3]
        ]

    def said(self, picture: Image.Image) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of every query: corners [Q, 4] in pixels, its best score [Q], and of which class [Q]."""
        by_word = self.model.config.model_type in ("grounding-dino", "mm-grounding-dino")
        text: Any = f"{'. '.join(self.classes)}." if by_word else [self.classes]
        inputs = self.processor(images=picture, text=text, return_tensors="pt")
        with torch.inference_mode():
            outputs = self.model(**inputs)
        logits, boxes = outputs.logits[0].float(), outputs.pred_boxes[0].float()
        if by_word:
            words = self._words(text, inputs["input_ids"][0])
            logits = torch.stack([logits[:, one].amax(dim=1) for one in words], dim=1)
        best, codes = logits.max(dim=1)
        # OWLv2 pads pictures to squares at their right and below.
        square = self.model.config.model_type == "owlv2"
        width, height = (max(picture.size),) * 2 if square else picture.size
        x, y, w, h = boxes.unbind(dim=1)
        corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=1)
        return corners * torch.tensor([width, height, width, height]), best.sigmoid(), codes

    def _words(self, text: str, ids: torch.Tensor) -> list[list[int]]:
        """Places of the tokens of each class: its score is that of its best word."""
        tokenizer = self.processor.tokenizer
        offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        assert len(offsets) == len(ids)
        found, start = [], 0
        for name in self.classes:
            end = start + len(name)
            inside = [i for i, (a, b) in enumerate(offsets) if a < b and start <= a and b <= end]
            if not inside:
                raise ConfigError(
                    f"the tokenizer has no token for {name!r}",
                    plugin=_PLUGIN,
                    value=name,
                    remedy="use other words",
                )
            found.append(inside)
            start = end + 2  # ". "
        return found
