"""Labels and answers compared: cells may be lists, dicts and arrays, and numbers are rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_NEAR = 1e-4


def plain(value: Any) -> Any:
    """As JSON has it: arrays are lists, numpy's numbers Python's; what else it is, as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if hasattr(value, "tolist"):  # a tensor
        return plain(value.tolist())
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def alike(found: Any, wanted: Any, near: float = _NEAR) -> bool:
    """Whether two values are equal, numbers within them up to ``near`` of their size."""
    return _alike(plain(found), plain(wanted), near)


def _alike(found: Any, wanted: Any, near: float) -> bool:
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(
            _alike(found[key], value, near) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(
            _alike(one, other, near) for one, other in zip(found, wanted, strict=True)
        )
    if isinstance(wanted, float) and isinstance(found, float):
        same = math.isnan(found) and math.isnan(wanted)
        return same or math.isclose(found, wanted, rel_tol=near, abs_tol=near)
    return bool(found == wanted)
