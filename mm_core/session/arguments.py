"""Arguments of a predictor as a user gives them, checked."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from mm_core.api.errors import ConfigError, LabelError
from mm_core.recipe.request import Request

OnError = Literal["raise", "missing"]


def names(columns: Any) -> tuple[str, ...]:
    """A column or several by name; None: none.

    Raises:
        LabelError: one is named twice.
    """
    if columns is None:
        return ()
    listed = isinstance(columns, (list, tuple, pd.Index, np.ndarray))
    found = tuple(str(name) for name in columns) if listed else (str(columns),)
    if len(set(found)) < len(found):
        raise LabelError(
            f"a column is named twice: {', '.join(found)}",
            column=found[0],
            remedy="name each once",
        )
    return found


def roles(given: Mapping[str, Any], **sides: Any) -> dict[str, tuple[str, ...]]:
    """Role -> names of its columns; ``sides`` are roles with an argument of their own.

    Raises:
        ConfigError: a side is given twice.
    """
    twice = [name for name, columns in sides.items() if columns is not None and name in given]
    if twice:
        raise ConfigError(
            f"{twice[0]} is given as an argument and among the roles",
            value=given[twice[0]],
            remedy="leave one of them out",
        )
    found = {**given, **{name: one for name, one in sides.items() if one is not None}}
    return {str(role): names(columns) for role, columns in found.items()}


def call(
    presets: str | Sequence[str] | None,
    hyperparameters: Mapping[str, Any] | None,
    column_types: Mapping[str, str | None] | None,
    holdout_frac: float | None,
    sample_weight: Hashable | None,
    seed: int | None,
) -> Request:
    """What a call of ``plan`` or ``fit`` asks for."""
    return Request(
        presets=presets,
        hyperparameters=(hyperparameters or {},),
        column_types=column_types,
        holdout_frac=holdout_frac,
        sample_weight=sample_weight,
        seed=seed,
    )


def check_on_error(value: str) -> str:
    """``on_error`` as it may be.

    Raises:
        ConfigError: it is something else.
    """
    if value not in ("raise", "missing"):
        raise ConfigError(f"on_error={value!r}", value=value, remedy="use 'raise' or 'missing'")
    return value


def check_fit(
    on_error: str, time_limit: Any, tuning_data: Any, holdout_frac: Any, verbosity: Any = None
) -> None:
    """Refuse arguments of a fit that do not go together.

    Raises:
        ConfigError: says which.
    """
    check_on_error(on_error)
    if _is_column(tuning_data):
        raise ConfigError(
            "fit(X, y) is scikit-learn's way: here the label is a column of the data, and what "
            "comes second are rows for validation",
            value=type(tuning_data).__name__,
            remedy="MultiModalPredictor(label='y').fit(X.assign(y=y)), or "
            "mm_core.sklearn.MultiModalClassifier().fit(X, y)",
        )
    if time_limit is not None and not _is_above_0(time_limit):
        raise ConfigError(
            f"time_limit={time_limit!r}", value=time_limit, remedy="give seconds above 0"
        )
    if verbosity is not None and verbosity not in (0, 1, 2, 3):
        raise ConfigError(
            f"verbosity={verbosity!r}",
            value=verbosity,
            remedy="give 0 (silent), 1 (summary), 2 (plan and progress) or 3 (all)",
        )
    if tuning_data is not None and holdout_frac is not None:
        raise ConfigError(
            "tuning_data is the validation set: holdout_frac beside it would not be used",
            value=holdout_frac,
            remedy="leave one of them out",
        )


def several(given: Any) -> tuple[Any, ...]:
    """One thing or several as a tuple."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _is_column(data: Any) -> bool:
    """Whether these are values, and no rows."""
    if isinstance(data, (list, tuple)):
        return bool(data) and not any(isinstance(one, Mapping) for one in data)
    return isinstance(data, (pd.Series, pd.Index)) or (
        isinstance(data, np.ndarray) and data.dtype.names is None and data.ndim < 2
    )


def _is_above_0(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
