"""Faster R-CNN (arXiv 1506.01497) and Mask R-CNN (arXiv 1703.06870) over a pyramid. Heavy.

Their parts are torchvision's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import roi_heads, rpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image, roi_align

from mm_detection.configs import TorchvisionConfig
from mm_detection.detector import Drawn, Found, Wanted
from mm_detection.heads import Head

_PROPOSALS = 300
_POOLED = 7
_DRAWN = 14
"""Cells of the map of a proposal from which its mask is drawn, at twice as many."""


class FasterRCNN(Head):
    """Proposals from all maps; of each of them a class and a finer box.

    ``detections`` [B, D, proposals]: K + 1 class logits, four numbers a class, the proposal's
    corners, and 1 where there is one.
    """

    def __init__(self, config: TorchvisionConfig, n_classes: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.n_classes = n_classes
        sizes = tuple((4 * 8 * 2**level,) for level in range(config.levels))
        anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * config.levels)
        names = [str(level) for level in range(config.levels)]
        counts = {"training": _PROPOSALS, "testing": _PROPOSALS}
        self.rpn = rpn.RegionProposalNetwork(
            anchors, rpn.RPNHead(config.width, 3), 0.7, 0.3, 256, 0.5, counts, counts, 0.7
        )
        self.roi = roi_heads.RoIHeads(
            MultiScaleRoIAlign(names, _POOLED, 2),
            TwoMLPHead(config.width * _POOLED**2, 4 * config.width),
            FastRCNNPredictor(4 * config.width, n_classes + 1),
            0.5, 0.5, 128, 0.25, None, 0.05, 0.5, 100,
        )  # fmt: skip
        self.dim = 5 * (n_classes + 1) + 5

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Of the proposals; the gradient reaches the first stage through the loss."""
        proposals = self._propose(maps)[0]
        logits, boxes = self._judge(maps, proposals)
        counts = [len(one) for one in proposals]
        most = max([*counts, 1])
        rows = zip(logits.split(counts), boxes.split(counts), proposals, strict=True)
        said = []
        for row in rows:
            one = torch.cat([*row, torch.ones_like(row[0][:, :1])], dim=1)
            said.append(torch.nn.functional.pad(one, (0, 0, 0, most - len(one))))
        return torch.stack(said).transpose(1, 2)

    def said_and_loss(
        self, maps: Sequence[Tensor], wanted: Wanted | None
    ) -> tuple[Tensor, Tensor | None]:
        """In training nothing is said: proposals would be judged once more for nobody."""
        if wanted is None:
            return self(maps), None
        said = maps[0].new_zeros(len(maps[0]), self.dim, 0)
        return said, self.loss(said, maps, wanted)

    def loss(self, said: Tensor, maps: Sequence[Tensor], wanted: Wanted) -> Tensor:
        """Of both stages; the second is trained on a sample of proposals."""
        labelled = wanted.labelled(first=1)
        proposals, anchors, objectness, deltas = self._propose(maps)
        labels, matched = self.rpn.assign_targets_to_anchors(anchors, labelled)
        regression = self.rpn.box_coder.encode(matched, anchors)
        first = self.rpn.compute_loss(objectness, deltas, labels, regression)
        some, matched, classes, targets = self.roi.select_training_samples(proposals, labelled)
        second = roi_heads.fastrcnn_loss(*self._judge(maps, some), classes, targets)
        third = self._third(maps, some, matched, classes, wanted)
        return torch.stack([one.float() for one in (*first, *second, *third)]).sum()

    def _third(
        self,
        maps: Sequence[Tensor],
        boxes: list[Tensor],
        matched: list[Tensor],
        classes: list[Tensor],
        wanted: Wanted,
    ) -> list[Tensor]:
        """Losses of what else is learned of the proposals; of boxes alone: none.

        Args:
            maps: of the pyramid.
            boxes: the sample of proposals.
            matched: places of the true boxes that they are of.
            classes: codes from 1 on; 0: nothing.
            wanted: what is there.
        """
        return []

    def find(self, said: Tensor, maps: Sequence[Tensor], most: int, least: float) -> list[Found]:
        """Scores are those of the class against all others and none."""
        k = self.n_classes + 1
        found = []
        for one in said.float().transpose(1, 2):
            one = one[one[:, -1] > 0]
            if not len(one):  # a row without a picture has no proposals
                found.append(Found(one[:, :4], one[:, 0].long(), one[:, 0]))
                continue
            scores = one[:, :k].softmax(dim=1)[:, 1:]
            corners = self.roi.box_coder.decode(one[:, k : 5 * k], [one[:, 5 * k : -1]])
            boxes = clip_boxes_to_image(corners[:, 1:], (self.side, self.side))
            rows, classes = torch.where(scores > least)
            found.append(Found(boxes[rows, classes], classes, scores[rows, classes]))
        return found

    def _propose(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
        """Proposals and anchors of each picture, and what is said of all anchors."""
        maps = [one.float() for one in maps]
        whole = torch.empty(len(maps[0]), 3, self.side, self.side, device="meta")
        shapes = [(self.side, self.side)] * len(maps[0])
        objectness, deltas = self.rpn.head(maps)
        anchors = self.rpn.anchor_generator(ImageList(whole, shapes), maps)
        counts = [one[0].numel() for one in objectness]
        flat: Any = rpn.concat_box_prediction_layers(objectness, deltas)
        objectness, deltas = flat
        boxes = self.rpn.box_coder.decode(deltas.detach(), anchors)
        boxes = boxes.reshape(len(maps[0]), -1, 4)
        proposals, _ = self.rpn.filter_proposals(boxes, objectness, shapes, counts)
        return proposals, anchors, objectness, deltas

    def _judge(self, maps: Sequence[Tensor], boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Class logits and box numbers of each box of all pictures."""
        pooled = self._pooled(self.roi.box_roi_pool, maps, boxes)
        logits, numbers = self.roi.box_predictor(self.roi.box_head(pooled))
        return logits, numbers

    def _pooled(self, pool: Any, maps: Sequence[Tensor], boxes: list[Tensor]) -> Tensor:
        """What the maps say of each box of all pictures."""
        named = OrderedDict((str(level), one.float()) for level, one in enumerate(maps))
        found: Tensor = pool(named, boxes, [(self.side, self.side)] * len(boxes))
        return found


class MaskRCNN(FasterRCNN):
    """Also a mask of each box, 28 x 28, of its class."""

    draws: ClassVar[bool] = True

    def __init__(self, config: TorchvisionConfig, n_classes: int, side: int) -> None:
        super().__init__(config, n_classes, side)
        names = [str(level) for level in range(config.levels)]
        self.mask_pool = MultiScaleRoIAlign(names, _DRAWN, 2)
        self.mask_head = MaskRCNNHeads(config.width, (config.width,) * 4, 1)
        self.mask_out = MaskRCNNPredictor(config.width, config.width, n_classes + 1)

    def draw(self, maps: Sequence[Tensor], found: Sequence[Found]) -> list[Drawn]:
        """Of the box that was found, not of the proposal."""
        boxes = [one.boxes for one in found]
        classes = torch.cat([one.classes for one in found]) + 1
        grids = self._logits(maps, boxes, classes).sigmoid()
        parts = grids.split([len(one) for one in boxes])
        return [Drawn(grid, box) for grid, box in zip(parts, boxes, strict=True)]

    def _third(
        self,
        maps: Sequence[Tensor],
        boxes: list[Tensor],
        matched: list[Tensor],
        classes: list[Tensor],
        wanted: Wanted,
    ) -> list[Tensor]:
        """Of the masks of proposals that are of something."""
        assert wanted.masks is not None
        some = [torch.where(one > 0)[0] for one in classes]
        there = [box[one] for box, one in zip(boxes, some, strict=True)]
        codes = torch.cat([one[rows] for one, rows in zip(classes, some, strict=True)])
        logits = self._logits(maps, there, codes)
        if not len(codes):
            return [logits.sum() * 0]
        rows = zip(wanted.masks, matched, some, there, strict=True)
        true = [_cut(masks, which[one], box, logits.shape[-1]) for masks, which, one, box in rows]
        return [functional.binary_cross_entropy_with_logits(logits, torch.cat(true))]

    def _logits(self, maps: Sequence[Tensor], boxes: list[Tensor], classes: Tensor) -> Tensor:
        """float [boxes of all pictures, 28, 28], each of its class: codes from 1 on."""
        said: Tensor = self.mask_out(self.mask_head(self._pooled(self.mask_pool, maps, boxes)))
        return said.float()[torch.arange(len(said), device=said.device), classes]


def _cut(masks: Tensor, which: Tensor, boxes: Tensor, cells: int) -> Tensor:
    """float [n, cells, cells], share of each cell of a box that is in the mask of its true box.

    torchvision's own lies half a pixel off, which shows in small things.
    """
    if not len(boxes):
        return boxes.new_zeros(0, cells, cells)
    places = which.to(boxes)[:, None]
    whole = masks[:, None].to(boxes)
    cut: Tensor = roi_align(whole, torch.cat([places, boxes], dim=1), cells, 1.0, -1, True)
    return cut[:, 0]
