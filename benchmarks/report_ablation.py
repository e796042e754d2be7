"""Results of ``ablation.py`` as a table."""

from __future__ import annotations

from typing import Any

from benchmarks.paired import paired


def ablation(found: dict[str, Any]) -> list[str]:
    """Mean score of each variant, and its paired difference from the reference, as Markdown."""
    sets = list(found["scores"])
    seeds = {one: _seeds(runs) for one, runs in found["scores"].items()}
    heads = [
        f"{one}, {found['definitions'][one]['metric']}, {len(seeds[one])} seeds" for one in sets
    ]
    lines = [
        "Means; in brackets the difference from the first line, and its 95% interval.",
        "",
        "| | " + " | ".join(heads) + " |",
        "|---" * (len(sets) + 1) + "|",
    ]
    for name in found["variants"]:
        cells = [_cell(found["scores"][one], name, found["reference"], seeds[one]) for one in sets]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _seeds(runs: dict[str, dict[str, float]]) -> list[str]:
    """Those with which every variant was tried."""
    return sorted(set.intersection(*(set(scores) for scores in runs.values())), key=int)


def _cell(scores: dict[str, dict[str, float]], name: str, reference: str, seeds: list[str]) -> str:
    if name not in scores:
        return ""
    values, others = ([scores[one][seed] for seed in seeds] for one in (name, reference))
    mean = sum(values) / len(seeds)
    if name == reference:
        return f"{mean:.4f}"
    difference = paired(values, others)
    low, high = difference["interval"]
    return f"{mean:.4f} ({difference['mean']:+.4f}, {low:+.3f} to {high:+.3f})"
