"""One run of the bare loop on one set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.bare.fused import Fused
from benchmarks.bare.loop import Part, RowData, Settings, Single, outputs, train
from benchmarks.rows import Rows, score
from benchmarks.sets import BenchmarkSet

TABLE_RATE = 4e-3
"""Of a table alone: the best of 1e-3, 2e-3 and 4e-3 on development rows, for a high bar."""


@dataclass(frozen=True)
class Target:
    """The label as numbers, and logits as answers."""

    n_outputs: int
    encode: Callable[[pd.Series], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]
    loss: Callable[[Tensor, Tensor], Tensor]


def run(one: BenchmarkSet, rows: Rows, seed: int) -> dict[str, Any]:
    """Train, choose the best epoch on the held-out rows, score the test rows once."""
    torch.manual_seed(seed)
    started = time.perf_counter()
    target = _classes(one, rows.train) if one.metric != "r2" else _number(one, rows.train)
    parts = _parts(one, rows.train)
    model = (
        Single(parts[0], target.n_outputs) if len(parts) == 1 else Fused(parts, target.n_outputs)
    )
    settings = Settings(one.budget.epochs, one.budget.batch_size)
    if list(one.modalities) == ["tabular"]:
        settings = replace(settings, new_rate=TABLE_RATE)

    def answer(data: RowData) -> np.ndarray:
        return target.decode(outputs(model, data, settings.batch_size))

    def rows_of(frame: pd.DataFrame, augment: bool) -> RowData:
        return RowData(parts, frame, target.encode(frame[one.label]), augment)

    held = rows_of(rows.held, augment=False)
    scores = train(
        model,
        [part.encoder for part in parts if part.pretrained],
        rows_of(rows.train, augment=True),
        target.loss,
        lambda: score(one, rows.held[one.label], answer(held)),
        settings,
    )
    fitted = time.perf_counter()
    found = score(one, rows.test[one.label], answer(rows_of(rows.test, augment=False)))
    return {
        "score": found,
        "fit_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
        "validation": scores,
        "settings": asdict(settings),
    }


def _parts(one: BenchmarkSet, train_rows: pd.DataFrame) -> list[Part]:
    parts: list[Part] = []
    if one.text:
        from benchmarks.bare.text import Text

        assert one.budget.max_length is not None
        parts.append(Text(one.text, one.budget.max_length))
    if one.image:
        from benchmarks.bare.image import Image

        assert one.budget.image_size is not None
        parts.append(Image(one.image, one.budget.image_size))
    if one.numbers or one.categories:
        from benchmarks.bare.tabular import Table

        parts.append(Table(one.numbers, one.categories, train_rows))
    return parts


def _classes(one: BenchmarkSet, frame: pd.DataFrame) -> Target:
    classes = np.array(sorted(frame[one.label].unique()))
    positions = {name: position for position, name in enumerate(classes.tolist())}

    def decode(logits: np.ndarray) -> np.ndarray:
        if one.metric == "roc_auc":
            return np.asarray(logits[:, 1] - logits[:, 0])
        return np.asarray(classes[logits.argmax(axis=1)])

    # A class of the test rows that training lacks cannot be right; -1 is never asked for its loss.
    return Target(
        len(classes),
        lambda label: np.array([positions.get(name, -1) for name in label.tolist()]),
        decode,
        F.cross_entropy,
    )


def _number(one: BenchmarkSet, frame: pd.DataFrame) -> Target:
    mean, std = float(frame[one.label].mean()), float(frame[one.label].std())
    return Target(
        1,
        lambda label: ((label - mean) / std).to_numpy(np.float32),
        lambda logits: np.asarray(logits[:, 0].astype(np.float64) * std + mean),
        lambda logits, targets: F.mse_loss(logits[:, 0], targets),
    )
