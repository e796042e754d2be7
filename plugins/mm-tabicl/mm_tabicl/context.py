"""The rows that answers are read from, as one matrix, and their file. numpy only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from mm_core.api import ArtifactError, Batch, ConfigError

Array = npt.NDArray[Any]

ARRAYS = ("numerical", "missing", "categorical")
FIRST = 2
"""Code of the first category of ``tabular:table``; 0 is missing, 1 is not among training rows."""


def matrix(batch: Batch) -> Array:
    """float32 [N, D]: categories as 0, 1, 2, ..., -1 where missing or unseen, then numbers, NaN
    where missing: as TabICL codes the columns of a frame.

    Raises:
        ConfigError: an input has other arrays than a table's.
    """
    codes, numbers = [], []
    for name, arrays in batch.inputs.items():
        if not set(ARRAYS) <= set(arrays):
            raise ConfigError(
                f"TabICL reads {', '.join(ARRAYS)}, and the processor of {name!r} gives "
                f"{', '.join(arrays) or 'nothing'}",
                plugin="tabicl:in_context",
                value=name,
                remedy=f"leave inputs.{name}.processor out, or set it to tabular:table",
            )
        codes.append(np.maximum(arrays["categorical"] - FIRST, -1).astype(np.float32))
        numbers.append(np.where(arrays["missing"], np.float32(np.nan), arrays["numerical"]))
    return np.concatenate([*codes, *numbers], axis=1, dtype=np.float32)


@dataclass(frozen=True)
class Context:
    """Training rows and what is known of them.

    Attributes:
        rows: float32 [N, D], see :func:`matrix`.
        truth: float32 [N] numbers, or int64 [N] classes.
    """

    rows: Array
    truth: Array

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.rows.nbytes + self.truth.nbytes)

    @classmethod
    def of(cls, batches: Iterable[Batch], target: str) -> Self:
        """All rows of some batches."""
        found = list(batches)
        return cls(
            np.concatenate([matrix(batch) for batch in found]),
            np.concatenate([batch.targets[target] for batch in found]),
        )

    def write(self, file: Path) -> None:
        """As safetensors."""
        arrays = {"rows": self.rows, "truth": self.truth}
        safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, file)

    @classmethod
    def read(cls, file: Path) -> Self:
        """From such a file.

        Raises:
            ArtifactError: it is none.
        """
        try:
            arrays = safetensors.numpy.load_file(file)
        except safetensors.SafetensorError as error:
            raise ArtifactError(f"{file.name}: {error}", value=file.name) from error
        rows, truth = arrays.get("rows"), arrays.get("truth")
        if rows is None or truth is None or rows.ndim != 2 or truth.shape != (len(rows),):
            raise ArtifactError(f"{file.name} does not hold rows and as many truths")
        return cls(rows, truth)
