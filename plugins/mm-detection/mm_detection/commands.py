"""``mm detection ...``: draw, convert, check, confusion, coco, slices, label."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import MMWarning, tools
from mm_core.api.commands import Answer, AsJson, Data, Model, Plugins
from mm_detection.configs import SEEN

app = typer.Typer(help="Boxes in pictures: draw, convert, check, confusion, coco, slices, label.")

Threshold = Annotated[
    float, typer.Option(min=0, max=1, help="Boxes of a lower score are left out.")
]
ImageColumn = Annotated[
    str | None, typer.Option("--image", metavar="COLUMN", help="Column of the pictures' paths.")
]
LabelColumn = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of the boxes.")
]


@app.command()
def draw(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write pictures to.")],
    threshold: Threshold = 0.3,
    most: Annotated[int, typer.Option(min=1, help="Pictures at most.")] = 20,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Draw what is there beside what was found; the pictures with the most mistakes first.

    Example: mm detection draw model/ test.json --out looks/
    """
    from mm_detection.methods import visualize

    predictor = tools.load(model, plugins=plugin or ())
    files = visualize(predictor, data, out, score_threshold=threshold, most=most)
    return Answer({"files": files}, f"{len(files)} picture(s) in {out}")


@app.command()
def convert(
    source: Data,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A .json, a .csv, a new folder.")
    ],
    to: Annotated[
        str | None, typer.Option(metavar="FORM", help="coco, voc, yolo, labelme or csv.")
    ] = None,
    image: ImageColumn = None,
    label: LabelColumn = None,
    as_json: AsJson = False,
) -> Answer:
    """Write labelled pictures in another form. Pictures are copied for voc, yolo and labelme.

    Example: mm detection convert annotations.json yolo/ --to yolo
    """
    from mm_detection.writers import form_of, rows_of, write

    form = form_of(target, to)
    read = tools.read_rows(source, tools.installed())
    rows = rows_of(read.table, read.index, image, label)
    written = write(rows, target, form)
    boxes = sum(len(one) for one in rows.boxes)
    facts = {"form": form, "pictures": len(rows.paths), "boxes": boxes, "written": written}
    return Answer(facts, f"{len(rows.paths)} pictures, {boxes} boxes -> {', '.join(written)}")


@app.command()
def check(
    data: Data,
    image: ImageColumn = None,
    label: LabelColumn = None,
    as_json: AsJson = False,
) -> Answer:
    """Count classes, and list what is wrong with labels: corners, areas, files, classes.

    Example: mm detection check train.csv
    """
    from mm_detection.checking import checked

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        read = tools.read_rows(data, tools.installed())
        report = checked(read.table, image, label)
    report["told"] = [str(one.message) for one in told if issubclass(one.category, MMWarning)]
    return Answer(report, _report(report), code=int(bool(report["wrong"])))


def _report(report: dict[str, Any]) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in report["classes"].items())
    lines = [f"{report['pictures']} pictures, {report['empty']} without boxes", f"boxes: {classes}"]
    lines += report["told"]
    counts = Counter(one["what"] for one in report["wrong"])
    for what, count in counts.items():
        rows = [str(one["row"]) for one in report["wrong"] if one["what"] == what]
        shown = ", ".join(rows[:10]) + (", ..." if len(rows) > 10 else "")
        lines.append(f"{count} x {what}: row(s) {shown}")
    return "\n".join(lines if counts else [*lines, "nothing is wrong"])


@app.command()
def confusion(
    model: Model,
    data: Data,
    threshold: Threshold = 0.3,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Count how often a box of each class was found as which, missed, or made up.

    Example: mm detection confusion model/ test.json
    """
    from mm_detection.methods import confusion as counted

    table = counted(tools.load(model, plugins=plugin or ()), data, score_threshold=threshold)
    rows = {str(name): {str(k): int(v) for k, v in row.items()} for name, row in table.iterrows()}
    return Answer(rows, table.to_string())


@app.command()
def coco(
    model: Model,
    data: Data,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A .json file.")],
    threshold: Threshold = SEEN,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Write what was found as COCO has it, with the ids of classes and images: all that scores see.

    To correct labels by hand, give a threshold such as 0.3.

    Example: mm detection coco model/ test.json found.json
    """
    from mm_detection.methods import predict_coco

    predictor = tools.load(model, plugins=plugin or ())
    found = predict_coco(predictor, data, target, score_threshold=threshold)
    counts = {"pictures": len(found["images"]), "boxes": len(found["annotations"])}
    return Answer(counts, f"{counts['boxes']} boxes in {counts['pictures']} pictures -> {target}")


@app.command()
def slices(
    model: Model,
    data: Data,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A .jsonl or .csv file.")],
    side: Annotated[int, typer.Option(min=32, help="Side of a slice, in pixels.")] = 640,
    shared: Annotated[float, typer.Option(min=0, max=0.8, help="Share two slices have.")] = 0.2,
    threshold: Threshold = 0.3,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Find small things in large pictures: look at each as a whole and in slices.

    Example: mm detection slices model/ aerial.csv found.csv --side 640
    """
    import json

    from mm_detection.methods import predict_slices

    predictor = tools.load(model, plugins=plugin or ())
    found = predict_slices(predictor, data, side, shared, score_threshold=threshold)
    if target.suffix == ".jsonl":
        found.to_frame().to_json(target, orient="records", lines=True, force_ascii=False)
    else:
        written = found.map(lambda boxes: json.dumps(boxes, ensure_ascii=False))
        written.to_frame().to_csv(target, index=False)
    boxes = int(found.map(len).sum())
    return Answer({"pictures": len(found), "boxes": boxes}, f"{boxes} boxes -> {target}")


@app.command()
def label(
    data: Data,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A .json file, COCO's.")],
    classes: Annotated[str, typer.Option(help="What to look for: 'cat, a red car'.")],
    checkpoint: Annotated[
        str, typer.Option(help="A folder or hub name of Grounding DINO or OWLv2.")
    ] = "IDEA-Research/grounding-dino-tiny",
    threshold: Threshold = 0.3,
    image: ImageColumn = None,
    as_json: AsJson = False,
) -> Answer:
    """Label pictures by what words name, to train a small detector on. Look at what comes out.

    Example: mm detection label pictures/ labels.json --classes 'cat, dog'
    """
    from mm_detection.labelling import labelled
    from mm_detection.writers import write

    rows = labelled(data, classes.split(","), checkpoint, threshold, image)
    write(rows, target, "coco")
    boxes = sum(len(one) for one in rows.boxes)
    facts = {"pictures": len(rows.paths), "boxes": boxes}
    return Answer(facts, f"{boxes} boxes in {len(rows.paths)} pictures -> {target}")
