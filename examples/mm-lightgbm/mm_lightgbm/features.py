"""From the arrays of tables to the one matrix that trees read. numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from mm_core.api import Batch, ConfigError, Processor

Array = npt.NDArray[Any]

ARRAYS = ("numerical", "missing", "categorical")
MISSING = 0
"""Code of a category that is missing."""


def matrix(batch: Batch) -> Array:
    """float64 [B, F]: of each input its numbers, then the codes of its categories.

    NaN where a cell is missing: trees learn where such rows go. Codes of categories that training
    did not have (1) are in no split's set of categories, and go where the others go.
    """
    parts = []
    for name, arrays in batch.inputs.items():
        if not set(ARRAYS) <= set(arrays):
            raise ConfigError(
                f"trees read {', '.join(ARRAYS)}, and the processor of {name!r} gives "
                f"{', '.join(arrays) or 'nothing'}",
                plugin="lightgbm:trees",
                value=name,
                remedy=f"leave inputs.{name}.processor out, or set it to tabular:table",
            )
        codes = arrays["categorical"]
        parts.append(np.where(arrays["missing"], np.nan, arrays["numerical"]))
        parts.append(np.where(codes == MISSING, np.nan, codes))
    return np.concatenate(parts, axis=1, dtype=np.float64)


def stacked(batches: Iterable[Batch]) -> tuple[Array, Mapping[str, Array], Array | None]:
    """Matrix [N, F], targets by name and weights [N] or None of all rows."""
    found = list(batches)
    weights = [batch.weight for batch in found]
    return (
        np.concatenate([matrix(batch) for batch in found]),
        {
            name: np.concatenate([batch.targets[name] for batch in found])
            for name in found[0].targets
        },
        None if weights[0] is None else np.concatenate(weights),
    )


def categorical(processors: Mapping[str, Processor]) -> tuple[list[int], int]:
    """Which columns of the matrix are categories, and how many columns there are."""
    found: list[int] = []
    width = 0
    for processor in processors.values():
        width += len(processor.info.get("numerical_features", ()))
        codes = len(processor.info.get("categorical_features", ()))
        found += range(width, width + codes)
        width += codes
    return found, width
