"""``Finder``: one detector, whatever it is, answers for one column of pictures. Heavy: torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology, features_of, latents_of
from mm_detection.configs import SEEN, BoxOptions
from mm_detection.detector import WANTED, Detector, Found
from mm_detection.suppression import KEEP_ALL


class Finder(Topology):
    """Boxes in pixels of the square; a row without a picture has none."""

    things: ClassVar[tuple[str, ...]] = ("boxes", "scores", "masks")

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        detectors = list(parts.backbones.items())
        if len(detectors) != 1 or not isinstance(detectors[0][1], Detector):
            raise RecipeError(
                f"boxes are found by one detector, not by {', '.join(parts.backbones)}",
                value=list(parts.backbones),
                remedy="name the column of the pictures: roles={'picture': ...}, and a detector "
                "such as detection:torchvision",
            )
        self.reader = detectors[0][0]
        (self.input,) = self.backbone_inputs[self.reader]
        self.draws = bool(self.task.info.get("masks"))
        if self.draws and not self.detector.draws:
            raise RecipeError(
                f"the detector of {self.reader!r} finds boxes without masks",
                value=self.reader,
                remedy=f"backbones.{self.reader}.id=detection:torchvision with head=mask_rcnn, or "
                "detection:hf_instances, detection:hf_masks, or problem_type=object_detection",
            )
        if self.detector.needs_masks and not self.draws:
            raise RecipeError(
                f"the detector of {self.reader!r} learns masks, and the labels are boxes",
                value=self.reader,
                remedy=f"problem_type=instance_segmentation, or backbones.{self.reader}.id="
                "detection:hf",
            )

    @property
    def detector(self) -> Detector:
        """The one there is."""
        found = self.backbones[self.reader]
        assert isinstance(found, Detector)
        return found

    def encode(self, batch: Batch) -> Latents:
        """What the detector says; in training it is shown the targets, for its loss."""
        if self.training and "boxes" in batch.targets:
            arrays = {**batch.inputs[self.input], **_wanted(batch)}
            batch = replace(batch, inputs={**batch.inputs, self.input: arrays})
        return latents_of(self.run_backbones(batch))

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``features`` of the detector, and its ``loss`` [B] in training."""
        features = features_of(latents, self.reader)
        return {"features": features, "loss": features.extra.get("loss")}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The detector's; rows without a picture have none."""
        loss: Tensor = outputs["loss"].mean()
        if loss.requires_grad or not self.training:
            return loss
        # Without any picture nothing was run: zero, and still of the network (DDP needs it).
        unused = sum(one.sum() for one in self.parameters() if one.requires_grad)
        return loss + 0.0 * unused

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """Lists of B: ``boxes`` [n, 4] in pixels of the square, ``classes`` [n], ``scores`` [n];
        where masks are asked for ``grids`` [n, h, w] and ``frames`` [n, 4] too.
        """
        options = options or BoxOptions()
        features = self.forward(batch)["features"]
        extent, there = batch.inputs[self.input]["extent"], batch.present[self.input].tolist()
        least = min(SEEN, options.score_threshold)
        found = self.detector.find(features, extent, options.most, least)
        overlap = options.overlap or self.detector.overlap
        best = [
            _best(one, overlap, options.most if seen else 0)
            for one, seen in zip(found, there, strict=True)
        ]
        outputs = {
            "boxes": [one.boxes for one in best],
            "classes": [one.classes for one in best],
            "scores": [one.scores for one in best],
        }
        if self.draws:
            drawn = self.detector.draw(features, best)
            outputs["grids"] = [one.grids.float() for one in drawn]
            outputs["frames"] = [one.frames.float() for one in drawn]
        return outputs

    def arrays(self, batch: Batch, options: Any = None) -> dict[str, Tensor]:
        """Before anything is chosen, see :func:`mm_detection.suppression.suppressed`.

        Raises:
            ConfigError: the detector chooses on its way.
        """
        features = self.forward(batch)["features"]
        said = self.detector.say(features, batch.inputs[self.input]["extent"])
        overlap = KEEP_ALL if self.detector.overlap is None else self.detector.overlap
        arrays = {
            "boxes": said.boxes.float(),
            "scores": said.scores.float(),
            "overlap": said.scores.new_full((len(said.scores),), overlap, dtype=torch.float32),
        }
        if said.masks is None:
            return arrays
        square = said.masks.new_tensor([0.0, 0.0, self.detector.side, self.detector.side])
        frame = square.float().expand(len(said.masks), 4)
        return {**arrays, "masks": said.masks.float(), "frame": frame}

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """What the detector knows of each picture as a whole, [B, E]."""
        self.check_embedding(of)
        vectors: Tensor = features_of(self.encode(batch), self.reader).extra["embedding"]
        return vectors


def _wanted(batch: Batch) -> dict[str, Any]:
    """Targets as a detector reads them, without boxes that are to be ignored."""
    named = {"boxes": WANTED[0], "classes": WANTED[1], "masks": WANTED[3]}
    found = {wanted: batch.targets[name] for name, wanted in named.items() if name in batch.targets}
    if "ignore" in batch.targets:
        keep = [~one for one in batch.targets["ignore"]]
        found = {
            name: [one[rows] for one, rows in zip(values, keep, strict=True)]
            for name, values in found.items()
        }
    return found if batch.weight is None else {**found, WANTED[2]: batch.weight}


def _best(found: Found, overlap: float | None, most: int) -> Found:
    """The best boxes, of those that overlap one."""
    boxes, scores = found.boxes.float(), found.scores.float()
    found = replace(found, boxes=boxes, scores=scores)
    if overlap is None:
        keep = torch.argsort(scores, descending=True, stable=True)
    else:
        # Classes are kept apart by moving their boxes: exact in 64 bits, and from no negative ones.
        exact = boxes.double()
        exact = exact - exact.min() if len(exact) else exact
        keep = batched_nms(exact, scores.double(), found.classes, overlap)
    return found.take(keep[:most])
