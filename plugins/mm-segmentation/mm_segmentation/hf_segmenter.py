"""``hf``: any segmenter of transformers. Heavy: imports torch and transformers.

SegFormer, UPerNet, DPT and their kin give logits and are trained by the recipe's loss. Mask2Former
and its kin give queries, each with a class and a mask: they have a loss of their own, and what they
say of a pixel is the sum over the queries.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES,
    MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES,
)

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, HFFolder
from mm_core.api.nn import BackboneContext, Features
from mm_segmentation.configs import HFSegmenterConfig
from mm_segmentation.hf_configs import as_json, labels
from mm_segmentation.segmenter import WANTED, WEIGHED, Segmenter, means
from mm_segmentation.tiny import tiny_config

PLUGIN = "segmentation:hf"

_FAILS = (
    AssertionError,
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)
"""What transformers raises on a folder or config that it cannot make a model of."""

_SHOWN = 5
"""Tensors that an error names."""


class HFSegmenter(Segmenter):
    """A model of transformers with a head for these classes.

    The heads of a checkpoint with other classes are made anew, and are ``new``.
    """

    config: HFSegmenterConfig

    def __init__(self, config: HFSegmenterConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        known = context.task.get("class_names") or range(max(2, self.n_outputs))
        names = [str(one) for one in known]
        self._binary = self.n_outputs == 1
        fresh: set[str] = set()
        if context.architecture is not None:
            model = _built(rebuilt(context.architecture["model"]))
            self.pretrained = bool(context.architecture["pretrained"])
            fresh = set(context.architecture["new"])
        elif context.checkpoint is not None:
            model, fresh = _loaded(context.checkpoint, names)
            self.pretrained = True
        else:
            model = _built(tiny_config(config.random_model, names, max(self.canvas)))
        if context.architecture is None:
            _try_out(model, self.canvas)
        self.model: Any = model
        for name, module in model.named_modules():
            if name.endswith(("encoder.swin.layernorm", "backbone.swin.layernorm")):
                module.requires_grad_(False)  # of the end of a network whose maps are read before
        self.queries = _of_queries(model.config.model_type)
        self._fresh = sorted(fresh)
        self.new = tuple(model.get_submodule(name) for name in self._fresh)

    @property
    def own_loss(self) -> bool:  # type: ignore[override]
        """Where queries are matched with masks."""
        return self.queries

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own config, and which parts were made anew."""
        return {
            "model": as_json(self.model.config),
            "pretrained": self.pretrained,
            "new": self._fresh,
        }

    def look(self, arrays: Mapping[str, Any]) -> Features:
        """Logits at the size that the model gives; of queries the logarithm of their sum."""
        if not self.queries:
            logits = self.model(pixel_values=arrays["pixels"]).logits
            masks = logits[:, 1:] - logits[:, :1] if self._binary else logits
            return Features(extra={"masks": masks, "embedding": means(logits)})
        if WEIGHED in arrays and len(arrays["pixels"]) > 1:  # a loss of a batch cannot be weighed
            return self._one_by_one(arrays)
        given: dict[str, Any] = {}
        if WANTED in arrays and self.training:
            given = _labels(arrays[WANTED])
        pixels = arrays["pixels"]
        with torch.autocast(pixels.device.type, enabled=False):  # costs overflow in 16 bits
            said = self.model(pixel_values=pixels, **given)
        classes = said.class_queries_logits.float().softmax(dim=-1)[..., :-1]
        places = said.masks_queries_logits.float().sigmoid()
        each = torch.einsum("bqc,bqhw->bchw", classes, places).clamp(min=1e-6)
        masks = each.log()
        masks = masks[:, 1:] - masks[:, :1] if self._binary else masks
        found = {"masks": masks, "embedding": classes.mean(dim=1)}
        if given:
            found["loss"] = said.loss.float().reshape(()).expand(len(pixels))
        return Features(extra=found)

    def _one_by_one(self, arrays: Mapping[str, Any]) -> Features:
        names = ("pixels", WANTED, WEIGHED)
        rows = [
            self.look({name: arrays[name][row : row + 1] for name in names if name in arrays}).extra
            for row in range(len(arrays["pixels"]))
        ]
        return Features(extra={name: torch.cat([one[name] for one in rows]) for name in rows[0]})


def _of_queries(kind: str) -> bool:
    return (
        kind in MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES
        and kind not in MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
    )


def _labels(codes: Tensor) -> dict[str, Any]:
    """A mask and a class for each class of each picture."""
    masks, classes = [], []
    for one in codes:
        there = one.unique()
        there = there[there >= 0]
        masks.append((one[None] == there[:, None, None]).float())
        classes.append(there.long())
    return {"mask_labels": masks, "class_labels": classes}


def _loaded(checkpoint: Checkpoint, names: Sequence[str]) -> tuple[nn.Module, set[str]]:
    """The model with a head for these classes, and the names of modules that were made anew: those
    that the checkpoint has not, as it is a trunk alone, and those of other classes.

    Raises:
        CheckpointError: it cannot be read, or other parts of it have other shapes.
    """
    try:
        config = AutoConfig.from_pretrained(checkpoint.location, trust_remote_code=False)
        config.update(labels(names))
        model, report = _auto(config.model_type).from_pretrained(
            checkpoint.location,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except _FAILS as error:
        raise CheckpointError(
            f"transformers cannot read {checkpoint.name!r} ({checkpoint.source}): {error}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name another checkpoint; models that need code of their own are not run",
        ) from error
    other = {
        str(name): f"{list(has)}, not {list(want)}" for name, has, want in report["mismatched_keys"]
    }
    expected = _of_classes(model) if other else set()
    wrong = [f"{name} {said}" for name, said in other.items() if name not in expected]
    if wrong:
        raise CheckpointError(
            f"{checkpoint.name!r} ({checkpoint.source}) has weights of other shapes than its "
            f"config.json says, of parts that do not depend on the classes: "
            f"{'; '.join(wrong[:_SHOWN])}{' ...' if wrong[_SHOWN:] else ''}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name a folder whose config.json is that of its weights",
        )
    lacks = {str(one) for one in report["missing_keys"]}
    return model, {name.rpartition(".")[0] for name in other.keys() | lacks}


def _try_out(model: Any, canvas: tuple[int, int]) -> None:
    """Raises CheckpointError where the model cannot read a picture of the canvas, and no more."""
    kind, made_for = model.config.model_type, getattr(model.config, "image_size", None)
    try:
        with torch.no_grad():
            said = model.eval()(pixel_values=torch.zeros(1, 3, *canvas))
        if ("masks_queries_logits" if _of_queries(kind) else "logits") not in said:
            raise ValueError(f"it gives {', '.join(said.keys())}")
    except _FAILS as error:
        raise CheckpointError(
            f"{kind} draws no masks of a picture of {canvas[0]} x {canvas[1]} pixels alone: "
            f"{error}",
            plugin=PLUGIN,
            value=kind,
            remedy="name another checkpoint"
            if made_for in (None, *canvas) and canvas[0] == canvas[1]
            else f"inputs.picture_image.processor.image_size={made_for or max(canvas)}, a square",
        ) from error


def _of_classes(model: Any) -> set[str]:
    """Names of the tensors whose shapes follow from the number of classes."""
    config = copy.deepcopy(model.config)
    config.update(labels([*config.id2label.values(), "one more"]))
    with torch.device("meta"):
        other = _built(config).state_dict()
    return {name for name, one in model.state_dict().items() if one.shape != other[name].shape}


def rebuilt(values: Mapping[str, Any]) -> Any:
    """The config of a saved model.

    Raises:
        ArtifactError: transformers does not know it.
    """
    given = HFFolder.own_config(values)
    kind = str(given.get("model_type"))
    try:
        _auto(kind)
        return CONFIG_MAPPING[kind].from_dict(given)
    except _FAILS as error:
        raise ArtifactError(
            f"the saved architecture is no segmenter {kind!r} that transformers knows: {error}",
            plugin=PLUGIN,
            value=kind,
            remedy="install the transformers version with which the model was saved",
        ) from error


def _built(config: Any) -> nn.Module:
    try:
        model: nn.Module = _auto(config.model_type).from_config(config, dtype=torch.float32)
    except _FAILS as error:
        raise CheckpointError(
            f"transformers cannot build a {config.model_type} segmenter: {error}",
            plugin=PLUGIN,
            value=config.model_type,
            remedy="name another checkpoint",
        ) from error
    return model


def _auto(kind: str) -> Any:
    if _of_queries(kind):
        return AutoModelForUniversalSegmentation
    if kind in MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES:
        return AutoModelForSemanticSegmentation
    raise ValueError(f"{kind!r} is no segmenter")
