"""From the arrays of tables to what trees read. numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mm_core.api import Batch, ConfigError, Processor

Array = npt.NDArray[Any]

ARRAYS = ("numerical", "missing", "categorical")
MISSING, RARE = 0, 1
"""Codes of a category that is missing, and of one that has no code of its own."""


@dataclass(frozen=True)
class Features:
    """Rows as trees read them.

    Attributes:
        numbers: float32 [N, F], NaN where missing: trees learn where such rows go.
        codes: int64 [N, C] of categories: 0 missing, 1 not among the training rows or too rare for
            a code, 2, 3, ... the others, the most frequent first.
    """

    numbers: Array
    codes: Array

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Rows:
    """Rows to learn or to validate: features, targets by name, weights float32 [N] or None."""

    features: Features
    targets: Mapping[str, Array]
    weight: Array | None


def features(batch: Batch) -> Features:
    """Of each input its numbers, and of each its categories.

    Raises:
        ConfigError: an input has other arrays than a table's.
    """
    numbers, codes = [], []
    for name, arrays in batch.inputs.items():
        if not set(ARRAYS) <= set(arrays):
            raise ConfigError(
                f"trees read {', '.join(ARRAYS)}, and the processor of {name!r} gives "
                f"{', '.join(arrays) or 'nothing'}",
                plugin="trees",
                value=name,
                remedy=f"leave inputs.{name}.processor out, or set it to tabular:table",
            )
        numbers.append(np.where(arrays["missing"], np.float32(np.nan), arrays["numerical"]))
        codes.append(arrays["categorical"])
    return Features(np.concatenate(numbers, axis=1), np.concatenate(codes, axis=1))


def matrix(rows: Features) -> Array:
    """float64 [N, F]: numbers, then codes, NaN where missing."""
    codes = np.where(rows.codes == MISSING, np.nan, rows.codes)
    return np.concatenate([rows.numbers, codes], axis=1, dtype=np.float64)


def stacked(batches: Iterable[Batch]) -> Rows:
    """All rows of some batches in one."""
    found = list(batches)
    parts = [features(batch) for batch in found]
    return Rows(
        Features(
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.codes for part in parts]),
        ),
        {name: np.concatenate([b.targets[name] for b in found]) for name in found[0].targets},
        None if found[0].weight is None else np.concatenate([b.weight for b in found]),
    )


def names(processors: Mapping[str, Processor]) -> list[str]:
    """Of the features, numbers first; those of several inputs with the input's name before."""
    found: list[str] = []
    for kind in ("numerical_features", "categorical_features"):
        for name, processor in processors.items():
            before = f"{name}." if len(processors) > 1 else ""
            found += [before + feature for feature in processor.info.get(kind, ())]
    return found
