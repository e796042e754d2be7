"""A check of one component, and what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

Result = Literal["passed", "failed", "skipped", "xfailed", "xpassed"]

_PREFIX = "check_"


class CheckError(AssertionError):
    """A component does not keep its contract."""


class NotTried(Exception):  # noqa: N818  # no error
    """A rule does not apply to a component, or cannot be tried on it; says why."""


def expect(holds: object, message: str) -> None:
    """Raise :class:`CheckError` unless ``holds``."""
    if not holds:
        raise CheckError(message)


@dataclass(frozen=True)
class Check:
    """One rule of a contract.

    Attributes:
        name: what is claimed, such as ``"rows_are_independent"``.
        says: the rule in a sentence.
        run: subject -> None; raises where the rule is broken.
    """

    name: str
    says: str
    run: Callable[[Any], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        result: ``"skipped"``: not tried; ``"xfailed"``: failed as its author said; ``"xpassed"``:
            passed although its author said otherwise, which counts as a failure.
        message: what is wrong, why it was not tried, or the author's reason; empty where it passed.
    """

    result: Result
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is to be done."""
        return self.result in ("passed", "skipped", "xfailed")


@dataclass(frozen=True)
class Case:
    """A check of one component.

    Attributes:
        group: the component, ``"fusion_head mean"``, or ``"plugin"``.
        check: the rule.
        subject: what it is tried on.
        xfail: why its author expects it to fail; None: it is to pass.
    """

    group: str
    check: Check
    subject: Any
    xfail: str | None = None

    @property
    def id(self) -> str:
        """``"fusion_head-mean-rows_are_independent"``."""
        return f"{self.group.replace(' ', '-')}-{self.check.name}"

    def __call__(self) -> None:
        """Run it; raises where the rule is broken, whatever its author expects."""
        self.check.run(self.subject)

    def outcome(self) -> Outcome:
        """Run it and say what came of it."""
        try:
            self()
        except NotTried as reason:
            return Outcome("skipped", str(reason))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's code; it is reported
            message = self.xfail or _said(error)
            return Outcome("failed" if self.xfail is None else "xfailed", message)
        if self.xfail is None:
            return Outcome("passed")
        return Outcome("xpassed", f"it passes: take the xfail out ({self.xfail})")


def checks_in(module: ModuleType) -> tuple[Check, ...]:
    """The functions ``check_<name>(subject)`` of a module, in the order in which they stand."""
    return tuple(
        Check(name.removeprefix(_PREFIX), (function.__doc__ or "").partition("\n")[0], function)
        for name, function in vars(module).items()
        if name.startswith(_PREFIX) and callable(function)
    )


def _said(error: BaseException) -> str:
    """What is wrong: of a check its own words, of anything else also where it was raised."""
    if isinstance(error, CheckError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({place.filename}:{place.lineno} in {place.name})"
