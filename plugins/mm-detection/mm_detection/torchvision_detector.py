"""``torchvision``: its detectors on any timm network. Heavy: imports torch, torchvision, timm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from mm_core.api import ConfigError
from mm_core.api.nn import BackboneContext, Features
from mm_detection.configs import TorchvisionConfig
from mm_detection.detector import Detector, Drawn, Found, Said, Wanted
from mm_detection.heads import FCOSDense, Head, RetinaDense, SSDliteDense
from mm_detection.pyramid import Maps, Pyramid
from mm_detection.two_stage import FasterRCNN, MaskRCNN

HEADS: dict[str, type[Head]] = {
    "fcos": FCOSDense,
    "retinanet": RetinaDense,
    "faster_rcnn": FasterRCNN,
    "ssdlite": SSDliteDense,
    "mask_rcnn": MaskRCNN,
}


class TorchvisionDetector(Detector):
    """A timm network, a pyramid over its maps, and one of torchvision's heads."""

    config: TorchvisionConfig
    overlap: ClassVar[float | None] = 0.6

    def __init__(self, config: TorchvisionConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        fresh: dict[str, Any] = {"model": config.random_model, "arguments": {}, "pretrained": False}
        if context.checkpoint is not None:
            details = context.checkpoint.details
            fresh = {
                "model": details["architecture"],
                "arguments": dict(details.get("arguments") or {}),
                "pretrained": True,
            }
        self._architecture = dict(context.architecture or fresh)
        self.pretrained = bool(self._architecture["pretrained"])
        self.body = Maps(
            self._architecture["model"],
            self._architecture["arguments"],
            self.side,
            context.checkpoint if context.architecture is None else None,
        )
        self.neck = Pyramid(self.body.widths, self.body.reductions, config.width, config.levels)
        self.head = _head(config.head, bool(context.task.get("masks")))(
            config, self.n_classes, self.side
        )
        self.draws = self.head.draws
        self.new = (self.neck, self.head) if self.pretrained else ()

    @property
    def architecture(self) -> dict[str, Any]:
        """The timm model, and whether its weights were trained elsewhere."""
        return self._architecture

    @property
    def dims(self) -> Mapping[str, int]:
        """Numbers that are said of each place."""
        return {"detections": self.head.dim}

    def stages(self) -> Sequence[nn.Module]:
        """The network, the pyramid, the head."""
        return [self.body, self.neck, self.head]

    def look(
        self, pixels: Tensor, extent: Tensor, wanted: Wanted | None
    ) -> tuple[Features, Tensor | None]:
        """Also the ``maps`` of the pyramid, whose sizes say where places are."""
        maps = self.neck(self.body(pixels))
        said, loss = self.head.said_and_loss(maps, wanted)
        embedding = maps[len(maps) // 2].mean(dim=(2, 3))
        return Features(extra={"detections": said, "embedding": embedding, "maps": maps}), loss

    def say(self, features: Features, extent: Tensor) -> Said:
        """By the head."""
        return self.head.say(features.extra["detections"], features.extra["maps"])

    def find(self, features: Features, extent: Tensor, most: int, least: float) -> list[Found]:
        """Many boxes of one thing: they are suppressed afterwards."""
        return self.head.find(features.extra["detections"], features.extra["maps"], most, least)

    def draw(self, features: Features, found: Sequence[Found]) -> list[Drawn]:
        """By the head."""
        return self.head.draw(features.extra["maps"], found)


def _head(name: str, masks: bool) -> type[Head]:
    """The head that is asked for; raises ConfigError where it does not suit what is learned."""
    if name == "auto":
        name = "mask_rcnn" if masks else "fcos"
    if HEADS[name].draws == masks:
        return HEADS[name]
    drawing = ", ".join(one for one, head in HEADS.items() if head.draws == masks)
    raise ConfigError(
        f"the head {name!r} finds boxes without masks"
        if masks
        else f"the head {name!r} learns masks, and the labels are boxes",
        value=name,
        remedy=f"head={drawing}; problem_type=instance_segmentation learns masks, "
        "problem_type=object_detection boxes",
    )
