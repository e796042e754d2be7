"""skops, imported without torch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Absent:
    """Finds, for this thread, that some modules are not there. Other threads import them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names, self._thread = names, threading.get_ident()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """None, so that others look, or an error."""
        if name in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def _left_out(*names: str) -> Iterator[None]:
    """Modules that this thread cannot import meanwhile, unless they have been."""
    absent: Any = _Absent(names)
    # A new list each time: a thread that is just looking through the old one skips nothing.
    sys.meta_path = [absent, *sys.meta_path]
    try:
        yield
    finally:
        sys.meta_path = [one for one in sys.meta_path if one is not absent]


# To list the estimators, skops imports all of scikit-learn, and with it all of torch. There is no
# setting of skops against it.
with _left_out(*(f"sklearn.externals.array_api_compat.{one}" for one in ("torch", "cupy", "dask"))):
    from skops.io import dumps, loads

__all__ = ["dumps", "loads"]
