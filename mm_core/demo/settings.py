"""From a task's few settings, said by column, to keys of the recipe.

The demo knows the columns of its data, not the plugins that will read them: which input a column
belongs to is asked of the detectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mm_core.api.checkpoints import Checkpoint
from mm_core.api.errors import CheckpointError
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.checkpoints.sources import weight_package
from mm_core.data.rows import read_rows
from mm_core.plugins.registry import Registry
from mm_core.recipe.inputs import plan_inputs
from mm_core.schema.schema import infer_schema


def settings_for(
    frame: pd.DataFrame,
    label: str,
    by_column: Mapping[str, Mapping[str, Any]],
    registry: Registry,
    remedy: str,
) -> dict[str, Any]:
    """Dotted settings: packaged weights for every input, and what ``by_column`` says of it.

    Args:
        frame: training rows.
        label: not an input.
        by_column: column -> ``"processor.<key>"`` or ``"<key of the backbone>"`` -> value, for the
            input that reads the column.
        registry: installed plugins.
        remedy: what to type where packaged weights are missing.

    Raises:
        CheckpointError: see :func:`packaged_weights`.
    """
    schema = infer_schema(read_rows(frame, registry).table, [label], registry)
    settings: dict[str, Any] = {}
    for name, plan in plan_inputs(schema, {}, registry, {}).items():
        weights = packaged_weights(plan.modality.spec.backbone, registry, remedy)
        if weights is not None:
            settings[f"backbones.{name}.checkpoint"] = weights
        for column in plan.columns:
            for key, value in by_column.get(column, {}).items():
                section = "inputs" if key.startswith("processor.") else "backbones"
                settings[f"{section}.{name}.{key}"] = value
    return settings


def packaged_weights(backbone: str, registry: Registry, remedy: str) -> str | None:
    """The checkpoint of an installed weight package; None where no package serves the backbone.

    A package's name is the checkpoint's. Hubs and caches are not asked: what they hold differs
    between machines, and may be too large to train in minutes.

    Raises:
        CheckpointError: packages are known, but none is installed.
    """
    reasons = []
    for format in CheckpointFinder(registry).formats(backbone).values():
        for package in format.spec.packages:
            answer = weight_package(package.distribution, format)
            if isinstance(answer, Checkpoint):
                return package.distribution
            reasons.append(answer.reason)
    if not reasons:
        return None
    raise CheckpointError(
        f"the weights of {backbone} are not installed: {'; '.join(reasons)}",
        plugin=backbone,
        remedy=remedy,
    )


def only(
    settings: Mapping[str, Any],
    name: str,
    inputs: Mapping[str, Any],
    alone: Mapping[str, Any],
) -> dict[str, Any]:
    """The settings for input ``name`` by itself: none of other inputs, none of fusion.

    Args:
        settings: of the fused model, dotted.
        name: the input.
        inputs: all inputs of the fused model.
        alone: training values that its plugin recommends for it alone; they replace the fused
            model's, so that the comparison is with a single input at its best.
    """
    others = tuple(
        f"{part}.{other}." for other in inputs if other != name for part in ("inputs", "backbones")
    )
    dropped = {"fusion", *(f"training.{key}" for key in alone)}
    return {
        key: value
        for key, value in settings.items()
        if key not in dropped and not key.startswith((*others, "fusion."))
    }
