"""Weights of OpenMMLab's ``.pth`` files, without running what a pickle may hold. Heavy: torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api import Checkpoint, CheckpointError


class Ignored:
    """Stands for objects beside the weights that nobody reads: the history of a training."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def _nothing(*_: Any) -> None:
    """In the place of ``getattr``, by which mmengine's history names its methods."""


ALLOWED: list[Any] = [
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),
    (np._core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
    (np._core.multiarray._reconstruct, "numpy._core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float32", "float64")),
    (Ignored, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_nothing, "builtins.getattr"),
]
"""What may stand in a file besides tensors and plain values: numbers of numpy, and a history, which
is not built. Nothing else is, whatever the file says."""


def stored(checkpoint: Checkpoint, plugin: str) -> dict[str, Tensor]:
    """The weights by name.

    Args:
        checkpoint: of the format ``openmmlab:pth``.
        plugin: who asks, for errors.

    Raises:
        CheckpointError: the file holds something else, or wants code to be run.
    """
    path = Path(checkpoint.location, checkpoint.details["file"])
    try:
        with torch.serialization.safe_globals(ALLOWED):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, KeyError, OSError) as error:
        said = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} cannot be read without running code that it holds: {said}",
            plugin=plugin,
            value=checkpoint.name,
            remedy="take a published file; of one of your own keep torch.save({'state_dict': ...})",
        ) from error
    weights = found.get("state_dict", found) if isinstance(found, Mapping) else {}
    tensors = OrderedDict(
        (str(key).removeprefix("module."), one)
        for key, one in (weights.items() if isinstance(weights, Mapping) else ())
    )
    if not tensors or not all(isinstance(one, Tensor) for one in tensors.values()):
        raise CheckpointError(
            f"{path} holds no weights by name",
            plugin=plugin,
            value=checkpoint.name,
            remedy="name a .pth file of mmdet or mmseg, with a state_dict in it",
        )
    _keep_versions(weights, tensors)
    return tensors


def _keep_versions(of: Any, into: Any) -> None:
    """Of modules, by which a newer one knows names of weights that it has changed."""
    if hasattr(of, "_metadata"):
        into._metadata = of._metadata


def _one_length(own: torch.Size, stored: torch.Size) -> bool:
    """Whether they differ in one length, as heads for other classes do."""
    return len(own) == len(stored) and sum(a != b for a, b in zip(own, stored, strict=True)) == 1


def filled(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    checkpoint: str,
    plugin: str,
    left: tuple[str, ...] = (),
) -> set[str]:
    """Put the weights into a model.

    Args:
        model: of any classes.
        weights: by name.
        checkpoint: what they are called, for errors.
        plugin: who asks.
        left: beginnings of names that are left out: of parts that the model is built without.

    Returns:
        Names of modules whose shapes are others, heads for other classes: they stay as they are.

    Raises:
        CheckpointError: they are of another model.
    """
    own = model.state_dict()
    other = {key for key, one in weights.items() if key in own and own[key].shape != one.shape}
    fits = OrderedDict(
        (key, one) for key, one in weights.items() if key not in other and not key.startswith(left)
    )
    _keep_versions(weights, fits)
    report = model.load_state_dict(fits, strict=False)
    missing = sorted(
        key
        for key in set(report.missing_keys) - other
        if not key.endswith("num_batches_tracked")  # not in files of old
    )
    wider = sorted(key for key in other if not _one_length(own[key].shape, weights[key].shape))
    more, said = report.unexpected_keys, []
    if missing:
        said.append(f"lacks {len(missing)} of its weights, such as {missing[0]!r}")
    if more:
        said.append(f"has {len(more)} that it has no place for, such as {more[0]!r}")
    if wider:
        said.append(f"has {len(wider)} of other widths, such as {wider[0]!r}")
    if said:
        raise CheckpointError(
            f"{checkpoint!r} is not of this architecture: it {' and '.join(said)}",
            plugin=plugin,
            value=checkpoint,
            remedy="give the config that the weights were trained with: architecture=...",
        )
    return {key.rpartition(".")[0] for key in other}
