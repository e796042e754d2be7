"""What every segmenter is: a backbone that says of each place which class it is. Heavy: torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mm_core.api.nn import Backbone, BackboneContext, Features

WANTED = "wanted_codes"
"""Name under which the topology puts ``codes`` among the arrays of one with a loss of its own."""


WEIGHED = "wanted_weight"
"""Weights of the rows [B], beside ``wanted_codes``: each row then has a loss of its own."""


class Segmenter(Backbone):
    """Gives the feature ``masks``: ``extra["masks"]`` logits [B, D, h, w] of the canvas.

    h and w may be smaller than the canvas: who reads them makes them larger. ``extra["embedding"]``
    is a vector a picture [B, E]; ``extra["loss"]`` [B], where it has a loss of its own
    (:attr:`own_loss`) and ``wanted_codes`` [B, H, W] stands among its arrays.

    A segmenter is a backbone, so that adapters, stages and learning rates work on it; what its
    checkpoint has no weights for is ``new``.

    Arrays read: ``pixels`` float [B, 3, H, W].
    """

    own_loss: bool = False
    """Whether it reads the truth in training: for a loss of its own, or to draw prompts from it;
    ``extra["codes"]`` is then what is wanted of it."""

    takes_prompts: bool = False
    """Whether ``prompts`` may stand among its arrays."""

    def __init__(self, config: Any, context: BackboneContext) -> None:
        super().__init__(config, context)
        ((self.input_name, info),) = context.inputs.items()
        height, width = info["image_size"]
        self.canvas = (int(height), int(width))
        self.n_outputs = int(context.task["output_dim"])

    @property
    def dims(self) -> Mapping[str, int]:
        """Numbers that are said of each place."""
        return {"masks": self.n_outputs}

    def forward(self, inputs: Mapping[str, Mapping[str, Any]]) -> Features:
        """``masks``, ``embedding``, and the loss where it is its own."""
        return self.look(inputs[self.input_name])

    def look(self, arrays: Mapping[str, Any]) -> Features:
        """What it says of some pictures."""
        raise NotImplementedError


def means(maps: Tensor) -> Tensor:
    """[B, D] of [B, D, h, w]."""
    return maps.mean(dim=(2, 3))
