"""Models of OpenMMLab, built at a fit from a config, and later from JSON alone. Heavy."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api import ArtifactError, ConfigError, MMWarning
from mm_core.api.nn import BackboneContext
from mm_openmmlab.library import Library, quiet
from mm_openmmlab.resolving import Model, check, resolved, without_weights
from mm_openmmlab.weights import filled, stored

_FAILS = (
    AssertionError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What OpenMMLab raises on a config that it can make no model of."""


class Asked(Protocol):
    """The settings that :func:`made` reads."""

    architecture: str | dict[str, Any]
    custom_imports: bool


@dataclass(frozen=True)
class Made:
    """A model, and what it is made again by.

    Attributes:
        model: of mmdet, mmseg.
        config: the JSON that it was built from.
        pretrained: whether its weights were trained elsewhere.
        new: names of its modules that the checkpoint had no weights for.
    """

    model: Any
    config: Model
    pretrained: bool
    new: tuple[str, ...]

    @property
    def architecture(self) -> dict[str, Any]:
        """For ``Backbone.architecture``."""
        return {"model": self.config, "pretrained": self.pretrained, "new": list(self.new)}


def made(
    library: Library,
    asked: Asked,
    context: BackboneContext,
    adapt: Callable[[Model], Model],
    left: tuple[str, ...] = (),
) -> Made:
    """The model that a config names, or the one that was saved: of that no config is read.

    Args:
        library: of whose models it is.
        asked: settings of the backbone.
        context: of the backbone.
        adapt: gives a config its classes.
        left: beginnings of the names of weights that are left out, of parts that ``adapt`` took.

    Raises:
        PluginError: the library is not installed.
        ConfigError: the config cannot be read, or is refused.
        CheckpointError: the weights cannot be read, or are of another model.
        ArtifactError: what was saved is no model of the library.
    """
    saved = context.architecture if context.saved is None else context.saved
    if saved is not None:
        config, parts = saved["model"], []
        model = _built(library, config, ArtifactError, fresh=False)
        if context.architecture is not None:
            return Made(model, config, bool(saved["pretrained"]), tuple(saved["new"]))
    else:
        library.models()
        whole = resolved(library, asked.architecture, asked.custom_imports)
        config, parts = without_weights(adapt(whole))
        model = _built(library, config, ConfigError, fresh=True)
    if context.checkpoint is None:
        _tell(library, parts)
        return Made(model, config, False, ())
    name = context.checkpoint.name
    weights = stored(context.checkpoint, library.plugin)
    new = filled(model, weights, name, library.plugin, left)
    return Made(model, config, True, tuple(sorted(new)))


def _built(
    library: Library, config: Model, error: type[ArtifactError | ConfigError], fresh: bool
) -> Any:
    """Nothing of mmengine is left otherwise: neither its default scope nor its loggers."""
    registry = library.models()
    check(config, library, error)
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope

    try:
        with quiet(), DefaultScope.overwrite_default_scope(library.package):
            model = registry.build(ConfigDict(copy.deepcopy(config)))
            if fresh:
                model.init_weights()
            return model
    except _FAILS as fault:
        raise error(
            f"{library.package} cannot build {config.get('type')!r}: "
            f"{type(fault).__name__}: {fault}",
            plugin=library.plugin,
            value=config.get("type"),
            remedy=f"correct the config, or install the {library.package} that it was written for",
        ) from fault


def _tell(library: Library, parts: list[str]) -> None:
    if parts:
        warnings.warn(
            f"{library.plugin}: all weights are random; those that the config names for parts "
            f"({', '.join(parts)}) are not fetched. Give a checkpoint of the whole model",
            MMWarning,
            stacklevel=2,
        )


class Colours(nn.Module):
    """Pixels as the model's config wants them, from pixels as the processor gives them.

    Args:
        config: the model's, whose ``data_preprocessor`` says ``mean``, ``std``, ``bgr_to_rgb``, of
            values 0..255.
        info: the processor's: ``mean`` and ``std``, red, green, blue, of values 0..1.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, config: Model, info: Mapping[str, Any]) -> None:
        super().__init__()
        wanted = config.get("data_preprocessor") or {}
        self.turned = not wanted.get("bgr_to_rgb", False)  # they read files as blue, green, red
        turn = slice(None, None, -1 if self.turned else 1)
        mean, std = (np.array(info[key], np.float64)[turn] for key in ("mean", "std"))
        middle = np.array(wanted.get("mean") or [0.0])
        spread = np.array(wanted.get("std") or [1.0])
        scale = 255 * std / spread
        shift = (255 * mean - middle) / spread
        self.register_buffer("scale", _column(scale), persistent=False)
        self.register_buffer("shift", _column(shift), persistent=False)
        near = np.allclose(scale, 1, atol=1e-4) and np.allclose(shift, 0, atol=1e-4)
        self.same = near and not self.turned

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W]."""
        if self.same:
            return pixels
        return (pixels.flip(1) if self.turned else pixels) * self.scale + self.shift


def _column(values: Any) -> Tensor:
    return torch.tensor(np.broadcast_to(values, 3).copy(), dtype=torch.float32).reshape(3, 1, 1)
