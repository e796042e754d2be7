"""``dino``: DINO, or any other detector of mmdet 3. Heavy: imports torch; mmdet when it is built.

Matching, denoising, losses and suppression are mmdet's own. Its pipelines, datasets and loops are
not used: pictures come from the processor, and are trained on by mm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mm_openmmlab.api import Colours, Library, Model, made
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mm_core.api import RecipeError
from mm_core.api.nn import BackboneContext, Features
from mm_detection.configs import SEEN, DinoConfig
from mm_detection.detector import Detector, Found, Wanted, stages_of

LIBRARY = Library("mmdet", "detection:dino", "pip install 'mm-detection[mmdet]'")

_OWN_CLASSES = ("backbone", "rpn_head")
"""Parts whose ``num_classes`` is no number of ours: what proposes boxes tells things from none."""


class MMDetDetector(Detector):
    """What an OpenMMLab config builds; ``detections`` [B, 6, n] are boxes, classes and scores.

    The heads of a checkpoint with other classes are made anew, and are ``new``.
    """

    config: DinoConfig

    def __init__(self, config: DinoConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self._made = made(LIBRARY, config, context, lambda one: adapted(one, self.n_classes))
        self.model: Any = _checked(self._made.model)
        self.colours = Colours(self._made.config, context.inputs[self.input_name])
        self.pretrained = self._made.pretrained
        self.new = tuple(self.model.get_submodule(name) for name in self._made.new)

    @property
    def architecture(self) -> dict[str, Any]:
        """The config of the model as JSON, and which parts were made anew."""
        return self._made.architecture

    @property
    def dims(self) -> Mapping[str, int]:
        """Numbers that are said of each box."""
        return {"detections": 6}

    def stages(self) -> Sequence[nn.Module]:
        """The network that reads pixels, and the rest."""
        return stages_of(self.model)

    def look(
        self, pixels: Tensor, extent: Tensor, wanted: Wanted | None
    ) -> tuple[Features, Tensor | None]:
        """With ``wanted`` mmdet's loss, and no detections; without it as at prediction."""
        pixels, samples = self.colours(pixels), self._samples(extent, wanted)
        # Matching by costs overflows or fails in 16 bits.
        with torch.autocast(pixels.device.type, enabled=False), _maps(self.model) as maps:
            if wanted is not None:
                # Of a frozen one all stand as at prediction, and then DINO asks for no denoising.
                self.model.training = True
                loss, _ = self.model.parse_losses(self.model.loss(pixels, samples))
                return Features(extra={"embedding": _means(maps)}), loss
            with self._as_at_prediction():
                found = self.model.predict(pixels, samples, rescale=False)
        boxes = [_packed(one.pred_instances) for one in found]
        # Of fewer boxes the rest are zeros: boxes with a score of nothing.
        detections = pad_sequence(boxes, batch_first=True).transpose(1, 2)
        return Features(extra={"detections": detections, "embedding": _means(maps)}), None

    def find(self, features: Features, extent: Tensor, most: int, least: float) -> list[Found]:
        """What mmdet gave, which has left out doubles already where the detector does."""
        found = []
        for one in features.extra["detections"].float():
            keep = one[5] > least
            found.append(Found(one[:4, keep].T, one[4, keep].long(), one[5, keep]))
        return found

    def _samples(self, extent: Tensor, wanted: Wanted | None) -> list[Any]:
        """Pictures as mmdet has them, without their pixels."""
        from mmdet.structures import DetDataSample
        from mmengine.structures import InstanceData

        square, samples = (self.side, self.side), []
        for row, (width, height) in enumerate(extent.tolist()):
            about = {
                "img_shape": (height, width),
                "ori_shape": (height, width),
                "pad_shape": square,
                "batch_input_shape": square,
                "scale_factor": (1.0, 1.0),
            }
            sample = DetDataSample(metainfo=about)
            if wanted is not None:
                boxes, classes = wanted.boxes[row].float(), wanted.classes[row]
                sample.gt_instances = InstanceData(bboxes=boxes, labels=classes)
                sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=classes[:0])
            samples.append(sample)
        return samples

    @contextmanager
    def _as_at_prediction(self) -> Iterator[None]:
        """Also while it trains: denoising would ask for targets. Then each part is as it was."""
        training = [part for part in self.model.modules() if part.training]
        self.model.eval()
        try:
            yield
        finally:
            for part in training:
                part.training = True


def adapted(model: Model, n_classes: int) -> Model:
    """The config for these classes; whatever metrics look at is answered."""
    found = _with_classes(model, n_classes)
    for settings in _dicts(found.get("test_cfg")):
        if isinstance(settings.get("score_thr"), int | float):
            settings["score_thr"] = min(settings["score_thr"], SEEN)
    return found


def _with_classes(part: Any, n_classes: int) -> Any:
    if isinstance(part, list):
        return [_with_classes(one, n_classes) for one in part]
    if not isinstance(part, dict):
        return part
    found = {}
    for key, value in part.items():
        if key == "num_classes":
            found[key] = n_classes
        else:
            found[key] = value if key in _OWN_CLASSES else _with_classes(value, n_classes)
    return found


def _dicts(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _dicts(one)


def _checked(model: Any) -> Any:
    """A detector that learns from boxes alone.

    Raises:
        RecipeError: it is none.
    """
    from mmdet.models.detectors import BaseDetector

    if isinstance(model, BaseDetector) and model.with_bbox and not model.with_mask:
        return model
    kind = type(model).__name__
    raise RecipeError(
        f"{kind} does not learn from boxes alone",
        plugin=LIBRARY.plugin,
        value=kind,
        remedy="name the config of a detector without masks, such as "
        "architecture=dino-4scale_r50_8xb2-12e_coco",
    )


@contextmanager
def _maps(model: Any) -> Iterator[list[Tensor]]:
    """What the network that reads pixels says while the model runs; filled then."""
    maps: list[Tensor] = []

    def keep(_: nn.Module, __: Any, said: Any) -> None:
        maps[:] = [said] if isinstance(said, Tensor) else list(said)

    handle = model.backbone.register_forward_hook(keep)
    try:
        yield maps
    finally:
        handle.remove()


def _means(maps: list[Tensor]) -> Tensor:
    """[B, E], of the coarsest map."""
    return maps[-1].mean(dim=(2, 3))


def _packed(found: Any) -> Tensor:
    """[n, 6]: x1, y1, x2, y2, class, score."""
    boxes = found.bboxes
    return torch.cat([boxes, found.labels[:, None].to(boxes), found.scores[:, None]], dim=1)
