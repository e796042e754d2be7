"""What other distributions may import: pictures in cells, masks, weights of timm. No torch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mm_image.cells import ImageCell, preview, split_cell
from mm_image.decode import UnreadableImageError, decode, find_image, size_and_turn
from mm_image.one import colours_of, images_of, one_image, scaled, windows, write_images
from mm_image.over import colour_of, overlay
from mm_image.runs import mask_to_runs, run_lengths, runs_to_mask, short_runs

if TYPE_CHECKING:
    from torch import Tensor

    from mm_core.api import Checkpoint

__all__ = [
    "ImageCell",
    "UnreadableImageError",
    "colour_of",
    "colours_of",
    "decode",
    "find_image",
    "images_of",
    "maps_alone",
    "mask_to_runs",
    "one_image",
    "overlay",
    "preview",
    "run_lengths",
    "runs_to_mask",
    "scaled",
    "short_runs",
    "size_and_turn",
    "split_cell",
    "timm_weights",
    "windows",
    "write_images",
]


@contextmanager
def maps_alone() -> Iterator[None]:
    """timm does not warn that the weights of a network's end find no place in its feature maps."""
    logger = logging.getLogger("timm.models._builder")

    def other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Unexpected keys")

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def timm_weights(checkpoint: Checkpoint, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint of the format ``image:timm``, under timm's own names.

    Args:
        checkpoint: on this machine.
        arguments: of the architecture's constructor.

    Raises:
        CheckpointError: the weights do not fit the architecture.
    """
    from mm_image.weights import stored_weights

    return stored_weights(checkpoint, arguments)
