"""The result files as ``docs/benchmarks.md``: ``python -m benchmarks.report`` writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report_ablation import ablation
from benchmarks.report_speed import processes, scaling, speed

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

_SIDES = {"bare": "hand-written loop", "ours:tabular:own": "table alone, its own number of epochs"}


def page() -> str:
    """The page's text."""
    scores = json.loads((RESULTS / "scores.json").read_text())
    dropped = json.loads((RESULTS / "dropped.json").read_text())
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `python -m benchmarks.report` from `benchmarks/results/`; how each number",
            "comes about stands in [benchmarks/](../benchmarks/README.md).",
            "",
            "## Beside a hand-written loop",
            "",
            "Same pretrained encoders, rows (2,000 at most), epochs, batch size and held-out rows;",
            "scored on `test.csv`, which nothing was chosen by. The interval is that of the paired",
            "difference over seeds (Student's t, 95%).",
            "",
            *_scores(scores),
            "",
            _place(scores),
            "",
            *_measured(),
            "## A modality that is missing at prediction",
            "",
            f"Accuracy on {dropped['set']['name']}, {len(dropped['seeds'])} seeds, one model for",
            "all lines: its training rows had every modality.",
            "",
            *_dropped(dropped),
            "",
            _place(dropped),
            "",
        ]
    )


def _measured() -> list[str]:
    """Sections of those results of time and memory that there are."""
    lines: list[str] = []
    for name, (title, text, tables) in _MEASURED.items():
        file = RESULTS / f"{name}.json"
        if file.exists():
            results = json.loads(file.read_text())
            lines += [f"## {title}", "", *text, ""]
            for table in tables:
                lines += [*table(results), ""]
            lines += [_place(results), ""]
    return lines


_MEASURED: dict[str, tuple[str, list[str], list[Callable[[dict[str, Any]], list[str]]]]] = {
    "speed": (
        "Time and memory beside a hand-written loop",
        [
            "Both sides train the same network with the same rows, epochs, batches, lengths and",
            "augmentation, validate as often, and save once; the fit counts all of that, imports",
            "are told apart. Bare / ours, medians over pairs of fresh processes that took turns;",
            "ratios are ours / bare, with the least and the most of them.",
        ],
        [speed, processes],
    ),
    "speed_slim": (
        "A small table where only mm-core and mm-tabular are installed",
        ["Without transformers, timm and torchvision; imports count in the whole process."],
        [speed, processes],
    ),
    "ablation_recipe": (
        "The training recipe",
        [
            "Each line changes one thing of the defaults. Scored on a quarter of train.csv,",
            "trained on 2,000 of its rows at most (snips 400, pokemon 600), 3 epochs, tables 20:",
            "`python -m benchmarks.ablation --group recipe`. Two learning rates are what counts;",
            "most other differences are within what seeds make.",
        ],
        [ablation],
    ),
    "ablation_layer_decay": (
        "Layer-wise decay",
        [
            "AutoMM has 0.9 per stage. MiniLM has 7 stages; EfficientNet-Lite0 has 17, and 0.9",
            "leaves the first one 0.19 of the rate. A quarter of train.csv is scored, 3 epochs,",
            "snips of 400 rows: `python -m benchmarks.ablation --group layer_decay --seeds 8`.",
            "Every interval holds 0, so the simpler of the two is the default: none.",
        ],
        [ablation],
    ),
    "ablation_image": (
        "Learning rate of an image backbone",
        [
            "EfficientNet-Lite0 and the rest at the defaults of before this was measured, on a",
            "quarter of the training rows: `python -m benchmarks.ablation --group image`.",
        ],
        [ablation],
    ),
    "ablation_augment": (
        "Augmentation of images",
        [
            "The number after @ is that of the epochs (cifar10_2k: 3); a quarter of the training",
            "rows is scored: `python -m benchmarks.ablation --group augment`. Each interval holds",
            "0; random parts of the image (`strong`) are worse in 11 of the 12 pairs of fits.",
        ],
        [ablation],
    ),
    "ablation_adapter": (
        "Adapters",
        [
            "MiniLM with each of mm-peft's, default settings, 3 epochs on 1,000 commands at most;",
            "a quarter of train.csv is scored: `python -m benchmarks.ablation --group adapter`.",
        ],
        [ablation],
    ),
    "scaling": (
        "Cost against rows and columns",
        [
            "One epoch of fit, then all rows predicted; made tables. Memory is told beyond what",
            "stands after the imports.",
        ],
        [scaling],
    ),
}


def _scores(results: dict[str, Any]) -> list[str]:
    lines = [
        "| set | metric | seeds | compared with | theirs | ours | difference | 95% interval |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in results["sets"].items():
        found = entry["summary"]
        seeds = len(entry["runs"]["ours"])
        for side, difference in found["ours_minus"].items():
            low, high = difference["interval"]
            said = _SIDES.get(side, f"{side.removeprefix('ours:')} alone")
            lines.append(
                f"| {name} | {found['metric']} | {seeds} | {said} | {found['mean'][side]:.4f} "
                f"| {found['mean']['ours']:.4f} | {difference['mean']:+.4f} "
                f"| {low:+.4f} to {high:+.4f} |"
            )
    return lines


def _dropped(results: dict[str, Any]) -> list[str]:
    lines = ["| columns at prediction | mean | each seed |", "|---|---|---|"]
    for name, mean in results["mean"].items():
        said = {"all": "all", "majority": "none: the most frequent label"}.get(name, name)
        each = ", ".join(f"{seed[name]:.3f}" for seed in results["seeds"])
        lines.append(f"| {said} | {mean:.3f} | {each} |")
    return lines


def _place(results: dict[str, Any]) -> str:
    versions = results["versions"]
    named = [name for name in ("torch", "transformers", "timm") if name in versions]
    said = ", ".join(f"{name} {versions[name]}" for name in named)
    machine = results["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {said}."


if __name__ == "__main__":
    PAGE.write_text(page())
