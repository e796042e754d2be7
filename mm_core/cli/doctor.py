"""``mm plugins doctor``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt

if TYPE_CHECKING:
    from mm_core.testing.authoring.findings import Diagnosis

Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", show_default=False, help="A plugin; all of them.")
]
TimeLimit = Annotated[
    float,
    typer.Option("--time-limit", metavar="SECONDS", min=0.1, help="For each plugin."),
]


def doctor(
    name: Name = None,
    plugin: opt.Plugins = None,
    time_limit: TimeLimit = 30.0,
    as_json: opt.AsJson = False,
) -> Answer:
    """Look for what is wrong with each plugin, in a process of its own, and say what to type.

    Exit code 1 where anything is wrong. Example: mm plugins doctor tabular
    """
    from mm_core.testing.authoring.doctor import examine

    found = examine(name, plugin or (), time_limit)
    wrong = sum(one.wrong for one in found)
    data = {"plugins": [one.as_json() for one in found], "wrong": wrong}
    text = "\n".join([*(line for one in found for line in _lines(one)), _verdict(found, wrong)])
    return Answer(data, text, code=1 if wrong else 0)


def _lines(one: Diagnosis) -> list[str]:
    from mm_core.cli.catalogue import hang

    facts = [] if one.import_ms is None else [f"imported in {one.import_ms:.0f} ms"]
    n_components = sum(map(len, one.components.values()))
    facts += [f"{n_components} component{'s' * (n_components != 1)}"] if n_components else []
    state = "" if one.findings else "ok: "
    lines = hang(f"{one.name}  ", f"({one.origin}) {state}{', '.join(facts)}", deep=False)
    for finding in one.findings:
        lines += hang(f"  {finding.severity}: ", finding.message, deep=False)
        lines += hang("    -> ", finding.remedy)
    return lines


def _verdict(found: list[Diagnosis], wrong: int) -> str:
    if not wrong:
        return "\nnothing is wrong"
    ill = sorted({one.name for one in found if one.wrong})
    return f"\n{wrong} thing{'s' * (wrong != 1)} wrong: {', '.join(ill)}"
