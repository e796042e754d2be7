"""``mm report``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mm_core.api import tools
from mm_core.api.commands import Answer, AsJson, Plugins

if TYPE_CHECKING:
    from mm_report.compared import Compared
    from mm_report.report import Report

DRAWS = 200
COMPARE = "compare"
FORMS = "mm report MODEL DATA, or mm report compare MODEL MODEL [DATA]"

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL DATA",
        show_default=False,
        help="The folder of a saved model and labelled rows that it has not seen; or the word "
        "compare, two models, and rows that both are tried on, if any.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The page.")]
Card = Annotated[
    bool, typer.Option("--card/--no-card", help="Write model_card.md into the model's folder.")
]
ImportanceRows = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Rows that permutation importance is measured on, at most: three answers of the model "
        "to them for each column and input; 0: none.",
    ),
]
Draws = Annotated[
    int, typer.Option(min=0, metavar="N", help="Of the rows, for intervals of scores.")
]
OnError = Annotated[
    str, typer.Option("--on-error", metavar="raise|missing", help="Of cells that cannot be read.")
]


def report(
    words: Words,
    out: Out = Path("report.html"),
    card: Card = True,
    importance_rows: ImportanceRows = 200,
    draws: Draws = DRAWS,
    seed: Annotated[int, typer.Option(min=0, help="Of draws and orders.")] = 0,
    on_error: OnError = "raise",
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Write a page on how good a model is and where it fails, or on two models side by side.

    Example: mm report model/ test.csv --out report.html
    """
    # A folder may be called "compare" too: with one word after it, it is a model.
    if words[0] == COMPARE and len(words) in (3, 4):
        from mm_report.compared import compared

        data = words[3] if len(words) == 4 else None
        found = compared(
            (Path(words[1]), Path(words[2])),
            data,
            draws=draws,
            seed=seed,
            on_error=on_error,
            plugins=plugin or (),
        )
        return Answer(found.as_json(), _of_two(found, found.save(out)))
    if len(words) != 2:
        raise typer.BadParameter(f"{len(words)} words: {FORMS}", param_hint="MODEL DATA")
    from mm_report.report import CARD, report, written

    model = Path(words[0])
    made = report(
        tools.load(model, plugin or ()),
        words[1],
        out=out,
        folder=model,
        importance_rows=importance_rows,
        draws=draws,
        seed=seed,
        on_error=on_error,
    )
    if card:
        written(made.card, model / CARD)
    return Answer(made.as_json(), _of_one(made, out, model / CARD if card else None))


def _of_one(report: Report, out: Path, card: Path | None) -> str:
    lines = []
    for score in report.scores:
        if score.value is not None:
            between = "" if score.low is None else f"  ({score.low:.4f} to {score.high:.4f})"
            lines.append(f"{score.name:<24}{score.value:.4f}{between}")
    lines.append(f"page: {out}" + ("" if card is None else f"   card: {card}"))
    return "\n".join(lines)


def _of_two(found: Compared, out: Path) -> str:
    lines = []
    for one in found.duels:
        better = {"first": found.names[0], "second": found.names[1]}.get(one.verdict, one.verdict)
        lines.append(f"{one.name:<24}{one.first:.4f}  {one.second:.4f}  {one.apart:+.4f}  {better}")
    return "\n".join([*lines, f"{len(found.settings)} settings differ", f"page: {out}"])
