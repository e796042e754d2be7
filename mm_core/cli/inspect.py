"""``mm inspect``"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from mm_core.api.commands import Answer
from mm_core.cli import options as opt

SHOWN_CLASSES = 20


def inspect(model: opt.Model, as_json: opt.AsJson = False, verbose: opt.Verbose = False) -> Answer:
    """Show what a saved model consists of. Nothing of it is loaded but its manifest.

    Example: mm inspect model
    """
    data = describe(model)

    from mm_core.artifact.manifest import Manifest
    from mm_core.recipe.shown import plan_text

    plan = plan_text(Manifest.read(model).recipe, full=verbose)
    return Answer(data, "\n".join([*_head(data), "", plan, "", *sizes(data)]))


def describe(folder: Path) -> dict[str, Any]:
    """All facts of a saved model, JSON-able, read from its manifest.

    Raises:
        ArtifactError: it is no saved model of this format.
    """
    from mm_core.artifact.manifest import FILE, Manifest

    manifest = Manifest.read(folder)
    recipe = manifest.recipe
    return {
        "model": str(folder),
        "format": manifest.format,
        "mm_core": manifest.mm_core,
        "plugins": [
            {**record.model_dump(), "installed": _installed(record.distribution)}
            for record in manifest.plugins
        ],
        "task": recipe.task.id,
        "label": list(recipe.data.label),
        "learned": _numbers(manifest.task) | _lists(manifest.task),
        "backbones": {name: part.id for name, part in recipe.backbones.items()},
        "fusion": recipe.fusion.id if recipe.fusion else None,
        "runtime": manifest.engine.id,
        "bases": manifest.engine.values.get("bases", {}),
        "validation_metric": recipe.data.validation_metric,
        "best_score": manifest.best_score,
        "known_rows": manifest.known_rows,
        "validations": len(manifest.history),
        "columns": [plan.model_dump() for plan in recipe.columns.columns],
        "recipe": {
            key: {"value": value, "origin": recipe.origin(key)}
            for key, value in recipe.flat().items()
        },
        "files": {name: _size(folder / name) for name in sorted([FILE, *manifest.files])},
    }


def sizes(data: dict[str, Any]) -> list[str]:
    """Lines about the files of a model, from what :func:`describe` tells."""
    files = {name: _readable(size) for name, size in data["files"].items()}
    width = max(map(len, files))
    total = sum(size or 0 for size in data["files"].values())
    return [
        f"files ({_readable(total)})",
        *(f"  {name:<{width}}  {size:>9}" for name, size in files.items()),
    ]


def _numbers(state: dict[str, Any]) -> dict[str, float]:
    """What a task learned that one number says: a temperature, a threshold, a mean."""
    return {name: value for name, value in state.items() if type(value) in (int, float)}


def _lists(state: dict[str, Any]) -> dict[str, list[Any]]:
    """What a task learned that a list of texts and numbers says: its classes."""
    plain = (bool, int, float, str)
    return {
        name: value
        for name, value in state.items()
        if isinstance(value, list) and value and all(type(one) in plain for one in value)
    }


def _installed(distribution: str | None) -> str | None:
    """Version of the distribution in this environment."""
    if distribution is None:
        return None
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _size(path: Path) -> int | None:
    """Bytes, or None where there is no such file."""
    return path.stat().st_size if path.is_file() else None


def _head(data: dict[str, Any]) -> list[str]:
    from mm_core.model import NETWORK
    from mm_core.scoring import short_name
    from mm_core.summary import NO_VALIDATION

    score = data["best_score"]
    metric = short_name(data["validation_metric"])
    best = "no validation" if score is None else f"best validation {metric} {score:.4f}"
    if score is not None and data["known_rows"]:
        best = f"{metric} {score:.4f} on rows held out when it was trained further: {NO_VALIDATION}"
    lines = [
        f"model    {data['model']} (format {data['format']}, written by mm-core {data['mm_core']})",
        f"task     {data['task']} of {', '.join(data['label'])}; {best}",
    ]
    if data["learned"]:
        lines.append(f"learned  {', '.join(map(_learned, data['learned'].items()))}")
    if data["runtime"] != NETWORK:
        lines.append(f"runtime  {data['runtime']}")
    for name, base in data["bases"].items():
        lines.append(f"base     backbones.{name} needs the weights of {base['checkpoint']!r}")
    for record in data["plugins"]:
        lines.append(f"plugin   {_plugin(record)}")
    return lines


def _learned(fact: tuple[str, Any]) -> str:
    name, value = fact
    if not isinstance(value, list):
        return f"{name} {value:.4g}"
    shown = " | ".join(map(str, value[:SHOWN_CLASSES]))
    more = len(value) - SHOWN_CLASSES
    return f"{name} {shown}" + (f" | ... and {more} more" if more > 0 else "")


def _plugin(record: dict[str, Any]) -> str:
    if record["distribution"] is None:
        return f"{record['name']} (a file of its own, sha256 {(record['sha256'] or '')[:12]}...)"
    wanted = f"{record['name']} ({record['distribution']} {record['version']})"
    if record["installed"] is None:
        return f"{wanted} - not installed here: pip install {record['distribution']}"
    if record["installed"] != record["version"]:
        return f"{wanted} - here: {record['installed']}"
    return wanted


def _readable(size: int | None) -> str:
    if size is None:
        return "missing"
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
