"""``Finder``: torchvision's FCOS over the maps of any backbone. Heavy: torch and torchvision.

Every place of every map says how likely each class is there, how far the sides of a box are from
it, and how central it is in that box.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology, features_of
from torch import Tensor
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops import FeaturePyramidNetwork

from mm_boxes.configs import BoxOptions, FinderConfig

SAID = ("cls_logits", "bbox_regression", "bbox_ctrness")

SEEN = 0.02
"""Boxes of a lower score are not looked at; what is between this and the threshold, metrics see."""


class Finder(Topology):
    """Boxes in pixels of the square; a row without a picture has none."""

    config: FinderConfig

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        if len(parts.backbones) != 1:
            raise RecipeError(
                f"boxes are found in one input, not in {len(parts.backbones)}",
                value=list(parts.backbones),
                remedy="name the column of the pictures: roles={'picture': ...}",
            )
        ((self.reader, backbone),) = parts.backbones.items()
        (self.input,) = self.backbone_inputs[self.reader]
        self.side = int(self.infos[self.input]["image_size"])
        widths, width = backbone.dims["spatial"], self.config.width
        neck = FeaturePyramidNetwork(widths if isinstance(widths, list) else [widths], width)
        neck.out_channels = width
        head = FCOSHead(width, 1, self.task.output_dim, self.config.layers)
        self.detector = FCOS(neck, self.task.output_dim, head=head, score_thresh=SEEN)

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """What every place of the maps says [B, places, ...], and ``maps``, their sizes."""
        spatial = features_of(latents, self.reader).spatial
        given = spatial if isinstance(spatial, list) else [spatial]
        named = OrderedDict((str(level), map_) for level, map_ in enumerate(given))
        maps = list(self.detector.backbone(named).values())
        said: Outputs = self.detector.head(maps)
        return {**said, "maps": [tuple(map_.shape[-2:]) for map_ in maps]}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """FCOS's three losses, picture by picture: rows have weights."""
        places = self._places(outputs)
        whole, counts = torch.cat(places), [len(level) for level in places]
        losses = []
        for row, (boxes, classes) in enumerate(
            zip(batch.targets["boxes"], batch.targets["classes"], strict=True)
        ):
            said = {name: outputs[name][row : row + 1].float() for name in SAID}
            wanted = [{"boxes": boxes, "labels": classes}]
            parts = self.detector.compute_loss(wanted, said, [whole], counts)
            losses.append(torch.stack(list(parts.values())).sum())
        each = torch.where(batch.present[self.input], torch.stack(losses), 0.0)
        return (each if batch.weight is None else each * batch.weight).mean()

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """Lists of B: ``boxes`` [n, 4] in pixels of the square, ``classes`` [n], ``scores`` [n]."""
        options = options or BoxOptions()
        outputs = self.forward(batch)
        places, there = self._places(outputs), batch.present[self.input].tolist()
        counts = [len(level) for level in places]
        said = {name: list(outputs[name].float().split(counts, dim=1)) for name in SAID}
        self.detector.score_thresh = min(SEEN, options.score_threshold)
        self.detector.nms_thresh = options.overlap
        self.detector.detections_per_img = options.most
        squares = [(self.side, self.side)] * len(there)
        found = self.detector.postprocess_detections(said, [places] * len(there), squares)
        keep = [slice(None) if seen else slice(0) for seen in there]
        names = {"boxes": "boxes", "classes": "labels", "scores": "scores"}
        return {
            name: [one[theirs][rows] for one, rows in zip(found, keep, strict=True)]
            for name, theirs in names.items()
        }

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """Mean of the coarsest map, [B, D]."""
        self.check_embedding(of)
        spatial = features_of(self.encode(batch), self.reader).spatial
        coarsest: Tensor = spatial[-1] if isinstance(spatial, list) else spatial
        return coarsest.mean(dim=(2, 3))

    def _places(self, outputs: Outputs) -> list[Tensor]:
        """For each map float [H * W, 4]: the cell around each place, in pixels of the square."""
        device, cells = outputs["cls_logits"].device, []
        for height, width in outputs["maps"]:
            step = torch.tensor([self.side / width, self.side / height], device=device)
            y, x = torch.meshgrid(
                torch.arange(height, device=device),
                torch.arange(width, device=device),
                indexing="ij",
            )
            corner = torch.stack([x, y], dim=-1).reshape(-1, 2) * step
            cells.append(torch.cat([corner, corner + step], dim=1))
        return cells
