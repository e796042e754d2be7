"""Outcomes for programs and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from mm_core.testing.outcome import Case, Outcome

_WORDS = {
    "failed": "FAIL",
    "xpassed": "FAIL",
    "xfailed": "expected failure",
    "skipped": "not tried",
}


def facts(outcomes: Sequence[tuple[Case, Outcome]]) -> dict[str, Any]:
    """Every check with its outcome, and the count of each."""
    return {
        "checks": [
            {
                "component": case.group,
                "check": case.check.name,
                "rule": case.check.says,
                "result": outcome.result,
                "message": outcome.message,
            }
            for case, outcome in outcomes
        ],
        "counts": dict(Counter(outcome.result for _, outcome in outcomes)),
    }


def group_lines(group: str, outcomes: Sequence[tuple[Case, Outcome]]) -> list[str]:
    """One component: how many rules it keeps, and each that it does not, with the rule."""
    tried = [outcome for _, outcome in outcomes if outcome.result != "skipped"]
    good = sum(outcome.result == "passed" for outcome in tried)
    lines = [f"{group:<32} {good} of {len(tried)} rules kept"]
    for case, outcome in outcomes:
        if outcome.result != "passed":
            lines += [
                f"  {_WORDS[outcome.result]}  {case.check.name}",
                f"      rule: {case.check.says}",
                *(f"      {line}" for line in outcome.message.splitlines()),
            ]
    return lines


def by_group(
    outcomes: Sequence[tuple[Case, Outcome]],
) -> list[tuple[str, list[tuple[Case, Outcome]]]]:
    """Outcomes by component, in order."""
    return [(name, list(group)) for name, group in groupby(outcomes, key=lambda one: one[0].group)]


def verdict(outcomes: Sequence[tuple[Case, Outcome]]) -> str:
    """The last line."""
    counts = Counter(outcome.result for _, outcome in outcomes)
    failed = counts["failed"] + counts["xpassed"]
    said = [f"{counts['passed']} passed", f"{failed} failed"]
    if counts["skipped"]:
        said.append(f"{counts['skipped']} not tried")
    if counts["xfailed"]:
        said.append(f"{counts['xfailed']} failed as expected")
    return ", ".join(said)
