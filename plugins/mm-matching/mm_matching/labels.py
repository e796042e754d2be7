"""What the label of a pair says: that two sides match or not, or how alike they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import LabelError, suggest
from mm_matching.configs import SimilarityConfig

PLUGIN = "matching"


@dataclass(frozen=True)
class Reading:
    """How labels are read.

    Attributes:
        supervision: ``"pairs"``, ``"match"`` or ``"grades"``.
        classes: (no match, match) as they are written; empty otherwise. Where several labels are
            no match, answers are False and True.
        match: the label of a match.
        lowest: least grade.
        highest: greatest.
    """

    supervision: str = "pairs"
    classes: tuple[Any, ...] = ()
    match: Any = None
    lowest: float = 0.0
    highest: float = 1.0


def read_labels(config: SimilarityConfig, labels: pd.Series) -> Reading:
    """What these labels say.

    Raises:
        LabelError: it cannot be told, or it is not what the settings say.
    """
    name = str(labels.name)
    found = list(pd.unique(labels))
    match = config.match_label
    if config.supervision == "pairs":
        raise LabelError(
            f"task.supervision=pairs, and the label {name!r} would not be used",
            plugin=PLUGIN,
            column=name,
            remedy="leave the label out, or the setting",
        )
    if match is not None and config.supervision != "grades":
        return _matching(match, found, name)
    if _is_flag(found) and config.supervision != "grades":
        return _matching(True if isinstance(found[0], bool | np.bool_) else 1, found, name)
    if config.supervision != "match" and pd.api.types.is_numeric_dtype(labels):
        return _graded(labels, found, name)
    shown = ", ".join(repr(one) for one in sorted(map(str, found))[:5])
    raise LabelError(
        f"which of the labels {shown} in {name!r} says that two sides match is not told",
        plugin=PLUGIN,
        column=name,
        value=str(found[0]),
        remedy=f"match_label={plain(found[-1])!r} (--set task.match_label={plain(found[-1])}), "
        "or another of them",
    )


def matches(reading: Reading, labels: pd.Series) -> np.ndarray:
    """float32 [N], 1 where the label says match.

    Raises:
        LabelError: a label that training did not have.
    """
    found = labels.map(lambda one: _equal(one, reading.match)).to_numpy(dtype=np.float32)
    if len(reading.classes) == 2 and reading.classes != (False, True):
        known = [any(_equal(one, other) for other in reading.classes) for one in labels]
        if not all(known):
            row = known.index(False)
            raise LabelError(
                f"label {labels.iloc[row]!r} in {str(labels.name)!r} was not seen in training",
                plugin=PLUGIN,
                column=str(labels.name),
                rows=[row],
                value=labels.iloc[row],
                remedy=f"labels are {plain(reading.classes[0])!r} and "
                f"{plain(reading.classes[1])!r}",
            )
    return found


def grades(reading: Reading, labels: pd.Series) -> np.ndarray:
    """float32 [N], 0 to 1 from the least to the greatest grade of training.

    Raises:
        LabelError: a grade that is no number.
    """
    values = pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise LabelError(
            f"grade {labels.iloc[row]!r} in {str(labels.name)!r} is no number",
            plugin=PLUGIN,
            column=str(labels.name),
            rows=[row],
            value=labels.iloc[row],
            remedy="give numbers",
        )
    span = reading.highest - reading.lowest
    found: np.ndarray = ((values - reading.lowest) / span).astype(np.float32)
    return found


def _matching(match: Any, found: list[Any], name: str) -> Reading:
    right = [one for one in found if _equal(one, match)]
    others = [one for one in found if not _equal(one, match)]
    if not right:
        known = [str(one) for one in found]
        near = suggest(str(match), known)
        raise LabelError(
            f"no label in {name!r} is {match!r}, which match_label says is a match",
            plugin=PLUGIN,
            column=name,
            value=match,
            remedy=f"did you mean {near!r}?" if near else f"labels: {', '.join(known[:10])}",
        )
    if not others:
        raise LabelError(
            f"all pairs match: {name!r} is {plain(right[0])!r} in all rows",
            plugin=PLUGIN,
            column=name,
            value=plain(right[0]),
            remedy="leave the label out: each row is a pair that belongs together then",
        )
    if len(others) > 1:
        return Reading("match", (False, True), plain(right[0]))
    return Reading("match", (plain(others[0]), plain(right[0])), plain(right[0]))


def _graded(labels: pd.Series, found: list[Any], name: str) -> Reading:
    lowest, highest = float(labels.min()), float(labels.max())
    if lowest == highest:
        raise LabelError(
            f"the grade {name!r} is {lowest:g} in all rows",
            plugin=PLUGIN,
            column=name,
            value=lowest,
            remedy="give pairs of different grades, or leave the label out",
        )
    return Reading("grades", lowest=lowest, highest=highest)


def _is_flag(found: list[Any]) -> bool:
    """Whether the labels are of 0 and 1, or of False and True."""
    numbers = (bool, np.bool_, int, np.integer, float, np.floating)
    return all(isinstance(one, numbers) and float(one) in (0.0, 1.0) for one in found)


def _equal(one: Any, other: Any) -> bool:
    """As a user means it: 1 is 1.0, and ``"1"`` as the command line gives it."""
    return bool(one == other) or (str(one) == str(other))


def plain(value: Any) -> Any:
    """As JSON has it."""
    return value.item() if isinstance(value, np.generic) else value
