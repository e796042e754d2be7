"""Prediction: plain PyTorch, no Trainer, no processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mm_core.api.errors import BadCell
from mm_core.api.nn import Batch
from mm_core.api.tasks import Decoded
from mm_core.data.batches import BatchMaker, prediction_order
from mm_core.data.encoded import EncodedFrame
from mm_core.model import Model

GPU_BATCH_SIZE = 64
"""Rows at once on a GPU, at least."""


def predict(model: Model, frame: EncodedFrame) -> tuple[Decoded, list[BadCell]]:
    """One answer per row, in order, and the cells that could not be read (masked)."""
    found, meta, bad = outputs(model, frame)
    return model.task.decode(found, meta), bad


def outputs(
    model: Model, frame: EncodedFrame, rows: np.ndarray | None = None
) -> tuple[dict[str, Any], dict[str, Any], list[BadCell]]:
    """Outputs and meta for ``Task.decode``, rows in order, and the cells that could not be read.

    Args:
        model: to predict with.
        frame: encoded rows.
        rows: positions of those to predict, ascending; None: all.
    """
    return _run(model, frame, model.topology.predict, rows)


def embed(model: Model, frame: EncodedFrame) -> tuple[np.ndarray, list[BadCell]]:
    """float32 [N, D], one vector per row, and the cells that could not be read (masked)."""
    found, _, bad = _run(model, frame, lambda batch: {"embedding": model.topology.embed(batch)})
    return np.asarray(found["embedding"], dtype=np.float32), bad


def _run(
    model: Model,
    frame: EncodedFrame,
    step: Callable[[Batch], dict[str, Any]],
    rows: np.ndarray | None = None,
) -> tuple[dict[str, Any], dict[str, Any], list[BadCell]]:
    """Outputs and ``"<input>.<key>"`` meta, rows in the caller's order; unreadable cells."""
    maker = BatchMaker(model.processors, frame)
    order = prediction_order(frame, _batch_size(model), rows)
    device = model.device
    training = model.topology.training
    if training:  # walks all modules: a good part of the time that one row takes
        model.topology.eval()
    parts: list[dict[str, Any]] = []
    metas: list[dict[str, Any]] = []
    try:
        with torch.inference_mode():
            for positions in order:
                batch = maker.make(positions)
                parts.append(step(batch.to(device)))
                metas.append(
                    {f"{k}.{key}": v for k, meta in batch.meta.items() for key, v in meta.items()}
                )
    finally:
        if training:
            model.topology.train()
    back = np.argsort(np.concatenate(order), kind="stable")
    bad = list(dict.fromkeys([*frame.bad, *maker.bad]))
    return _joined(parts, back), _joined(metas, back), bad


def _batch_size(model: Model) -> int:
    """Rows at once: as in training, where many cheap rows or few dear ones are a batch.

    That many fit into memory. On a CPU more would not be faster: large activations cost a page
    fault for every 4 KiB of them, each time.
    """
    trained = model.recipe.training.batch_size
    return trained if model.device.type == "cpu" else max(trained, GPU_BATCH_SIZE)


def _joined(parts: Sequence[Mapping[str, Any]], back: np.ndarray) -> dict[str, Any]:
    return {name: _join([part[name] for part in parts], back) for name in parts[0]}


def _join(parts: Sequence[Any], back: np.ndarray) -> Any:
    """Batches of one output as one, rows in the caller's order; ragged outputs stay lists."""
    if isinstance(parts[0], torch.Tensor):
        joined = torch.cat(list(parts))
        joined = joined.float() if joined.is_floating_point() else joined  # numpy has no bfloat16
        return joined.cpu().numpy()[back]
    rows = [row for part in parts for row in part]
    return [rows[position] for position in back]
