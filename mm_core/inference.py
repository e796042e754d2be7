"""Prediction: plain PyTorch, no Trainer, no processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from mm_core.api.contracts import Decoded
from mm_core.api.errors import BadCell
from mm_core.api.nn import Batch
from mm_core.data.batches import BatchMaker, prediction_order
from mm_core.data.encoded import EncodedFrame
from mm_core.model import Model

BATCH_SIZE = 64


def predict(model: Model, frame: EncodedFrame) -> tuple[Decoded, list[BadCell]]:
    """One answer per row, in order, and the cells that could not be read (masked)."""
    outputs, bad = _run(model, frame, model.topology.predict)
    return model.task.decode(outputs, {}), bad


def embed(model: Model, frame: EncodedFrame) -> tuple[np.ndarray, list[BadCell]]:
    """float32 [N, D], one vector per row, and the cells that could not be read (masked)."""
    outputs, bad = _run(model, frame, lambda batch: {"embedding": model.topology.embed(batch)})
    return np.asarray(outputs["embedding"], dtype=np.float32), bad


def _run(
    model: Model, frame: EncodedFrame, step: Callable[[Batch], dict[str, Any]]
) -> tuple[dict[str, Any], list[BadCell]]:
    maker = BatchMaker(model.processors, frame)
    order = prediction_order(frame, BATCH_SIZE)
    device = model.device
    training = model.topology.training
    model.topology.eval()
    try:
        with torch.inference_mode():
            parts = [step(maker.make(rows).to(device)) for rows in order]
    finally:
        model.topology.train(training)
    back = np.argsort(np.concatenate(order), kind="stable")
    outputs = {name: _join([part[name] for part in parts], back) for name in parts[0]}
    return outputs, [*frame.bad, *maker.bad]


def _join(parts: Sequence[Any], back: np.ndarray) -> Any:
    """Batches of one output as one, rows in the caller's order; ragged outputs stay lists."""
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(list(parts)).float().cpu().numpy()[back]
    rows = [row for part in parts for row in part]
    return [rows[position] for position in back]
