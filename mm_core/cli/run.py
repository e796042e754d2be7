"""What all commands share: one answer on standard output, notes and errors on standard error."""

from __future__ import annotations

import functools
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Protocol

import typer

from mm_core.api.errors import (
    AmbiguousComponentError,
    ConfigError,
    MMError,
    MMWarning,
    UnknownComponentError,
)

FAILURE = 1
USAGE = 2

USAGE_ERRORS = (ConfigError, UnknownComponentError, AmbiguousComponentError)
"""Errors in what was typed: a setting or a name. All others are failures."""


class Rendered(Protocol):
    """What a command returns: an :class:`~mm_core.cli.answer.Answer`, or something like it."""

    @property
    def code(self) -> int:
        """Exit code when it is printed."""

    def render(self, as_json: bool) -> str:
        """What goes to standard output."""


def runnable(function: Callable[..., Rendered | None]) -> Callable[..., None]:
    """The function as a command: it prints its answer, and exits as the errors demand.

    While it works, whatever writes to standard output is sent to standard error: there the answer
    stands alone, so that it can be piped. Exit codes: 0 done, 1 failure, 2 usage.
    """

    @functools.wraps(function)
    def run(**options: Any) -> None:
        verbose = bool(options.get("verbose")) or os.environ.get("MM_DEBUG") == "1"
        with redirect_stdout(sys.stderr), _notes(verbose):
            try:
                answer = function(**options)
            except MMError as error:
                if verbose:
                    traceback.print_exc()
                print(f"error: {error}", file=sys.stderr)
                code = USAGE if isinstance(error, USAGE_ERRORS) else FAILURE
                raise typer.Exit(code) from None
        text = "" if answer is None else answer.render(bool(options.get("as_json")))
        if text:
            print(text)
        if answer is not None and answer.code:
            raise typer.Exit(answer.code)

    return run


@contextmanager
def _notes(verbose: bool) -> Iterator[None]:
    """Print each of our warnings once, as a line; those of other libraries only if verbose."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        ours = issubclass(category, MMWarning)
        line = f"note: {message}" if ours else f"{category.__name__}: {message}"
        if (ours or verbose) and line not in said:
            said.add(line)
            print(line, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", MMWarning)
        warnings.showwarning = show
        yield
