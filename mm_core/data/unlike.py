"""New rows that are unlike those of training: one warning a call, by column."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

from mm_core.api.errors import MMWarning
from mm_core.api.processors import Unlike
from mm_core.data.encoded import EncodedFrame

SHARE = 0.1
"""Of a column's cells: below it nothing is said, a few odd cells are in any table."""

DEVIATIONS = 4.0
"""Beyond the expected count, so that a small table with one rare category is let pass."""

EXAMPLES = 3


class Strangers:
    """What the parts of one call's data hold that training did not see."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Unlike] = {}

    def add(self, frame: EncodedFrame) -> None:
        """Count the rows of a part."""
        for encoded in frame.inputs.values():
            for one in encoded.unlike:
                key = one.column, one.what
                known = self._found.get(key)
                self._found[key] = one if known is None else _sum(known, one)

    def tell(self) -> None:
        """Warn, where something strikes."""
        striking = [one for one in self._found.values() if strikes(one)]
        if striking:
            lines = "".join(f"\n    {_line(one)}" for one in striking)
            warnings.warn(f"new rows are unlike those of training:{lines}", MMWarning, stacklevel=2)


def strikes(found: Unlike) -> bool:
    """Whether there are far more such cells than rows like those of training would have."""
    expected = found.cells * found.expected
    bound = expected + DEVIATIONS * math.sqrt(expected * (1 - found.expected))
    return found.count > bound and found.count >= SHARE * found.cells


def _sum(known: Unlike, more: Unlike) -> Unlike:
    return replace(
        known,
        count=known.count + more.count,
        cells=known.cells + more.cells,
        examples=tuple(dict.fromkeys([*known.examples, *more.examples]))[:EXAMPLES],
        hint=known.hint or more.hint,
    )


def _line(found: Unlike) -> str:
    examples = ", ".join(found.examples[:EXAMPLES])
    hint = f"; {found.hint}" if found.hint else ""
    share = found.count / found.cells
    return (
        f"column {found.column!r}: {found.count} of {found.cells} cells ({share:.0%}) "
        f"{found.what} ({examples}){hint}"
    )
