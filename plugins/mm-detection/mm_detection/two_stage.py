"""Faster R-CNN (arXiv 1506.01497) over a pyramid, of torchvision's parts. Heavy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import roi_heads, rpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image

from mm_detection.configs import TorchvisionConfig
from mm_detection.detector import Found, Wanted
from mm_detection.heads import Head

_PROPOSALS = 300
_POOLED = 7


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
        some, _, classes, targets = self.roi.select_training_samples(proposals, labelled)
        second = roi_heads.fastrcnn_loss(*self._judge(maps, some), classes, targets)
        return torch.stack([one.float() for one in (*first, *second)]).sum()

    def find(self, said: Tensor, maps: Sequence[Tensor], least: float) -> list[Found]:
        """Scores are those of the class against all others and none."""
        k = self.n_classes + 1
        found = []
        for one in said.float().transpose(1, 2):
            one = one[one[:, -1] > 0]
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
        named = OrderedDict((str(level), one.float()) for level, one in enumerate(maps))
        shapes = [(self.side, self.side)] * len(boxes)
        pooled = self.roi.box_roi_pool(named, boxes, shapes)
        logits, numbers = self.roi.box_predictor(self.roi.box_head(pooled))
        return logits, numbers
