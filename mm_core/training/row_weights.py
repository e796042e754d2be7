"""How much each training row counts: its own weight times that of its class."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mm_core.api.errors import ColumnError, ConfigError, DataError
from mm_core.api.processors import Table
from mm_core.api.tasks import Task
from mm_core.recipe.training import ClassWeights


def row_weights(
    own: np.ndarray | None, scheme: ClassWeights | None, task: Task, targets: Mapping[str, Any]
) -> np.ndarray | None:
    """float32 [N] with a mean of 1, so that equal weights change nothing; None: all count the same.

    Args:
        own: float64 [N] of the rows themselves (``sample_weight``), finite, >= 0 and not all 0; or
            None.
        scheme: ``training.class_weights``; see :func:`class_weights`.
        task: learned.
        targets: what it made of the training labels.

    Raises:
        ConfigError: the classes cannot be weighted so.
    """
    factors = [] if own is None else [own]
    factors += [] if scheme is None else [class_weights(scheme, task, targets)]
    if not factors:
        return None
    with np.errstate(divide="ignore"):  # the logarithm of 0
        logs = np.sum([np.log(factor) for factor in factors], axis=0)
    weights = np.exp(logs - logs.max())  # huge weights themselves would overflow
    normalised: np.ndarray = (weights / weights.mean()).astype(np.float32)
    return normalised


def class_weights(scheme: ClassWeights, task: Task, targets: Mapping[str, Any]) -> np.ndarray:
    """The weight of each row's class, float64 [N].

    Args:
        scheme: with n rows, n_c of class c, and K classes: ``"balanced"``, ``n / (K n_c)`` as in
            scikit-learn; ``"effective_number"``, ``(1 - b) / (1 - b^n_c)`` with
            ``b = (n - 1) / n``, the number of rows standing for that of prototypes (arXiv
            1901.05555); or class -> weight, 1 for a class that is not named.
        task: learned.
        targets: what it made of the training labels.

    Raises:
        ConfigError: the task has no classes of rows, or a class is named that does not occur.
    """
    strata = task.strata(targets)
    if strata is None:
        raise ConfigError(
            "training.class_weights is set, and the rows of this task are of no single class",
            value=scheme,
            remedy="leave it out; rows are weighted by sample_weight=",
        )
    if isinstance(scheme, Mapping):
        named: np.ndarray = _named(scheme, task)[strata]
        return named
    _, row_class, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    weights = _balanced(sizes) if scheme == "balanced" else _effective_number(sizes)
    of_rows: np.ndarray = weights[row_class]
    return of_rows


def _balanced(sizes: np.ndarray) -> np.ndarray:
    """[K] weights from the numbers of rows, int [K]."""
    weights: np.ndarray = sizes.sum() / (len(sizes) * sizes)
    return weights


def _effective_number(sizes: np.ndarray) -> np.ndarray:
    """[K] weights from the numbers of rows, int [K]."""
    beta = 1 - 1 / sizes.sum()
    weights: np.ndarray = (1 - beta) / (1 - beta**sizes)
    return weights


def _named(scheme: Mapping[str, float], task: Task) -> np.ndarray:
    """float64 [K] of all classes, in the order of ``task.info["classes"]``."""
    classes: Sequence[Any] = task.info.get("classes", ())
    weights = np.ones(len(classes))
    named: dict[int, str] = {}
    for key, weight in scheme.items():
        found = [n for n, one in enumerate(classes) if _names(key, one)]
        if not found:
            known = ", ".join(map(str, classes[:20]))
            raise ConfigError(
                f"training.class_weights names the class {key!r}, which does not occur",
                value=key,
                remedy=f"the classes are {known}" if classes else "use 'balanced'",
            )
        if found[0] in named:
            raise ConfigError(
                f"training.class_weights names the class {classes[found[0]]!r} twice: as "
                f"{named[found[0]]!r} and as {key!r}",
                value=key,
                remedy="name each class once",
            )
        named[found[0]] = key
        weights[found[0]] = weight
    return weights


def _names(key: str, one: Any) -> bool:
    """Whether the text names the class: a text as it is, a number or boolean by its value."""
    if isinstance(one, str):
        return key in (one, json.dumps(one))
    try:
        value = json.loads(key.lower())  # True as Python writes it
    except ValueError:
        return False
    return isinstance(value, int | float) and value == one


def weight_column(table: Table, column: str | None) -> np.ndarray | None:
    """float64 [N] of the column of row weights; None: there is none.

    Raises:
        ColumnError, DataError: it is not there, or holds no weights.
    """
    if column is None:
        return None
    if column not in table.frame.columns:
        raise ColumnError(
            f"weight column {column!r} is not in the data", column=column, remedy="add it"
        )
    cells = table.frame[column]
    if cells.dtype.kind in "mMc":  # which numpy would turn into numbers: ticks since 1970
        raise DataError(
            f"weight column {column!r} holds {cells.dtype}, and weights are numbers",
            column=column,
            value=str(cells.dtype),
            remedy="give finite weights >= 0",
        )
    try:
        weight = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"weight column {column!r} holds something that is no number: {error}", column=column
        ) from error
    wrong = np.flatnonzero(~((weight >= 0) & np.isfinite(weight)))
    if len(wrong) or not weight.any():
        raise DataError(
            f"weight column {column!r} holds missing, infinite or negative weights, or only zeros",
            column=column,
            rows=wrong.tolist(),
            remedy="give finite weights >= 0, at least one of them above 0",
        )
    return weight


def check_some_count(weight: np.ndarray, column: str | None) -> None:
    """Refuse to train on rows of which none counts.

    Args:
        weight: float64 [N] of the training rows, those held out left out.
        column: that holds them.

    Raises:
        DataError: all are 0.
    """
    if not weight.any():
        raise DataError(
            f"weight column {column!r} is 0 in all {len(weight)} rows to train on: those above 0 "
            "are held out for validation, where weights do not count",
            column=column,
            remedy="give more rows a weight above 0, drop rows of weight 0, or give validation "
            "rows of your own: tuning_data= (--tuning)",
        )
