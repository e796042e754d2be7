"""What a setting may be: ranges and choices, as objects, as text, and the usual ones as data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_core.api import ConfigError
from mm_core.api.commands import value_of

FORMS = "log(1e-5, 1e-3), uniform(0, 0.5), int(2, 8), logint(8, 256), choice(32, 64)"

USUAL: Mapping[str, Mapping[str, str]] = {
    "core:finetune": {
        "training.learning_rate": "log(1e-5, 3e-4)",
        "training.head_learning_rate": "log(3e-4, 1e-2)",
        "training.weight_decay": "log(1e-4, 1e-1)",
        "training.batch_size": "choice(16, 32, 64)",
    },
    "trees:catboost": {
        "fit.learning_rate": "log(0.01, 0.3)",
        "fit.depth": "int(4, 9)",
        "fit.l2": "log(1, 30)",
    },
    "trees:lightgbm": {
        "fit.learning_rate": "log(0.01, 0.3)",
        "fit.leaves": "logint(8, 128)",
        "fit.min_rows": "logint(5, 100)",
        "fit.feature_share": "uniform(0.5, 1)",
    },
    "tabular:mlp": {"dropout": "uniform(0, 0.4)", "width": "choice(128, 256, 512)"},
    "tabular:tabm": {"dropout": "uniform(0, 0.4)", "width": "choice(128, 256, 512)"},
    "tabular:realmlp": {"dropout": "uniform(0, 0.4)", "width": "choice(128, 256, 512)"},
    "core:concat_mlp": {"dropout": "uniform(0, 0.4)"},
    "core:hybrid": {"dropout": "uniform(0, 0.4)"},
}
"""Component -> its settings: of a fitter as a recipe has them, of others within their section."""


@dataclass(frozen=True)
class Search:
    """What a setting may be: numbers from ``low`` to ``high``, or one of some ``choices``.

    Attributes:
        low: the least.
        high: the most.
        log: whether 1 to 10 counts as much as 10 to 100.
        whole: whole numbers only.
        choices: numbers, words, True, False or None instead.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            plain = all(isinstance(one, str | int | float | None) for one in self.choices)
            if not self.choices or not plain or self.low is not None or self.high is not None:
                raise _wrong(self, "choices are numbers, words, true, false, null; and no range")
            return
        if self.low is None or self.high is None or not math.isfinite(self.low + self.high):
            raise _wrong(self, "a range has two ends")
        if self.low >= self.high or (self.log and self.low <= 0):
            raise _wrong(self, "a range ends above where it begins, and a log range begins above 0")
        if self.whole and (self.low % 1 or self.high % 1):
            raise _wrong(self, "ends of whole numbers are whole")

    def __contains__(self, value: Any) -> bool:
        if self.choices is not None:
            return any(value == one and type(value) is type(one) for one in self.choices)
        assert self.low is not None
        assert self.high is not None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (not self.whole or value % 1 == 0)

    def __str__(self) -> str:
        if self.choices is not None:
            return f"choice({', '.join(map(json.dumps, self.choices))})"
        form = ("logint" if self.log else "int") if self.whole else "log" if self.log else "uniform"
        return f"{form}({self.low:g}, {self.high:g})"

    @property
    def one(self) -> Any:
        """Some value of it, for a plan that tells whether there is such a setting."""
        if self.choices is not None:
            return self.choices[0]
        assert self.low is not None
        return int(self.low) if self.whole else self.low


def read_search(text: str, where: str) -> Search:
    """Of text like ``log(1e-5, 1e-3)``.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"\s*(log|uniform|int|logint|choice)\s*\((.*)\)\s*", text)
    if match is None:
        raise ConfigError(
            f"{where}={text!r} is no range to search", value=text, remedy=f"one of: {FORMS}"
        )
    form, inside = match.groups()
    values = [value_of(part.strip()) for part in inside.split(",")] if inside.strip() else []
    if form == "choice":
        return Search(choices=tuple(values))
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    if len(values) != 2 or not numbers:
        raise ConfigError(
            f"{where}={text!r}: {form} has two numbers", value=text, remedy=f"one of: {FORMS}"
        )
    return Search(*values, log=form.startswith("log"), whole=form.endswith("int"))


def as_searches(space: Mapping[str, Search | str]) -> dict[str, Search]:
    """Setting -> what it may be.

    Raises:
        ConfigError: one is no range.
    """
    return {
        key: value if isinstance(value, Search) else read_search(value, key)
        for key, value in space.items()
    }


def taken_apart(settings: Mapping[str, Any], before: str = "") -> tuple[dict[str, Any], Any]:
    """(settings that are given, those that are to be searched), both with dotted keys."""
    fixed: dict[str, Any] = {}
    searched: dict[str, Search] = {}
    for key, value in settings.items():
        if isinstance(value, Search):
            searched[before + key] = value
        elif isinstance(value, Mapping) and value:
            inner, more = taken_apart(value, f"{before}{key}.")
            fixed |= inner
            searched |= more
        else:
            fixed[before + key] = value
    return fixed, searched


def usual(recipe: Any) -> dict[str, Search]:
    """The usual ranges of the components of a plan; of what the user set, none.

    Raises:
        ConfigError: none of the components has any.
    """
    parts = [("", recipe.fit.id)]
    parts += [(f"backbones.{name}.", part.id) for name, part in recipe.backbones.items()]
    parts += [("fusion.", recipe.fusion.id)] if recipe.fusion is not None else []
    found = dict(_usual(parts))
    known = recipe.flat()
    found = {k: v for k, v in found.items() if k in known and recipe.origin(k) != "user"}
    if not found:
        ids = ", ".join(component for _, component in parts)
        raise ConfigError(
            f"nothing is usually searched of {ids}",
            value=ids,
            remedy=f"say what is to be searched, of what mm plan shows: --space '{_one_of(known)}'",
        )
    return found


def _one_of(known: Mapping[str, Any]) -> str:
    """Something to type that can be searched: fitters refuse settings that they do not read."""
    for key, value in known.items():
        if key.startswith("fit.") and type(value) is int and value > 1:
            return f"{key}=int({value // 2}, {value})"
    return "training.learning_rate=log(1e-5, 1e-3)"


def _usual(parts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Search]]:
    for before, component in parts:
        for key, text in USUAL.get(component, {}).items():
            yield before + key, read_search(text, key)


def _wrong(search: Search, why: str) -> ConfigError:
    values = search.choices if search.choices is not None else (search.low, search.high)
    return ConfigError(f"no such search: {why}", value=list(values), remedy=f"as in: {FORMS}")
