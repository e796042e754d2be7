"""Time, memory and growth as tables of ``docs/benchmarks.md``."""

from __future__ import annotations

from typing import Any


def speed(results: dict[str, Any]) -> list[str]:
    """Both sides of every case; ``results`` as ``speed.py`` wrote them."""
    lines = [
        "| case | pairs | fit s | ratio | CPU ratio | predict 1,000 s | ratio | CPU ratio "
        "| one row ms | peak MB | difference |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in results["cases"].items():
        found = entry["summary"]
        lines.append(
            f"| {name} | {_pairs(entry)} "
            f"| {_both(found['fit_seconds'], 2)} | {_ratio(found['fit_seconds'])} "
            f"| {_ratio(found['fit_cpu_seconds'])} | {_both(found['predict_seconds'], 3)} "
            f"| {_ratio(found['predict_seconds'])} | {_ratio(found['predict_cpu_seconds'])} "
            f"| {_both(found['one_row_seconds'], 1, scale=1000)} | {_both(found['peak_mb'], 0)} "
            f"| {found['peak_mb']['difference']['median']:+.0f} |"
        )
    return lines


def processes(results: dict[str, Any]) -> list[str]:
    """Imports and whole processes of every case."""
    lines = [
        "| case | pairs | imports s | whole process s | difference s | MB after imports |",
        "|---|---|---|---|---|---|",
    ]
    for name, entry in results["cases"].items():
        found = entry["summary"]
        difference = found["process_seconds"]["difference"]
        lines.append(
            f"| {name} | {_pairs(entry)} | {_both(found['import_seconds'], 1)} "
            f"| {_both(found['process_seconds'], 1)} | {difference['median']:+.1f} "
            f"({difference['min']:+.1f} to {difference['max']:+.1f}) "
            f"| {_both(found['import_peak_mb'], 0)} |"
        )
    return lines


def scaling(results: dict[str, Any]) -> list[str]:
    """Rows, then columns; ``results`` as ``scaling.py`` wrote them."""
    lines = [
        "| rows | columns | fit s | fit CPU s | predict s | predict CPU s | MB of the fit | "
        "MB in all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for found in [*results["rows"], *results["columns"]]:
        lines.append(
            f"| {found['rows']:,} | {found['columns']} | {found['fit_seconds']:.2f} "
            f"| {found['fit_cpu_seconds']:.2f} | {found['predict_seconds']:.3f} "
            f"| {found['predict_cpu_seconds']:.3f} | {found['fit_memory_mb']:.0f} "
            f"| {found['memory_mb']:.0f} |"
        )
    return lines


def _pairs(entry: dict[str, Any]) -> int:
    return len(entry["runs"]["ours"])


def _both(found: dict[str, Any], digits: int, scale: float = 1) -> str:
    bare, ours = (scale * found[side]["median"] for side in ("bare", "ours"))
    return f"{bare:.{digits}f} / {ours:.{digits}f}"


def _ratio(found: dict[str, Any]) -> str:
    ratio = found["ratio"]
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
