"""All fusion heads on the same latents, and what the parts of the fusion lab are worth.

    OMP_NUM_THREADS=1 python -m benchmarks.fusion --data DIR

Training rows only, but for ``fusemix``: every split draws the rows that are scored from
``train.csv``. The encoders (all-MiniLM-L6-v2, EfficientNet-Lite0) are frozen, run once a row; the
table's transformer stays as it was drawn, so that all heads read the same. Nothing is tuned: all
heads have their own defaults, the same epochs and rates.

- ``heads``: every head on the same splits of three sets, those that read one vector an input first.
  Runs go to ``build/fusion/`` as they end, and are not run again.
- ``speed``: processor seconds of an epoch, of the whole network and of what is above the encoders.
- ``missing``, ``mixup``: trained with inputs left out at random, or with latents blended, and not.
- ``lego``: models of one input each, merged, beside one trained on both.
- ``fusemix``: pictures and descriptions aligned, on test rows (:mod:`benchmarks.aligning`).
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.aligning import aligning
from benchmarks.frozen import remember
from benchmarks.place import machine, versions

POOLED = (
    *("core:concat_mlp", "core:mean", "core:logit", "core:hybrid"),
    *("fusion:gmu", "fusion:gated_residual", "fusion:film", "fusion:moe", "fusion:tfn"),
    *("fusion:lmf", "fusion:block", "fusion:deepset", "fusion:shaspec", "fusion:cls_transformer"),
)
"""The first is what the others are compared with."""

CLASSES = ("fusion:tmc",)
"""For classes alone."""

TOKENS = ("fusion:cross_attention", "fusion:mbt", "fusion:perceiver")

FIXED = {
    "fit": "fusion:cached",
    "fit.new": "keep",
    "fit.keep": ["pooled", "tokens"],
    "backbones.tabular.id": "tabular:ft_transformer",
    "backbones.tabular.width": 64,
    "backbones.tabular.n_blocks": 1,
    "training.epochs": 10,
    "training.batch_size": 32,
    "training.head_learning_rate": 1e-3,
}

POOLED_ALONE = FIXED | {"fit.keep": ["pooled"]}
"""For heads that read one vector an input: tokens are not kept."""


@dataclass(frozen=True)
class Table:
    """A folder with ``train.csv``: its label, its score, rows at most, settings of its inputs."""

    label: str
    metric: str
    rows: int
    settings: dict[str, Any] = field(default_factory=dict)


SETS = {
    "pokemon": Table(
        "type",
        "accuracy",
        1000,
        {"inputs.image.processor.image_size": 96, "inputs.text.processor.max_length": 32},
    ),
    "houses": Table("price", "r2", 1000, {"inputs.image.processor.image_size": 96}),
    "airline_tweets": Table(
        "sentiment", "accuracy", 1000, {"inputs.text.processor.max_length": 32}
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fusion.json"))
    parser.add_argument("--work", type=Path, default=Path("build/fusion"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--heads", default=None, help="of the first part; None: all")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for part in asked.parts.split(","):
        if part != "speed":
            remember()
        for name, found in PARTS[part](asked):
            said = json.loads(asked.out.read_text()) if asked.out.is_file() else {}
            said.setdefault(part, {})[name] = found
            said |= {"machine": machine(torch.get_num_threads()), "versions": versions()}
            asked.out.write_text(json.dumps(said, indent=1) + "\n")


def _rows(asked: argparse.Namespace, name: str) -> Any:
    """The training rows of a set, at most as many as it has in ``SETS``."""
    from mm_core.api.tools import installed, read_rows

    table = read_rows(asked.data / name / "train.csv", installed([])).table
    return table.take(np.arange(min(SETS[name].rows, len(table))))


def _heads(asked: argparse.Namespace) -> Found:
    """Every head on the same splits, and the differences to the first; cheap ones first."""
    named = None if asked.heads is None else tuple(asked.heads.split(","))
    for more in (False, True) if named is None else (False,):
        for seeds in range(1, asked.seeds + 1):
            for name in asked.sets.split(","):
                heads = POOLED + (CLASSES if SETS[name].metric == "accuracy" else ())
                heads = named or heads + (TOKENS if more else ())
                yield name, _compared(asked, name, heads, seeds)


def _compared(
    asked: argparse.Namespace, name: str, heads: tuple[str, ...], seeds: int
) -> dict[str, Any]:
    from mm_compare.api import compare

    rows, started = _rows(asked, name), time.process_time()
    found = compare(
        rows,
        SETS[name].label,
        {"fusion": heads},
        seeds,
        hyperparameters=FIXED | SETS[name].settings,
        eval_metric=SETS[name].metric,
        folder=asked.work / name,
        tell=lambda line: print(name, line, flush=True),
    )
    print(f"{time.process_time() - started:.0f} seconds of the processor", flush=True)
    return {
        "metric": found.metric,
        "rows": len(rows),
        "table": json.loads(found.table.round(4).to_json(orient="records")),
        "runs": json.loads(found.runs.round(4).to_json(orient="records")),
    }


def _speed(asked: argparse.Namespace) -> Found:
    """Processor seconds of an epoch, of the whole network and of what is above it."""
    from mm_core import MultiModalPredictor

    for name in asked.sets.split(","):
        found: dict[str, Any] = {"rows": len(_rows(asked, name))}
        # Epochs differ by what else is done once: reading, encoding, the last answers.
        for way, epochs in (("core:finetune", (1, 2)), ("fusion:cached", (2, 22))):
            seconds = []
            for count in epochs:
                given = {key: value for key, value in FIXED.items() if not key.startswith("fit")}
                given |= SETS[name].settings | {"fit": way, "training.epochs": count}
                given |= {"fit.new": "keep"} if way == "fusion:cached" else {}
                given |= {"training.new_first": False, "training.patience": count}
                predictor = MultiModalPredictor(
                    SETS[name].label, hyperparameters=given, verbosity=0
                )
                started = time.process_time()
                predictor.fit(_rows(asked, name))
                seconds.append(time.process_time() - started)
            found[way] = round((seconds[1] - seconds[0]) / (epochs[1] - epochs[0]), 3)
            found[f"{way} validated"] = round(float(predictor.history.iloc[:, -1].max()), 4)
        found["times"] = round(found["core:finetune"] / found["fusion:cached"], 1)
        print(name, found, flush=True)
        yield name, found


def _missing(asked: argparse.Namespace) -> Found:
    """Trained with inputs left out at random and without, scored at 0 to 75 % missing."""
    yield from _fits(asked, {"plain": {}, "dropout": {"fusion": "fusion:modality_dropout"}}, _gone)


def _gone(model: Any, test: Any) -> dict[str, float]:
    found = model.robustness(test, shares=[0.25, 0.5, 0.75])
    score = found.columns[-1]
    at_random = found[(found.kept == "at random") | (found.index == 0)]
    return {str(one.missing): float(getattr(one, score)) for one in at_random.itertuples()}


def _mixup(asked: argparse.Namespace) -> Found:
    """Latents blended in training, and not."""
    yield from _fits(asked, {"plain": {}, "fusemix": {"fusion": "fusion:fusemix"}}, _score)


def _score(model: Any, test: Any) -> dict[str, float]:
    scores = model.evaluate(test)
    return {"score": float(next(iter(scores.values())))}


Score = Callable[[Any, Any], dict[str, float]]


def _fits(asked: argparse.Namespace, ways: dict[str, Any], score: Score) -> Found:
    """Each way on the same splits; scores as they come, in the order of seeds."""
    for name in asked.sets.split(","):
        rows, found = _rows(asked, name), dict[str, list[dict[str, float]]]()
        for seed in range(asked.seeds):
            train, test = _split(rows, seed)
            for way, settings in ways.items():
                given = POOLED_ALONE | SETS[name].settings | settings
                model = _predictor(name, given).fit(train, seed=seed)
                found.setdefault(way, []).append(score(model, test))
                print(name, seed, way, found[way][-1], flush=True)
            yield name, {"metric": SETS[name].metric} | found


def _predictor(name: str, settings: dict[str, Any]) -> Any:
    """Of a set, scored by its score."""
    from mm_core import MultiModalPredictor

    return MultiModalPredictor(
        SETS[name].label,
        hyperparameters=settings,
        verbosity=0,
        eval_metric=SETS[name].metric,
    )


def _split(rows: Any, seed: int) -> tuple[Any, Any]:
    """The rows that train, and a fifth that is scored."""
    order = np.random.default_rng((seed, 17)).permutation(len(rows))
    cut = len(rows) // 5
    return rows.take(np.sort(order[cut:])), rows.take(np.sort(order[:cut]))


def _lego(asked: argparse.Namespace) -> Found:
    """Models of two inputs each, merged; trained together; fused and trained 1 and 5 epochs."""
    from mm_lego.api import merged_model

    from mm_core.api.tools import installed, load, model_of, result_of, save_model

    registry = installed([])
    for name, pair in (("pokemon", ("image", "text")), ("airline_tweets", ("tabular", "text"))):
        rows, found = _rows(asked, name), dict[str, list[float]]()
        for seed in range(asked.seeds):
            train, test = _split(rows, seed)
            inputs = _predictor(name, {}).plan(train).inputs
            fitted = {}
            for way, kept in ((pair[0], pair[:1]), (pair[1], pair[1:]), ("joint", pair)):
                given = POOLED_ALONE | {"fusion": "lego:merge"} | SETS[name].settings
                gone = [c for one, part in inputs.items() if one not in kept for c in part.columns]
                given = {k: v for k, v in given.items() if _about(k, inputs, kept)}
                fitted[way] = _predictor(name, given).fit(
                    train, seed=seed, column_types=dict.fromkeys(gone, "ignore")
                )
                found.setdefault(way, []).append(_score(fitted[way], test)["score"])
            models = {way: model_of(fitted[way]) for way in pair}
            for way, method, epochs in (
                ("merge", "merge", 0),
                ("fuse, 1 epoch", "fuse", 1),
                ("fuse, 5 epochs", "fuse", 5),
            ):
                folder = asked.work / "lego" / f"{name}-{seed}-{method}"
                merged = merged_model(models, registry, method, {})
                save_model(merged, result_of(fitted[pair[0]]), registry, folder)
                model = load(folder)
                if epochs:
                    model.fit(train, hyperparameters={"training.epochs": epochs}, seed=seed)
                found.setdefault(way, []).append(_score(model, test)["score"])
            print(name, seed, {way: one[-1] for way, one in found.items()}, flush=True)
            yield name, {"metric": SETS[name].metric, "scores": found}


def _about(key: str, inputs: Any, kept: tuple[str, ...]) -> bool:
    """Whether a setting is of nothing that is left out."""
    parts = key.split(".")
    return parts[0] not in ("inputs", "backbones") or parts[1] in kept


Found = Iterator[tuple[str, dict[str, Any]]]
"""What is measured, and what came of it so far: the last word on a name counts."""

PARTS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "heads": _heads,
    "speed": _speed,
    "missing": _missing,
    "mixup": _mixup,
    "lego": _lego,
    "fusemix": aligning,
}


if __name__ == "__main__":
    main()
