"""Results of ``ablation.py`` as a table."""

from __future__ import annotations

from typing import Any

from benchmarks.paired import paired


def ablation(found: dict[str, Any]) -> list[str]:
    """Mean score of each variant, and its paired difference from the reference, as Markdown."""
    sets = list(found["scores"])
    metrics = [found["definitions"][one]["metric"] for one in sets]
    seeds = min(len(runs) for one in sets for runs in found["scores"][one].values())
    heads = [f"{one}, {metric}" for one, metric in zip(sets, metrics, strict=True)]
    lines = [
        f"Mean of {seeds} seeds; in brackets the difference from the first line, and its 95%",
        "interval.",
        "",
        "| | " + " | ".join(heads) + " |",
        "|---" * (len(sets) + 1) + "|",
    ]
    for name in found["variants"]:
        cells = [_cell(found["scores"][one], name, found["reference"], seeds) for one in sets]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(scores: dict[str, dict[str, float]], name: str, reference: str, seeds: int) -> str:
    if name not in scores:
        return ""
    values, others = (
        [scores[one][str(seed)] for seed in range(seeds)] for one in (name, reference)
    )
    mean = sum(values) / seeds
    if name == reference:
        return f"{mean:.4f}"
    difference = paired(values, others)
    low, high = difference["interval"]
    return f"{mean:.4f} ({difference['mean']:+.4f}, {low:+.3f} to {high:+.3f})"
