"""What every detector is: a backbone that finds boxes. Heavy: imports torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mm_core.api import ConfigError
from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_detection.suppression import CANDIDATES

WANTED = ("wanted_boxes", "wanted_classes", "wanted_weight", "wanted_masks")
"""Names under which the topology puts targets among a detector's arrays, in training only."""


@dataclass
class Wanted:
    """What is to be found in a batch.

    Attributes:
        boxes: list of float [n, 4], x1 y1 x2 y2 in pixels of the square.
        classes: list of int64 [n].
        masks: list of uint8 [n, S, S], 1 where the thing is seen; None: only boxes are.
    """

    boxes: list[Tensor]
    classes: list[Tensor]
    masks: list[Tensor] | None = None

    def row(self, row: int) -> Wanted:
        """Of one picture."""
        one = slice(row, row + 1)
        masks = None if self.masks is None else self.masks[one]
        return Wanted(self.boxes[one], self.classes[one], masks)

    def labelled(self, first: int = 0) -> list[dict[str, Tensor]]:
        """As torchvision has targets; ``first`` is the code of the first class."""
        pairs = zip(self.boxes, self.classes, strict=True)
        return [{"boxes": boxes, "labels": classes + first} for boxes, classes in pairs]


@dataclass
class Found:
    """What is found in one picture, the best first.

    Attributes:
        boxes: float [n, 4], x1 y1 x2 y2 in pixels of the square.
        classes: int64 [n].
        scores: float [n], 0..1.
        queries: int64 [n], which of what the detector says each is of, where it has to know that
            again to draw it; None: it has not.
    """

    boxes: Tensor
    classes: Tensor
    scores: Tensor
    queries: Tensor | None = None

    def take(self, places: Tensor) -> Found:
        """Those at these places, in this order."""
        queries = None if self.queries is None else self.queries[places]
        return Found(self.boxes[places], self.classes[places], self.scores[places], queries)


@dataclass
class Said:
    """All that is said of pictures, before anything is chosen.

    Attributes:
        boxes: float [B, P, 4], x1 y1 x2 y2 in pixels of the square, of P places or queries.
        scores: float [B, P, K], 0..1, of each class there.
        masks: float [B, P, h, w], logits over the whole square; None: only boxes are.
    """

    boxes: Tensor
    scores: Tensor
    masks: Tensor | None = None

    def found(self, most: int, least: float) -> list[Found]:
        """The best boxes of each picture.

        Args:
            most: of them that could be answered; suppression is given some more.
            least: boxes of a lower score are left out.
        """
        rows = zip(self.boxes, self.scores, strict=True)
        return [_best(boxes, scores, max(most, CANDIDATES), least) for boxes, scores in rows]


def _best(boxes: Tensor, scores: Tensor, most: int, least: float) -> Found:
    """Of one picture, from boxes [P, 4] and scores [P, K]."""
    flat, classes = scores.flatten(), scores.shape[1]
    (keep,) = torch.where(flat > least)
    best = flat[keep].topk(min(most, len(keep)))
    places = keep[best.indices]
    queries = torch.div(places, classes, rounding_mode="floor")
    return Found(boxes[queries], places % classes, best.values, queries)


@dataclass
class Drawn:
    """Masks of what is found in one picture.

    Attributes:
        grids: float [n, h, w], probability of being in, at the middle of each cell.
        frames: float [n, 4], x1 y1 x2 y2 that each grid covers, in pixels of the square.
    """

    grids: Tensor
    frames: Tensor


def over_the_square(masks: Tensor, found: Sequence[Found], side: int) -> list[Drawn]:
    """Masks of queries that each say something of the whole square.

    Args:
        masks: float [B, Q, h, w], logits.
        found: of each picture, with their queries.
        side: of the square.
    """
    drawn = []
    for logits, one in zip(masks, found, strict=True):
        assert one.queries is not None
        frame = one.boxes.new_tensor([0.0, 0.0, side, side])
        grids = logits[one.queries].float().sigmoid()
        drawn.append(Drawn(grids, frame.expand(len(one.queries), 4)))
    return drawn


class Detector(Backbone):
    """Gives the feature ``detections``: what it says of every place, from which boxes are read.

    A detector is a backbone, so that adapters, stages and learning rates work on it; what its
    checkpoint has no weights for (heads for other classes) is ``new``.

    Arrays read: ``pixels`` float [B, 3, S, S], ``extent`` int64 [B, 2]. In training also
    ``wanted_boxes`` and ``wanted_classes``, lists of B tensors, and perhaps ``wanted_weight`` [B]:
    ``extra["loss"]`` [B] is then given as well, whose mean is the loss of the batch. Where masks
    are learned, ``wanted_masks`` too, a list of B uint8 [n, S, S].

    Attributes:
        overlap: of boxes of one class that overlap by more, the best is kept, unless the user says
            another; None: all are.
        draws: whether it gives masks too, by :meth:`draw`.
        needs_masks: whether it learns from masks only: boxes alone tell it nothing.
        unit: the side of the square is a multiple of it; None: the detector looks after it.
    """

    overlap: ClassVar[float | None] = None
    draws: bool = False
    needs_masks: ClassVar[bool] = False
    unit: ClassVar[int | None] = 32

    def __init__(self, config: Any, context: BackboneContext) -> None:
        super().__init__(config, context)
        ((self.input_name, info),) = context.inputs.items()
        self.side = int(info["image_size"])
        self.n_classes = int(context.task["output_dim"])
        if self.unit is not None:
            self.check_side(self.unit)

    def check_side(self, unit: int) -> None:
        """Raises ConfigError where the side of the square is no multiple of this."""
        if self.side % unit:
            near = max(1, round(self.side / unit)) * unit
            raise ConfigError(
                f"this detector takes squares of a multiple of {unit} pixels, not of {self.side}",
                value=self.side,
                remedy=f"inputs.{self.input_name}.processor.image_size={near}",
            )

    @abstractmethod
    def look(
        self, pixels: Tensor, extent: Tensor, wanted: Wanted | None
    ) -> tuple[Features, Tensor | None]:
        """What it says of some pictures, and the loss of the batch where targets are given.

        ``Features.extra`` has ``detections`` [B, D, places] and ``embedding`` [B, E].
        """

    def say(self, features: Features, extent: Tensor) -> Said:
        """Everything that it says, for a graph; of detectors that choose nothing on their way.

        Raises:
            ConfigError: it does.
        """
        raise chooses_on_its_way(type(self).__name__)

    def find(self, features: Features, extent: Tensor, most: int, least: float) -> list[Found]:
        """Boxes of each picture, before suppression; unless overridden: the best that it says.

        Args:
            features: as :meth:`look` gave them.
            extent: int64 [B, 2], as it was read.
            most: of the best boxes, those that could be answered: a dense detector may look at
                more.
            least: boxes of a lower score need not be given.
        """
        return self.say(features, extent).found(most, least)

    def draw(self, features: Features, found: Sequence[Found]) -> list[Drawn]:
        """The mask of each box, after suppression; of detectors that draw.

        Args:
            features: as :meth:`look` gave them.
            found: of each picture, none left out.
        """
        raise NotImplementedError

    def forward(self, inputs: Mapping[str, Mapping[str, Any]]) -> Features:
        """``detections``, and the loss where targets stand among the arrays."""
        arrays = inputs[self.input_name]
        pixels, extent = arrays["pixels"], arrays["extent"]
        if WANTED[0] not in arrays:
            return self.look(pixels, extent, None)[0]
        masks = arrays.get(WANTED[3])
        wanted = Wanted(
            list(arrays[WANTED[0]]), list(arrays[WANTED[1]]), None if masks is None else list(masks)
        )
        weight = arrays.get(WANTED[2])
        if weight is None:
            features, loss = self.look(pixels, extent, wanted)
            assert loss is not None
            features.extra["loss"] = loss.float().expand(len(pixels))
            return features
        # A loss of a batch cannot be weighed by rows afterwards: each picture has its own.
        losses, parts = [], []
        for row in range(len(pixels)):
            one = slice(row, row + 1)
            if weight[row] == 0:  # what is drawn for its loss would change that of others
                features, loss = self.look(pixels[one], extent[one], None)[0], pixels.new_zeros(())
            else:
                features, loss = self.look(pixels[one], extent[one], wanted.row(row))
            assert loss is not None
            losses.append(loss.float() * weight[row])
            parts.append(features.extra["embedding"])
        return Features(extra={"embedding": torch.cat(parts), "loss": torch.stack(losses)})


def chooses_on_its_way(name: str) -> ConfigError:
    """Of a detector that no graph can hold."""
    return ConfigError(
        f"{name} chooses among boxes on its way, and what it then says depends on them: no graph "
        "can hold that",
        value=name,
        remedy="fit detection:hf, or detection:torchvision with head=fcos, retinanet or ssdlite, "
        "where the model is to be exported",
    )


def stages_of(model: nn.Module, called: str = "backbone") -> list[nn.Module]:
    """The part called so, and what else holds parameters, each parameter once."""
    first = next((m for name, m in model.named_modules() if name.endswith(called)), None)
    if first is None:
        return [model]
    inside = {id(one) for one in first.parameters()}
    rest = [one for one in model.parameters() if id(one) not in inside]
    stage = nn.Module()
    stage.rest = nn.ParameterList(rest)
    return [first, stage]
