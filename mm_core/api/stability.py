"""How long a name can be relied on.

What :mod:`mm_core.api` and :mod:`mm_core.api.nn` export is public, without a mark; the two
decorators here say otherwise. The promises are in ``docs/plugins/stability.md``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Literal, TypeVar

from mm_core.api.errors import MMWarning

Marked = TypeVar("Marked", bound=Callable[..., Any])
_ATTRIBUTE = "__mm_stability__"


class ExperimentalWarning(MMWarning):
    """Something was used that may change in any release."""


class MMDeprecationWarning(DeprecationWarning):
    """Something was used that will be removed; the text says when, and what to use instead."""


@dataclass(frozen=True)
class Stability:
    """What a function or class promises.

    Attributes:
        level: public things change only with the API's major version.
        remove_in: version that no longer has it, where it is deprecated.
        instead: what to use in its place, where it is deprecated.
    """

    level: Literal["public", "experimental", "deprecated"] = "public"
    remove_in: str | None = None
    instead: str | None = None


def stability(thing: object) -> Stability:
    """The mark of a function or class; public where it has none. Subclasses do not inherit it."""
    mark = getattr(thing, "__dict__", {}).get(_ATTRIBUTE)
    return mark if isinstance(mark, Stability) else Stability()


def experimental(thing: Marked) -> Marked:
    """Mark a function or class that may change in any release; its first use in a process warns.

    A class is used when it, or a subclass of it, is built.
    """
    message = f"{thing.__qualname__} is experimental: it may change in any release"

    @cache  # a warning that a filter made an error is raised again: cache keeps no exceptions
    def warn() -> None:
        warnings.warn(message, ExperimentalWarning, stacklevel=3)

    return _mark(thing, warn, Stability("experimental"))


def deprecated(*, remove_in: str, instead: str) -> Callable[[Marked], Marked]:
    """Mark a function or class that will be removed; each use warns.

    Args:
        remove_in: version of its distribution that no longer has it, such as ``"0.3"``.
        instead: what to use in its place.
    """

    def decorate(thing: Marked) -> Marked:
        message = (
            f"{thing.__qualname__} is deprecated and will be removed in {remove_in}: use {instead}"
        )

        def warn() -> None:
            warnings.warn(message, MMDeprecationWarning, stacklevel=3)

        return _mark(thing, warn, Stability("deprecated", remove_in, instead))

    return decorate


def _mark(thing: Marked, warn: Callable[[], None], mark: Stability) -> Marked:
    """A class stays the same object, so that ``isinstance`` and subclasses know it."""
    work = thing.__init__ if isinstance(thing, type) else thing  # type: ignore[misc]

    @wraps(work)
    def used(*args: Any, **kwargs: Any) -> Any:
        warn()
        return work(*args, **kwargs)

    marked: Any = used
    if isinstance(thing, type):
        marked = thing
        marked.__init__ = used
    setattr(marked, _ATTRIBUTE, mark)
    result: Marked = marked
    return result
