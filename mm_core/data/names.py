"""Names of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mm_core.api.errors import ColumnError


def string_names(columns: Iterable[Any]) -> list[str]:
    """The names as strings.

    Raises:
        ColumnError: one stands twice.
    """
    names = [str(name) for name in columns]
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise ColumnError(
            f"column name {name!r} stands {times} times",
            column=name,
            remedy="rename one: df.columns = [...]",
        )
    return names
