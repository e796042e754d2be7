"""MPNet once on MRPC, without a fit and fitted.

A twelve-layer network on one thread: training pairs are the first of the seed's, test pairs the
first of the published ones, as many as ``--large-rows`` says.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.matching.pairs import BATCH, EPOCHS, HELD, LENGTH, SIDES
from benchmarks.matching.runs import Run, rounded
from mm_core import MultiModalPredictor

RATE = 2e-5
NAME = "all-mpnet-base-v2"


def mpnet(asked: argparse.Namespace) -> Iterator[Run]:
    """roc_auc before and after."""
    train, test = (pd.read_csv(asked.data / "mrpc" / f"{part}.csv") for part in ("train", "test"))
    train, test = train.sample(asked.large_rows + HELD, random_state=0), test.head(asked.large_rows)
    run = {"part": "mpnet", "set": "mrpc", "rows": asked.large_rows, "test_rows": len(test)}
    yield run, partial(_measured, train, test)


def _measured(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    found = {}
    plain = _predictor()
    plain.evaluate(train.head(20))  # of both labels; the first call imports and downloads
    started = time.process_time()
    found["roc_auc_without_fit"] = plain.evaluate(test)["pairs"]
    found["seconds_of_test"] = time.process_time() - started
    started = time.process_time()
    fitted = _predictor().fit(train.iloc[:-HELD], tuning_data=train.iloc[-HELD:])
    found["seconds"] = time.process_time() - started
    found["roc_auc"] = fitted.evaluate(test)["pairs"]
    return rounded(found)


def _predictor() -> MultiModalPredictor:
    return MultiModalPredictor(
        "label",
        problem_type="text_similarity",
        query=SIDES[0],
        response=SIDES[1],
        hyperparameters={
            "backbones.query_text.checkpoint": NAME,
            "inputs.query_text.processor.max_length": LENGTH,
            "training.epochs": EPOCHS,
            "training.batch_size": BATCH,
            "training.learning_rate": RATE,
            "training.schedule": "linear",
        },
        verbosity=0,
    )
