"""What a setting may be, where settings are searched for: ranges and choices."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mm_core.api.errors import ConfigError


@dataclass(frozen=True)
class Search:
    """What a setting may be: numbers from ``low`` to ``high``, or one of some ``choices``.

    In ``ConfigurableSpec.search_space`` the usual range of a setting, which ``mm tune`` searches;
    as the value of a hyperparameter of a search the range that a user wants.

    Attributes:
        low: the least.
        high: the most.
        log: whether 1 to 10 counts as much as 10 to 100.
        whole: whole numbers only.
        choices: numbers, words, True, False or None instead.

    Raises:
        ConfigError: there is nothing to search, or no range.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            self._check_choices(self.choices)
            object.__setattr__(self, "choices", tuple(self.choices))
            return
        if not (_is_number(self.low) and _is_number(self.high)):
            raise _wrong(self, "a range has two ends, which are numbers")
        assert self.low is not None
        assert self.high is not None
        if self.low >= self.high or (self.log and self.low <= 0):
            raise _wrong(self, "a range ends above where it begins, and a log range begins above 0")
        if self.whole and (self.low % 1 or self.high % 1):
            raise _wrong(self, "ends of whole numbers are whole")

    def _check_choices(self, choices: Any) -> None:
        plain = isinstance(choices, list | tuple) and all(
            isinstance(one, str | bool | None) or _is_number(one) for one in choices
        )
        ranged = self.low is not None or self.high is not None or self.log or self.whole
        if not plain or not choices or ranged:
            raise _wrong(self, "choices are a list of numbers, words, true, false, null; no range")
        if len(set(map(json.dumps, choices))) < len(choices):
            raise _wrong(self, "a choice stands there twice")

    def __contains__(self, value: Any) -> bool:
        if self.choices is not None:
            return any(value == one and type(value) is type(one) for one in self.choices)
        assert self.low is not None
        assert self.high is not None
        in_range = _is_number(value) and self.low <= value <= self.high
        return in_range and (not self.whole or value % 1 == 0)

    def __str__(self) -> str:
        """As ``mm tune --space KEY=...`` takes it, to the last digit."""
        if self.choices is not None:
            return f"choice({', '.join(map(json.dumps, self.choices))})"
        form = ("logint" if self.log else "int") if self.whole else "log" if self.log else "uniform"
        low, high, _ = self.some if self.whole else (self.low, self.high, None)
        return f"{form}({low!r}, {high!r})"

    @property
    def some(self) -> tuple[Any, ...]:
        """Values of it: all choices, or the ends of a range and one between."""
        if self.choices is not None:
            return tuple(self.choices)
        assert self.low is not None
        assert self.high is not None
        if self.whole:
            return int(self.low), int(self.high), int(self.low + self.high) // 2
        return self.low, self.high, self.low + 0.37 * (self.high - self.low)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _wrong(search: Search, why: str) -> ConfigError:
    values = search.choices if search.choices is not None else (search.low, search.high)
    return ConfigError(
        f"no such search: {why}",
        value=list(values) if isinstance(values, list | tuple) else values,
        remedy="as in Search(1e-5, 1e-3, log=True), Search(4, 9, whole=True), "
        "Search(choices=(16, 32))",
    )
