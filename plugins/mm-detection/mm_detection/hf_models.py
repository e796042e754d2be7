"""Models of transformers that find things: from a checkpoint, from a config. Heavy."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, HFFolder
from mm_core.api.nn import BackboneContext
from mm_detection.detector import Detector
from mm_detection.formats import unit_of
from mm_detection.tiny import tiny_config

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

_SHOWN = 5
"""Tensors that an error names."""


@dataclass(frozen=True)
class Family:
    """The models of transformers that are one backbone.

    Attributes:
        plugin: its id, for errors.
        auto: their ``AutoModelFor...``.
        types: model types that it takes.
    """

    plugin: str
    auto: Any
    types: Collection[str]

    def load(self, checkpoint: Checkpoint, classes: Sequence[str]) -> tuple[nn.Module, list[str]]:
        """The model with heads for these classes, and the names of modules that were made anew.

        Raises:
            CheckpointError: it cannot be read, lacks weights, or has weights of other shapes that
                are not those of the class heads.
        """
        try:
            with quiet():
                config = AutoConfig.from_pretrained(checkpoint.location, trust_remote_code=False)
                known = [str(config.id2label[code]) for code in range(config.num_labels)]
                offline(config)
                if known != list(classes):
                    name_classes(config, classes)
                model, report = self.auto.from_pretrained(
                    checkpoint.location,
                    config=config,
                    dtype=torch.float32,
                    local_files_only=True,
                    trust_remote_code=False,
                    ignore_mismatched_sizes=True,  # which, is looked at below
                    output_loading_info=True,
                )
                heads = set() if known == list(classes) else self._class_heads(model)
        except (*UNFIT, KeyError) as error:
            raise CheckpointError(
                f"transformers cannot read {checkpoint.name!r} ({checkpoint.source}): {error}",
                plugin=self.plugin,
                value=checkpoint.name,
                remedy="name another checkpoint; models that need code of their own are not run",
            ) from error
        self._refuse_others(checkpoint, report, heads)
        kept = heads - {one[0] for one in report["mismatched_keys"]}
        if kept:  # as many classes, and others: what they were told by says nothing of ours
            fresh, state = self.build(config).state_dict(), model.state_dict()
            for name in kept:
                state[name].copy_(fresh[name])
        owners = sorted({name.rpartition(".")[0] for name in heads})
        learned = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
        return model, [name for name in owners if name in learned]

    def build(self, config: PreTrainedConfig) -> nn.Module:
        """A model with random weights.

        Raises:
            CheckpointError: transformers makes none of this config.
        """
        try:
            model: nn.Module = self.auto.from_config(config, dtype=torch.float32)
        except UNFIT as error:
            raise CheckpointError(
                f"transformers cannot build a {config.model_type} detector: {error}",
                plugin=self.plugin,
                value=config.model_type,
                remedy="name another checkpoint",
            ) from error
        return model

    def config(self, values: Mapping[str, Any]) -> PreTrainedConfig:
        """The config of a saved model.

        Raises:
            ArtifactError: transformers does not know it.
        """
        given = HFFolder.own_config(values)
        kind = str(given.get("model_type"))
        if kind not in CONFIG_MAPPING or kind not in self.types:
            raise ArtifactError(
                f"transformers knows no detector of the type {kind!r}",
                plugin=self.plugin,
                value=kind,
                remedy="install the transformers version with which the model was saved",
            )
        try:
            config = CONFIG_MAPPING[kind].from_dict(given)
        except UNFIT as error:
            raise ArtifactError(
                f"the saved architecture is no {kind!r} model: {error}",
                plugin=self.plugin,
                value=kind,
            ) from error
        offline(config)
        return config

    def _class_heads(self, model: Any) -> set[str]:
        """Names of the tensors whose shapes follow from the number of classes."""
        config = copy.deepcopy(model.config)
        name_classes(config, [*config.id2label.values(), "one more"])
        with torch.device("meta"):
            other = self.auto.from_config(config, dtype=torch.float32).state_dict()
        return {name for name, one in model.state_dict().items() if one.shape != other[name].shape}

    def _refuse_others(
        self, checkpoint: Checkpoint, report: Mapping[str, Any], heads: Set[str]
    ) -> None:
        """Raises CheckpointError where weights lack or do not fit that are no class heads."""
        wrong = sorted(one for one in report["mismatched_keys"] if one[0] not in heads)
        if wrong:
            named = [f"{name} {list(has)}, not {list(want)}" for name, has, want in wrong[:_SHOWN]]
            more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise CheckpointError(
                f"{checkpoint.name!r} ({checkpoint.source}) has weights of other shapes than its "
                f"config.json says, of parts that do not depend on the classes: "
                f"{'; '.join(named)}{more}",
                plugin=self.plugin,
                value=checkpoint.name,
                remedy="name a folder whose config.json is that of its weights",
            )
        missing = sorted(set(report["missing_keys"]) - heads)
        if missing:
            raise CheckpointError(
                f"{checkpoint.name!r} ({checkpoint.source}) lacks {len(missing)} of the weights, "
                f"such as {missing[0]!r}",
                plugin=self.plugin,
                value=checkpoint.name,
                remedy="name another checkpoint",
            )


class HFBackbone(Detector):
    """One of a family, whose weights come from a checkpoint or by chance.

    The heads of a checkpoint with other classes are made anew, and are ``new``.
    """

    family: ClassVar[Family]
    unit: ClassVar[int | None] = None

    def __init__(self, config: Any, context: BackboneContext) -> None:
        super().__init__(config, context)
        classes = [str(one) for one in context.task.get("classes") or range(self.n_classes)]
        self._fresh: list[str] = []
        if context.architecture is not None:
            model = self.family.build(self.family.config(context.architecture["model"]))
            self.pretrained = bool(context.architecture["pretrained"])
            self._fresh = list(context.architecture["new"])
        elif context.checkpoint is not None:
            model, self._fresh = self.family.load(context.checkpoint, classes)
            self.pretrained = True
        else:
            model = self.family.build(tiny_config(config.random_model, classes, self.side))
        self.model: Any = model
        self.check_side(unit_of(self.architecture["model"]))
        self.new = tuple(model.get_submodule(name) for name in self._fresh)

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own config, and which parts were made anew."""
        model = json.loads(self.model.config.to_json_string(use_diff=False))
        return {
            "model": HFFolder.own_config(model),
            "pretrained": self.pretrained,
            "new": self._fresh,
        }


def without_autocast(pixels: Tensor) -> Any:
    """Matching by costs overflows or fails in 16 bits."""
    return torch.autocast(pixels.device.type, enabled=False)


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
