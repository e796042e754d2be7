"""What the first of two trainings came to, written down so that a resumed fit knows of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from mm_core.api.errors import ArtifactError
from mm_core.api.fitting import INTERRUPTED, TERMINATED, FitResult

FIRST = "first.json"
"""Beside the state of the second."""

Records = Sequence[dict[str, float]]


@dataclass(frozen=True)
class First:
    """A training that came to nothing.

    Attributes:
        why: it did.
        history: of it.
        log: likewise.
    """

    why: str
    history: Records
    log: str

    def joined(self, second: FitResult) -> FitResult:
        """What came of the second training, with the records of both."""
        records = [
            {"attempt": float(number), **record}
            for number, of in enumerate((self.history, second.history), start=1)
            for record in of
        ]
        stopped = second.stopped
        if stopped not in (INTERRUPTED, TERMINATED):  # which are looked for
            stopped += f" at a third of the learning rates ({self.why} at the whole of them)"
        return replace(second, history=records, stopped=stopped)

    def write(self, folder: Path) -> None:
        """Write it down where the state of the second will lie.

        Raises:
            OSError: there is no room.
        """
        fresh = (folder / FIRST).with_suffix(".new")
        try:
            folder.mkdir(exist_ok=True)
            fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
            os.replace(fresh, folder / FIRST)
        finally:
            fresh.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path | None) -> Self | None:
        """None: the first training has not come to nothing, as far as is known.

        Raises:
            ArtifactError: the file was altered.
        """
        if folder is None or not (folder / FIRST).is_file():
            return None
        try:
            return cls(**json.loads((folder / FIRST).read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise ArtifactError(
                f"{str(folder / FIRST)!r} is not what a training came to: {type(error).__name__}",
                value=str(folder / FIRST),
                remedy=f"do not use it: delete {str(folder)!r} and fit anew",
            ) from None
