"""torchvision's detection heads over a pyramid of maps, each with its loss and its boxes. Heavy.

Each says of every place of every map, or of every proposal, what is there: one tensor
``detections`` [B, D, places]. Losses and matching are torchvision's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchvision.models.detection import retinanet, ssd, ssdlite
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou, clip_boxes_to_image

from mm_detection.configs import TorchvisionConfig
from mm_detection.detector import Drawn, Found, Said, Wanted, chooses_on_its_way


class Head(nn.Module, ABC):
    """What stands on the pyramid."""

    dim: int
    """D of ``detections``."""

    draws: ClassVar[bool] = False
    """Whether it gives masks too."""

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """``detections`` [B, D, places]."""

    @abstractmethod
    def loss(self, said: Tensor, maps: Sequence[Tensor], wanted: Wanted) -> Tensor:
        """Of the batch."""

    def said_and_loss(
        self, maps: Sequence[Tensor], wanted: Wanted | None
    ) -> tuple[Tensor, Tensor | None]:
        """``detections``, and the loss where targets are given."""
        said = self(maps)
        return said, None if wanted is None else self.loss(said, maps, wanted)

    def say(self, said: Tensor, maps: Sequence[Tensor]) -> Said:
        """Boxes of all places; of heads that choose none on their way.

        Raises:
            ConfigError: it does.
        """
        raise chooses_on_its_way(type(self).__name__)

    def find(self, said: Tensor, maps: Sequence[Tensor], most: int, least: float) -> list[Found]:
        """Boxes of each picture, many of one thing; unless overridden: the best that it says."""
        return self.say(said, maps).found(most, least)

    def draw(self, maps: Sequence[Tensor], found: Sequence[Found]) -> list[Drawn]:
        """The mask of each box; of heads that draw."""
        raise NotImplementedError


class _NoBody(nn.Module):
    """torchvision's detectors ask a backbone for its width, and are given maps here."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = width


class Dense(Head):
    """One prediction for each place and anchor: classes, four numbers for a box, perhaps more."""

    def __init__(self, model: Any, parts: dict[str, int], side: int) -> None:
        super().__init__()
        self.model = model
        self.side = side
        self.parts = parts
        self.dim = sum(parts.values())

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Class logits, then the rest."""
        said = self.model.head(list(maps))
        return torch.cat([said[name] for name in self.parts], dim=2).transpose(1, 2)

    def split(self, said: Tensor) -> dict[str, Tensor]:
        """Name -> float32 [B, places, width]."""
        parts = said.float().transpose(1, 2).split(list(self.parts.values()), dim=2)
        return dict(zip(self.parts, parts, strict=True))

    def anchors(self, maps: Sequence[Tensor]) -> Tensor:
        """Float [places, 4], the same for each picture."""
        whole = torch.empty(1, 3, self.side, self.side, device="meta")
        images = ImageList(whole, [(self.side, self.side)])
        (found,) = self.model.anchor_generator(images, [one[:1].float() for one in maps])
        return torch.as_tensor(found)

    def say(self, said: Tensor, maps: Sequence[Tensor]) -> Said:
        """Of each place every class, and one box."""
        parts, anchors = self.split(said), self.anchors(maps)
        corners = self.decode(parts["bbox_regression"], anchors)
        return Said(clip_boxes_to_image(corners, (self.side, self.side)), self.scores(parts))

    @abstractmethod
    def scores(self, parts: dict[str, Tensor]) -> Tensor:
        """Float [B, places, K], 0..1, from the parts of what is said."""

    def decode(self, said: Tensor, anchors: Tensor) -> Tensor:
        """Corners [B, places, 4] from what is said of boxes."""
        rows = len(said)
        flat: Tensor = self.model.box_coder.decode_single(
            said.flatten(0, 1), anchors.repeat(rows, 1)
        )
        return flat.unflatten(0, (rows, len(anchors)))


class FCOSDense(Dense):
    """FCOS (arXiv 2006.09214): a box a place, without anchors, and how central the place is."""

    def __init__(self, config: TorchvisionConfig, n_classes: int, side: int) -> None:
        head = FCOSHead(config.width, 1, n_classes, config.layers)
        model = FCOS(_NoBody(config.width), n_classes, head=head)
        parts = {"cls_logits": n_classes, "bbox_regression": 4, "bbox_ctrness": 1}
        super().__init__(model, parts, side)

    def anchors(self, maps: Sequence[Tensor]) -> Tensor:
        """The cell around each place: torchvision's own lie half a cell off."""
        found = []
        for height, width in (one.shape[-2:] for one in maps):
            step = torch.tensor([self.side / width, self.side / height], device=maps[0].device)
            rows, columns = (torch.arange(n, device=maps[0].device) for n in (height, width))
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            corner = torch.stack([x, y], dim=-1).reshape(-1, 2) * step
            found.append(torch.cat([corner, corner + step], dim=1))
        return torch.cat(found)

    def loss(self, said: Tensor, maps: Sequence[Tensor], wanted: Wanted) -> Tensor:
        """Focal, generalised overlap, centre-ness."""
        counts = [one.shape[-2] * one.shape[-1] for one in maps]
        anchors = [self.anchors(maps)] * len(said)
        losses = self.model.compute_loss(wanted.labelled(), self.split(said), anchors, counts)
        return _total(losses)

    def scores(self, parts: dict[str, Tensor]) -> Tensor:
        """Those of the class and of the centre together."""
        return (parts["cls_logits"].sigmoid() * parts["bbox_ctrness"].sigmoid()).sqrt()

    def decode(self, said: Tensor, anchors: Tensor) -> Tensor:
        """Distances to the sides, in cells."""
        corners: Tensor = self.model.box_coder.decode(said, anchors)
        return corners


class RetinaDense(Dense):
    """RetinaNet (arXiv 1708.02002): nine anchors a place, focal loss."""

    def __init__(self, config: TorchvisionConfig, n_classes: int, side: int) -> None:
        sizes = [
            tuple(int(4 * 8 * 2**level * 2 ** (k / 3)) for k in range(3)) for level in range(5)
        ]
        anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * config.levels)
        norm = partial(nn.GroupNorm, 32)
        head = retinanet.RetinaNetHead(config.width, 9, n_classes, norm_layer=norm)
        for part in (head.classification_head, head.regression_head):
            part.conv = part.conv[: config.layers]
        model = retinanet.RetinaNet(
            _NoBody(config.width), n_classes, anchor_generator=anchors, head=head
        )
        super().__init__(model, {"cls_logits": n_classes, "bbox_regression": 4}, side)

    def loss(self, said: Tensor, maps: Sequence[Tensor], wanted: Wanted) -> Tensor:
        """Focal, and L1 on boxes."""
        anchors = [self.anchors(maps)] * len(said)
        return _total(self.model.compute_loss(wanted.labelled(), self.split(said), anchors))

    def scores(self, parts: dict[str, Tensor]) -> Tensor:
        """Those of the class."""
        return parts["cls_logits"].sigmoid()


class SSDliteDense(Dense):
    """SSDlite (arXiv 1801.04381): small separable convolutions, six default boxes a place."""

    def __init__(self, config: TorchvisionConfig, n_classes: int, side: int) -> None:
        boxes = DefaultBoxGenerator([[2, 3]] * config.levels, min_ratio=0.1, max_ratio=0.95)
        counts = boxes.num_anchors_per_location()
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
        widths = [config.width] * config.levels
        head = ssdlite.SSDLiteHead(widths, counts, n_classes + 1, norm)
        model = ssd.SSD(_NoBody(config.width), boxes, (side, side), n_classes + 1, head=head)
        super().__init__(model, {"cls_logits": n_classes + 1, "bbox_regression": 4}, side)

    def loss(self, said: Tensor, maps: Sequence[Tensor], wanted: Wanted) -> Tensor:
        """Softmax with hard negatives, and L1 on boxes."""
        anchors, labelled = self.anchors(maps), wanted.labelled(first=1)
        none = torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
        matched = [
            self.model.proposal_matcher(box_iou(one["boxes"], anchors))
            if len(one["boxes"])
            else none
            for one in labelled
        ]
        parts = self.split(said)
        return _total(self.model.compute_loss(labelled, parts, [anchors] * len(said), matched))

    def scores(self, parts: dict[str, Tensor]) -> Tensor:
        """Those of the class against all others and none."""
        return parts["cls_logits"].softmax(dim=2)[..., 1:]


def _total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([one.float() for one in losses.values()]).sum()
