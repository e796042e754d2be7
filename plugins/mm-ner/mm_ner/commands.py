"""``mm ner ...``: draw, convert, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import tools
from mm_core.api.commands import Answer, AsJson, Data, Model, Plugins

app = typer.Typer(help="Entities in texts: draw, convert, check.")

TextColumn = Annotated[
    str | None, typer.Option("--text", metavar="COLUMN", help="Column of the texts.")
]
LabelColumn = Annotated[str, typer.Option("--label", metavar="COLUMN", help="Column of entities.")]


@app.command()
def draw(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .html to write.")],
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Entities of a lower score are left out.")
    ] = 0.0,
    most: Annotated[int, typer.Option(min=1, help="Texts at most.")] = 50,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Mark what is there beside what was found; the texts with the most mistakes first.

    Example: mm ner draw model/ test.csv --out page.html
    """
    from mm_ner.methods import visualize

    predictor = tools.load(model, plugins=plugin or ())
    written = visualize(predictor, data, out, most, threshold=threshold)
    return Answer({"written": written}, f"texts with their entities: {written}")


@app.command()
def check(
    data: Data,
    text: TextColumn = None,
    label: LabelColumn = "entities",
    as_json: AsJson = False,
) -> Answer:
    """Count groups, and list what is wrong with labels: form, places, overlaps, halves of words.

    Example: mm ner check train.csv
    """
    from mm_ner.checking import checked

    report = checked(tools.read_rows(data, tools.installed()).table, text, label)
    return Answer(report, _report(report), code=int(bool(report["wrong"])))


@app.command()
def convert(
    source: Data,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A .conll, .jsonl or .csv.")],
    to: Annotated[
        str | None, typer.Option(metavar="FORM", help="conll, tokens, doccano, jsonl or csv.")
    ] = None,
    text: TextColumn = None,
    label: LabelColumn = "entities",
    as_json: AsJson = False,
) -> Answer:
    """Write texts with entities in another form. Forms of tokens keep no white space but its place.

    Example: mm ner convert train.conll train.csv
    """
    from mm_ner.writers import form_of, rows_of, write

    form = form_of(target, to)
    rows = rows_of(tools.read_rows(source, tools.installed()).table, text, label)
    write(rows, target, form)
    entities = sum(len(found) for _, found in rows)
    facts = {"form": form, "rows": len(rows), "entities": entities, "written": str(target)}
    return Answer(facts, f"{len(rows)} texts, {entities} entities -> {target}")


def _report(report: dict[str, Any]) -> str:
    groups = ", ".join(f"{name} {count}" for name, count in report["groups"].items())
    lines = [f"{report['rows']} texts, {report['empty']} without entities", f"entities: {groups}"]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for one in report["wrong"]:
        kinds.setdefault(one["what"], []).append(one)
    for what, found in kinds.items():
        lines.append(f"{len(found)} x {what}, such as row {found[0]['row']}: {found[0]['which']}")
        rows = ", ".join(str(one["row"]) for one in found[:10])
        lines.append(f"  rows {rows}{', ...' if len(found) > 10 else ''}")
    return "\n".join(lines if kinds else [*lines, "nothing is wrong"])
