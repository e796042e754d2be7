"""``hf``: any detector of transformers. Heavy: imports torch and transformers.

Matching and losses are the model's own, with its denoising queries where it has them.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from torchvision.ops import box_convert
from transformers import AutoConfig, AutoModelForObjectDetection, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES
from transformers.utils import logging

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, HFFolder
from mm_core.api.nn import BackboneContext, Features
from mm_detection.configs import HFDetectorConfig
from mm_detection.detector import Detector, Found, Wanted, stages_of
from mm_detection.tiny import tiny_config

PLUGIN = "detection:hf"

_MASKED = {"detr", "conditional_detr", "deformable_detr", "dab-detr", "table-transformer"}
"""Model types that heed ``pixel_mask``: to them boxes are shares of the picture, to others of the
square."""

UNFIT = (
    AssertionError,
    AttributeError,
    ImportError,
    OSError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)
"""What transformers raises on a folder or config that it cannot make a model of."""


class HFDetector(Detector):
    """D-FINE, RT-DETR, Deformable DETR, YOLOS, ...: queries, each with a class and a box.

    ``detections`` [B, K + 4, Q] are class logits and x, y, width, height as shares. The heads of a
    checkpoint with other classes are made anew, and are ``new``.
    """

    config: HFDetectorConfig

    def __init__(self, config: HFDetectorConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        classes = [str(one) for one in context.task.get("classes") or range(self.n_classes)]
        fresh: set[str] = set()
        if context.architecture is not None:
            model = _built(rebuilt(context.architecture["model"]))
            self.pretrained = bool(context.architecture["pretrained"])
            fresh = set(context.architecture["new"])
        elif context.checkpoint is not None:
            model, fresh = _loaded(context.checkpoint, classes)
            self.pretrained = True
        else:
            model = _built(tiny_config(config.random_model, classes, self.side))
        self.model: Any = model
        self._fresh = sorted(fresh)
        self.new = tuple(model.get_submodule(name) for name in self._fresh)
        self._masked = model.config.model_type in _MASKED
        takes = inspect.signature(model.forward).parameters
        self._takes_mask = "pixel_mask" in takes

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own config, and which parts were made anew."""
        model = json.loads(self.model.config.to_json_string(use_diff=False))
        return {
            "model": HFFolder.own_config(model),
            "pretrained": self.pretrained,
            "new": self._fresh,
        }

    @property
    def dims(self) -> Mapping[str, int]:
        """Numbers that are said of each query."""
        softmax = self.model.config.model_type in _SOFTMAX
        return {"detections": self.n_classes + softmax + 4}

    def stages(self) -> Sequence[nn.Module]:
        """The network that reads pixels, and the rest, where the model parts them."""
        return stages_of(self.model)

    def look(
        self, pixels: Tensor, extent: Tensor, wanted: Wanted | None
    ) -> tuple[Features, Tensor | None]:
        """With ``wanted`` the model's own loss."""
        given: dict[str, Any] = {"pixel_values": pixels}
        if self._takes_mask:
            given["pixel_mask"] = _mask(extent, self.side)
        if wanted is not None:
            given["labels"] = self._labels(wanted, extent)
        with _without_autocast(pixels) if wanted is not None else nullcontext():
            said = self.model(**given)
        logits, boxes = said.logits, said.pred_boxes
        tokens = said.last_hidden_state
        embedding = logits.mean(dim=1) if tokens is None else tokens.flatten(2).mean(dim=1)
        detections = torch.cat([logits, boxes], dim=2).transpose(1, 2)
        return Features(extra={"detections": detections, "embedding": embedding}), said.loss

    def find(self, features: Features, extent: Tensor, most: int, least: float) -> list[Found]:
        """The best of all queries and classes together, or each query's class, as it was made."""
        said = features.extra["detections"].float().transpose(1, 2)
        logits, boxes = said[..., :-4], said[..., -4:]
        units = self._units(extent).to(boxes)
        if self.model.config.model_type in _SOFTMAX:
            scores = logits.softmax(dim=-1)[..., :-1]
        else:
            scores = logits[..., : self.n_classes].sigmoid()
        found = []
        for one, where, unit in zip(scores, boxes, units, strict=True):
            best = one.flatten().topk(min(most, one.numel()))
            keep = best.values > least
            places, values = best.indices[keep], best.values[keep]
            queries = torch.div(places, one.shape[1], rounding_mode="floor")
            corners = box_convert(where[queries], "cxcywh", "xyxy") * unit.repeat(2)
            found.append(Found(corners, places % one.shape[1], values))
        return found

    def _labels(self, wanted: Wanted, extent: Tensor) -> list[dict[str, Tensor]]:
        units = self._units(extent)
        rows = zip(wanted.boxes, wanted.classes, units, strict=True)
        return [
            {
                "class_labels": classes,
                "boxes": box_convert(boxes.float(), "xyxy", "cxcywh") / unit.to(boxes).repeat(2),
            }
            for boxes, classes, unit in rows
        ]

    def _units(self, extent: Tensor) -> Tensor:
        """float [B, 2], what boxes are shares of, in pixels of the square."""
        return (extent if self._masked else torch.full_like(extent, self.side)).float()


_SOFTMAX = {"detr", "yolos", "table-transformer"}
"""Model types with one more class, "nothing", that is told against the others."""


def _without_autocast(pixels: Tensor) -> Any:
    """Matching by costs overflows or fails in 16 bits."""
    return torch.autocast(pixels.device.type, enabled=False)


def _mask(extent: Tensor, side: int) -> Tensor:
    """int64 [B, S, S], 1 where the picture is."""
    places = torch.arange(side, device=extent.device)
    across, down = (places < extent[:, axis, None] for axis in (0, 1))
    return (down[:, :, None] & across[:, None, :]).long()


# ---- building


def _loaded(checkpoint: Checkpoint, classes: Sequence[str]) -> tuple[nn.Module, set[str]]:
    """The model with heads for these classes, and the names of modules that were made anew."""
    try:
        with quiet():
            config = AutoConfig.from_pretrained(checkpoint.location, trust_remote_code=False)
            known = [str(config.id2label[code]) for code in range(config.num_labels)]
            offline(config)
            if known != list(classes):
                name_classes(config, classes)
            model, report = AutoModelForObjectDetection.from_pretrained(
                checkpoint.location,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (*UNFIT, KeyError) as error:
        raise CheckpointError(
            f"transformers cannot read {checkpoint.name!r} ({checkpoint.source}): {error}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name another checkpoint; models that need code of their own are not run",
        ) from error
    fresh = {str(one[0] if isinstance(one, tuple) else one) for one in report["mismatched_keys"]}
    missing = sorted(set(report["missing_keys"]) - fresh)
    if missing:
        raise CheckpointError(
            f"{checkpoint.name!r} ({checkpoint.source}) lacks {len(missing)} of the weights, such "
            f"as {missing[0]!r}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name another checkpoint",
        )
    return model, {name.rpartition(".")[0] for name in fresh}


def name_classes(config: PreTrainedConfig, classes: Sequence[str]) -> None:
    """What the model is to find; its head follows from their number."""
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: code for code, name in enumerate(classes)}


def offline(config: PreTrainedConfig) -> None:
    """Nothing is fetched while a model is built: its weights come with it."""
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    inner = getattr(config, "backbone_config", None)
    if inner is not None and getattr(inner, "use_pretrained_backbone", False):
        inner.use_pretrained_backbone = False


def rebuilt(values: Mapping[str, Any]) -> PreTrainedConfig:
    """The config of a saved model.

    Raises:
        ArtifactError: transformers does not know it.
    """
    given = HFFolder.own_config(values)
    kind = str(given.get("model_type"))
    if kind not in CONFIG_MAPPING or kind not in MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES:
        raise ArtifactError(
            f"transformers knows no detector of the type {kind!r}",
            plugin=PLUGIN,
            value=kind,
            remedy="install the transformers version with which the model was saved",
        )
    try:
        config = CONFIG_MAPPING[kind].from_dict(given)
    except UNFIT as error:
        raise ArtifactError(
            f"the saved architecture is no {kind!r} model: {error}", plugin=PLUGIN, value=kind
        ) from error
    offline(config)
    return config


def _built(config: PreTrainedConfig) -> nn.Module:
    try:
        model: nn.Module = AutoModelForObjectDetection.from_config(config, dtype=torch.float32)
    except UNFIT as error:
        raise CheckpointError(
            f"transformers cannot build a {config.model_type} detector: {error}",
            plugin=PLUGIN,
            value=config.model_type,
            remedy="name another checkpoint",
        ) from error
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bar and no report of weights that are not used."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
