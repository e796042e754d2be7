"""A while, or a process, without torch: where exported models answer there is none."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from mm_core.testing import fresh
from mm_core.testing.outcome import CheckError
from mm_core.testing.subject import Subject

HEAVY = ("torch", "torchvision")


@contextmanager
def no_torch(doing: str) -> Iterator[None]:
    """Nothing imports torch meanwhile.

    Args:
        doing: what is done, for the message.

    Raises:
        CheckError: something does.
    """
    plain = builtins.__import__

    def refuse(name: str, *given: Any, **more: Any) -> Any:
        if name.partition(".")[0] in HEAVY:
            raise CheckError(
                f"{doing} imports {name}, and an exported model answers where there is none: use "
                "numpy"
            )
        return plain(name, *given, **more)

    with mock.patch.object(builtins, "__import__", refuse):
        yield


def expect_loads(subject: Subject[Any]) -> None:
    """Its class comes from a module that imports no torch; a one-file plugin, which holds networks
    too, is let off.

    Raises:
        CheckError: it does.
    """
    if subject.component.plugin.file is None:
        fresh.run(subject, "mm_core.testing.torchless:loaded", {}, HEAVY)


def loaded(subject: Subject[Any], given: fresh.Arrays) -> fresh.Arrays:
    """In the new process."""
    subject.component.load()
    return {"loaded": np.ones(1)}
