"""What is told around a fit: records of the logger ``mm_core``, shown by ``verbosity``.

Nothing of Python's logging is set up or changed: who configures it gets the records
(``mm_core.plan``, ``mm_core.progress``, ``mm_core.fit``, level INFO) in the form they chose.
What they do not print themselves is printed to standard error.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

from rich.console import Console

from mm_core.processes import is_first

LOGGER = "mm_core"

SUMMARY_FROM_VERBOSITY = 1
PROGRESS_FROM_VERBOSITY = 2
"""The plan too."""
ALL_FROM_VERBOSITY = 3

logging.getLogger(LOGGER).addHandler(logging.NullHandler())


def tell_user(text: str, about: str, *, shown: bool) -> None:
    """Log a text, and print it unless the user's logging does or is told not to.

    Args:
        text: one line or more.
        about: name of the logger below ``mm_core``.
        shown: whether the verbosity asks for it. The log does not depend on it.
    """
    if not is_first():
        return
    logger = logging.getLogger(f"{LOGGER}.{about}")
    logger.info(text)
    if shown and not _silenced(logger) and not _printed(logger):
        console = Console(stderr=True)
        console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def logged(about: str) -> bool:
    """Whether anybody reads the records of this logger."""
    logger = logging.getLogger(f"{LOGGER}.{about}")
    return logger.isEnabledFor(logging.INFO) and any(
        not isinstance(handler, logging.NullHandler) for handler in _handlers(logger)
    )


def _silenced(logger: logging.Logger) -> bool:
    """Whether the user raised the level of the logger, or of ``mm_core``; the root's is no word."""
    names = (logger, logging.getLogger(LOGGER))
    levels = [one.level for one in names if one.level != logging.NOTSET]
    return bool(levels) and levels[0] > logging.INFO


def _printed(logger: logging.Logger) -> bool:
    """Whether a handler of the user's writes the records to the screen already."""
    if not logger.isEnabledFor(logging.INFO):
        return False
    screens = {id(one) for one in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)}
    return any(
        handler.level <= logging.INFO
        and (id(getattr(handler, "stream", handler)) in screens or hasattr(handler, "console"))
        for handler in _handlers(logger)
    )


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Those that records of a logger reach."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None
