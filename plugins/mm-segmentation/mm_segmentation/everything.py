"""SAM without prompts: a grid of points, and the things that they lie in. Heavy: torch.

What is asked, kept and thrown away is what transformers' pipeline ``mask-generation`` does, by the
same functions of its image processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms
from transformers import SamImageProcessor

from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology, features_of, latents_of
from mm_segmentation.configs import EverythingOptions
from mm_segmentation.sam_segmenter import SamSegmenter

_AT_ONCE = 2**26
"""Numbers of the masks of some points at the picture's size: 256 MB, and as much again to scale."""

_MASKS = 3
"""That SAM says of a point: a part, a thing, what holds it."""


class Everything(Topology):
    """Things of pictures, by a SAM that is whole: with its choice among masks and their scores."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.reader, *others = parts.backbones
        if others or not isinstance(parts.backbones[self.reader], SamSegmenter):
            raise RecipeError(
                f"everything is found by one SAM, not by {', '.join(parts.backbones)}",
                value=list(parts.backbones),
                remedy="leave the backbone out: segmentation:sam; its checkpoint is "
                "backbones.picture_image.checkpoint",
            )
        (self.input,) = self.backbone_inputs[self.reader]

    @property
    def sam(self) -> SamSegmenter:
        """The one there is."""
        found = self.backbones[self.reader]
        assert isinstance(found, SamSegmenter)
        return found

    def encode(self, batch: Batch) -> Latents:
        """What the encoder says of the pictures."""
        return latents_of(self.run_backbones(batch))

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``features`` [B, E], and ``maps``, as :meth:`SamSegmenter.embedded` has them."""
        extra = features_of(latents, self.reader).extra
        return {"features": extra["embedding"], "maps": extra["maps"]}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """There is nothing to learn: zero."""
        nothing: Tensor = outputs["features"].sum() * 0.0
        return nothing

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``things``: of each row ``size`` [2] (height, width; 0 where there is no picture), and of
        its things, the surest first, ``scores`` [N], ``boxes`` [N, 4] and ``runs``, N lengths of
        runs down the columns.
        """
        options = options or EverythingOptions()
        side = options.points_per_side or self.task.config.points_per_side
        maps = self.forward(batch)["maps"]
        arrays, there = batch.inputs[self.input], batch.present[self.input].tolist()
        found = []
        for row, (size, extent) in enumerate(
            zip(arrays["size"].tolist(), arrays["extent"].tolist(), strict=True)
        ):
            if not there[row]:
                found.append(_of_nothing())
                continue
            one = [each[row : row + 1] for each in maps]
            found.append(
                things(self.sam, one, (size[1], size[0]), (extent[1], extent[0]), side, options)
            )
        return {"things": found}

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """What the encoder knows of each picture as a whole, [B, E]."""
        self.check_embedding(of)
        vectors: Tensor = features_of(self.encode(batch), self.reader).extra["embedding"]
        return vectors


def things(
    sam: SamSegmenter,
    maps: Sequence[Tensor],
    size: tuple[int, int],
    extent: tuple[int, int],
    side: int,
    options: EverythingOptions,
) -> dict[str, Any]:
    """Things of one picture, as :meth:`Everything.predict` gives them.

    Args:
        sam: whole.
        maps: of its encoder, of this picture.
        size: height and width of the picture.
        extent: height and width of what it fills of the canvas.
        side: points of the grid.
        options: of the prediction.
    """
    canvas = {"height": sam.canvas[0], "width": sam.canvas[1]}
    reader = SamImageProcessor(size={"longest_edge": max(extent)}, pad_size=canvas)
    same = torch.zeros((), dtype=torch.uint8).expand(3, *size)  # of which only the size is asked
    box, grid, _, labels = reader.generate_crop_boxes(same, max(extent), points_per_crop=side)
    given = sam.given(maps)
    step = min(options.points_per_batch, max(1, _AT_ONCE // (_MASKS * size[0] * size[1])))
    runs, scores, boxes = [], [], []
    for start in range(0, grid.shape[1], step):
        said = sam.model(
            input_points=grid[:, start : start + step].to(maps[-1].device),
            input_labels=labels[:, start : start + step].to(maps[-1].device),
            multimask_output=True,
            **given,
        )
        (masks,) = reader.post_process_masks(
            said.pred_masks.float(), [size], [extent], binarize=False
        )
        kept, sure, where = reader.filter_masks(
            masks,
            said.iou_scores[0].float(),
            size,
            box[0],
            options.pred_iou_thresh,
            options.stability_score_thresh,
            0.0,
            options.stability_score_offset,
        )
        runs.extend(kept)
        scores.append(sure)
        boxes.append(where)
    # What the processor's own end does, but for making each mask whole again, which fills memory.
    every, all_scores = torch.cat(boxes), torch.cat(scores)
    best = nms(every.float(), all_scores, options.box_nms_thresh)
    corner = torch.tensor([0, 0, 1, 1], device=every.device)  # they end beside the last pixel
    return {
        "size": torch.tensor(size),
        "scores": all_scores[best],
        "boxes": every[best].long() + corner,
        "runs": [torch.tensor(runs[place]["counts"]) for place in best.tolist()],
    }


def _of_nothing() -> dict[str, Any]:
    none = {"scores": torch.zeros(0), "boxes": torch.zeros((0, 4), dtype=torch.int64)}
    return {"size": torch.zeros(2, dtype=torch.int64), **none, "runs": []}
