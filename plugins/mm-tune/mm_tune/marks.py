"""What tells a search from another one in the same folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mm_core.api import Search, Table
from mm_core.api.tools import Recipe
from mm_tune.objective import Arguments


def marks(
    plan: Recipe,
    arguments: Arguments,
    space: Mapping[str, Search],
    table: Table,
    tuning: Table | None,
) -> dict[str, Any]:
    """What another search would differ in."""
    return {
        "space": {key: str(one) for key, one in space.items()},
        "settings": {key: str(one) for key, one in arguments.settings.items()},
        "metric": plan.data.validation_metric,
        "presets": list(plan.presets),
        "task": plan.task.id,
        "column types": dict(arguments.column_types or {}),
        "label": list(plan.data.label),
        "rows": _mark(table.frame),
        "tuning rows": None if tuning is None else _mark(tuning.frame),
        "seed": arguments.seed,
    }


def _mark(frame: pd.DataFrame) -> str:
    """What other rows, other cells or another order, by which others are held out, differ in."""
    cells = pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy()
    named = json.dumps(list(frame.columns)).encode()
    return hashlib.sha256(named + cells.tobytes()).hexdigest()
