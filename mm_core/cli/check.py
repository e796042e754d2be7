"""``mm plugins check``"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt

if TYPE_CHECKING:
    from mm_core.testing.outcome import Case, Outcome

Name = Annotated[
    str, typer.Argument(metavar="NAME", show_default=False, help="A plugin, or its stem of a file.")
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="TEXT", help="Only checks whose id contains this."),
]


def check(
    name: Name, plugin: opt.Plugins = None, only: Only = None, as_json: opt.AsJson = False
) -> Answer:
    """Try a plugin against the rules of its contract, component by component.

    Exit code 1 where a rule is broken. Example: mm plugins check tabular
    """
    from mm_core.testing.kit import cases
    from mm_core.testing.report import by_group, facts, group_lines, verdict

    chosen = [case for case in cases(name, plugin or ()) if only is None or only in case.id]
    outcomes = list(_run(chosen))
    lines = [line for group in by_group(outcomes) for line in group_lines(*group)]
    text = "\n".join([*lines, "", verdict(outcomes)])
    return Answer(facts(outcomes), text, code=0 if all(one.good for _, one in outcomes) else 1)


def _run(cases: list[Case]) -> Iterator[tuple[Case, Outcome]]:
    """Outcomes one by one; each component is announced, for some take a while."""
    for group, members in groupby(cases, key=lambda case: case.group):
        print(f"checking {group} ...", file=sys.stderr)
        for case in members:
            yield case, case.outcome()
