"""``mm segmentation ...``: draw, tiles, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import tools
from mm_core.api.commands import Answer, AsJson, Data, Model, Plugins

app = typer.Typer(help="Masks of pictures: draw, tiles, check.")

Folder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")]


@app.command()
def draw(
    model: Model,
    data: Data,
    out: Folder,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of one thing to find; else the model's own.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Pictures at most.")] = 20,
    tta: Annotated[bool, typer.Option("--tta", help="Also look at mirrored pictures.")] = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Draw the masks that are there beside those that were found; the worst first.

    Example: mm segmentation draw model/ test.csv --out looks/
    """
    from mm_segmentation.methods import visualize

    predictor = tools.load(model, plugins=plugin or ())
    files = visualize(predictor, data, out, most=most, threshold=threshold, tta=tta)
    return Answer({"files": files}, f"{len(files)} picture(s) in {out}")


@app.command()
def tiles(
    model: Model,
    data: Data,
    out: Folder,
    side: Annotated[int, typer.Option(min=32, help="Side of a tile, in pixels.")] = 512,
    shared: Annotated[float, typer.Option(min=0, max=0.8, help="Share two tiles have.")] = 0.25,
    tta: Annotated[bool, typer.Option("--tta", help="Also look at mirrored tiles.")] = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Draw masks of large pictures, looked at in tiles at their own scale; one PNG a row.

    Example: mm segmentation tiles model/ aerial.csv --out masks/
    """
    from mm_segmentation.methods import write_tiles

    predictor = tools.load(model, plugins=plugin or ())
    files = write_tiles(predictor, data, out, side, shared, tta)
    return Answer({"files": files}, f"{len(files)} mask(s) in {out}")


@app.command()
def check(
    data: Data,
    image: Annotated[str, typer.Option(metavar="COLUMN", help="Of the pictures.")] = "image",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Of the masks.")] = "mask",
    as_json: AsJson = False,
) -> Answer:
    """Count the values of masks, and list what is wrong: files, sizes, kinds.

    Example: mm segmentation check train.csv
    """
    from mm_segmentation.checking import checked

    read = tools.read_rows(data, tools.installed())
    report = checked(read.table, image, label)
    return Answer(report, _report(report), code=int(bool(report["wrong"])))


def _report(report: dict[str, Any]) -> str:
    counts = ", ".join(f"{value}: {count}" for value, count in report["values"].items())
    more = f" and {report['more_values']} more" if report["more_values"] else ""
    lines = [f"{report['pictures']} pictures", f"masks that have a value: {counts}{more}"]
    lines += [f"in a fit: {report['told']}"] if report["told"] else []
    lines += [f"row {one['row']}: {one['what']}" for one in report["wrong"][:50]]
    if len(report["wrong"]) > 50:
        lines.append(f"... {len(report['wrong'])} in all (--json lists them)")
    return "\n".join(lines if report["wrong"] else [*lines, "nothing is wrong"])
