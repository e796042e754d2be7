"""One run of the bare loop on one set."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.bare.fused import Fused
from benchmarks.bare.loop import Part, Settings, Single, outputs, train
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


@dataclass(frozen=True)
class Fitted:
    """A trained model, and how its answers are read.

    ``scores``: of the held-out rows, after each epoch.
    """

    model: nn.Module
    parts: Sequence[Part]
    target: Target
    settings: Settings
    scores: list[float]

    def answer(self, frame: pd.DataFrame) -> np.ndarray:
        """What :func:`benchmarks.rows.score` reads, one for each row."""
        columns = [part.rows(frame, augment=False) for part in self.parts]
        logits = outputs(self.model, columns, len(frame), self.settings.batch_size)
        return self.target.decode(logits)


def run(one: BenchmarkSet, rows: Rows, seed: int) -> dict[str, Any]:
    """Train, choose the best epoch on the held-out rows, score the test rows once."""
    started = time.perf_counter()
    fitted = fit(one, rows.train, rows.held, seed)
    done = time.perf_counter()
    found = score(one, rows.test[one.label], fitted.answer(rows.test))
    return {
        "score": found,
        "fit_seconds": done - started,
        "predict_seconds": time.perf_counter() - done,
        "validation": fitted.scores,
        "settings": asdict(fitted.settings),
    }


def fit(
    one: BenchmarkSet,
    train_rows: pd.DataFrame,
    held: pd.DataFrame,
    seed: int,
    table: Callable[[BenchmarkSet, pd.DataFrame], Part] | None = None,
) -> Fitted:
    """Train, and keep the epoch that is best on the held-out rows.

    Args:
        one: the set.
        train_rows: with the label.
        held: with the label.
        seed: of weights, order and augmentation.
        table: what reads numbers and categories; None: a plain MLP.
    """
    torch.manual_seed(seed)
    target = _classes(one, train_rows) if one.metric != "r2" else _number(one, train_rows)
    parts = _parts(one, train_rows, table)
    model = (
        Single(parts[0], target.n_outputs) if len(parts) == 1 else Fused(parts, target.n_outputs)
    )
    settings = Settings(one.budget.epochs, one.budget.batch_size)
    if list(one.modalities) == ["tabular"]:
        settings = replace(settings, new_rate=TABLE_RATE)
    held_columns = [part.rows(held, augment=False) for part in parts]

    def validate() -> float:
        logits = outputs(model, held_columns, len(held), settings.batch_size)
        return score(one, held[one.label], target.decode(logits))

    scores = train(
        model,
        parts,
        [part.rows(train_rows, augment=True) for part in parts],
        torch.from_numpy(target.encode(train_rows[one.label])),
        target.loss,
        validate,
        settings,
    )
    return Fitted(model, parts, target, settings, scores)


def _parts(
    one: BenchmarkSet,
    train_rows: pd.DataFrame,
    table: Callable[[BenchmarkSet, pd.DataFrame], Part] | None,
) -> list[Part]:
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
        if table is None:
            from benchmarks.bare.tabular import Table

            parts.append(Table(one.numbers, one.categories, train_rows))
        else:
            parts.append(table(one, train_rows))
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
