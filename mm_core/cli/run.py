"""What all commands share: one answer on standard output, notes and errors on standard error."""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import typer

from mm_core.api.commands import Answer
from mm_core.api.errors import (
    AmbiguousComponentError,
    ConfigError,
    MMError,
    MMWarning,
    PluginError,
    UnknownComponentError,
)

FAILURE = 1
USAGE = 2

USAGE_ERRORS = (ConfigError, UnknownComponentError, AmbiguousComponentError)
"""Errors in what was typed: a setting or a name. All others are failures."""


def runnable(function: Callable[..., Any], owner: str | None = None) -> Callable[..., None]:
    """The function as a command: it prints its answer, and exits as the errors demand.

    While it works, whatever writes to standard output is sent to standard error: there the answer
    stands alone, so that it can be piped. Exit codes: 0 done, 1 failure, 2 usage.

    Args:
        function: gives an :class:`~mm_core.api.commands.Answer`, or None.
        owner: id of a plugin's command: whatever it raises is an error that names it.
    """

    @functools.wraps(function)
    def run(**options: Any) -> None:
        verbose = bool(options.get("verbose")) or os.environ.get("MM_DEBUG") == "1"
        with redirect_stdout(sys.stderr), _notes(verbose), told(verbose):
            answer = function(**options) if owner is None else _of_plugin(function, owner, options)
        text = "" if answer is None else answer.render(bool(options.get("as_json")))
        if text:
            _print(text)
        if answer is not None and answer.code:
            raise typer.Exit(answer.code)

    return run


def _print(text: str) -> None:
    """To standard output, whose encoding may lack signs of it: these are written as in JSON."""
    try:
        print(text)
    except UnicodeEncodeError:  # nothing of it is printed yet
        encoding = sys.stdout.encoding
        print("".join(sign if _has(encoding, sign) else json.dumps(sign)[1:-1] for sign in text))
        print(
            f"note: {encoding}, the encoding of the output, lacks signs of the answer, which are "
            "printed as \\u1234; PYTHONIOENCODING=utf-8, or --out FILE where there is one, keeps "
            "them",
            file=sys.stderr,
        )


def _has(encoding: str, sign: str) -> bool:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def told(verbose: bool = False) -> Iterator[None]:
    """An error of ours is printed, and ends the process with its exit code."""
    try:
        yield
    except MMError as error:
        if verbose:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(USAGE if isinstance(error, USAGE_ERRORS) else FAILURE) from None


def _of_plugin(function: Callable[..., Any], owner: str, options: dict[str, Any]) -> Answer | None:
    """What a plugin's command gives.

    Raises:
        PluginError: it raised something that is no error of ours, or gave something else.
    """
    try:
        answer = function(**options)
    except (MMError, typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:  # whatever a stranger's command may raise
        raise PluginError(
            f"the command {owner} failed: {type(error).__name__}: {error}",
            plugin=owner,
            remedy="MM_DEBUG=1 shows where; tell its authors",
        ) from error
    if answer is None or isinstance(answer, Answer):
        return answer
    raise PluginError(
        f"the command {owner} gave {type(answer).__name__}, not an Answer",
        plugin=owner,
        remedy="return a mm_core.api.commands.Answer",
    )


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
