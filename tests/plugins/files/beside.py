"""A one-file plugin of what stands beside the network: runtime, reader, command, listeners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from mm_core.api import (
    ArtifactSavedSpec,
    Batch,
    CommandSpec,
    DataError,
    Engine,
    FitEndSpec,
    ModelMethodSpec,
    Note,
    NoteSpec,
    PluginInfo,
    ReaderSpec,
    RecipeReadySpec,
    RuntimeSpec,
    SampleData,
    SampleEngine,
    Samples,
    Table,
    Trial,
    hookimpl,
)
from mm_core.api.commands import Answer, AsJson, Model, Plugins

HEARD = []
"""What the listeners were told."""


@hookimpl
def mm_plugin_info():
    return PluginInfo(
        api=(2, 0), summary="What stands beside the network.", samples="beside:SAMPLES"
    )


@hookimpl
def mm_runtimes():
    return [RuntimeSpec(name="table", summary="Answers from a table.", target="beside:Lookup")]


@hookimpl
def mm_readers():
    return [
        ReaderSpec(
            name="lines",
            summary="Files *.lines, a JSON list in each line.",
            claims="beside:is_lines",
            target="beside:read_lines",
        )
    ]


@hookimpl
def mm_commands():
    return [
        CommandSpec(name="hello", summary="Greet a model.", target="beside:hello"),
        CommandSpec(name="boxes", summary="All of boxes.", target="beside:boxes"),
    ]


@hookimpl
def mm_methods():
    return [
        ModelMethodSpec(
            name="surest", summary="The surest rows.", target="beside:surest", command=True
        ),
        ModelMethodSpec(
            name="scores_of_it",
            summary="What is in it.",
            target="beside:surest",
            runtimes=("beside:table",),
        ),
        ModelMethodSpec(
            name="mean_of_it", summary="A mean.", target="beside:surest", tasks=("core:regression",)
        ),
    ]


@hookimpl
def mm_notes():
    return [NoteSpec(name="epochs", summary="Of one epoch.", says="beside:of_one_epoch")]


@hookimpl
def mm_recipe_ready():
    return [RecipeReadySpec(name="note", summary="Notes it.", target="beside:note_recipe")]


@hookimpl
def mm_fit_end():
    return [FitEndSpec(name="note", summary="Notes it.", target="beside:note_fit")]


@hookimpl
def mm_artifact_saved():
    return [ArtifactSavedSpec(name="note", summary="Notes it.", target="beside:note_folder")]


class Lookup(Engine):
    """Scores of a class, by a number of the input ``x``."""

    def __init__(self, scores):
        self.scores = np.asarray(scores, dtype=np.float32)

    def run(self, batch, options, settings):
        return {"logits": self.scores[batch.inputs["x"]["code"]]}

    def write(self, folder, context, standalone):
        (folder / "scores.json").write_text(json.dumps(self.scores.tolist()))
        return {"rows": len(self.scores)}

    @classmethod
    def read(cls, folder, values, context):
        return cls(json.loads((folder / "scores.json").read_text()))


def is_lines(data):
    """Whether it names a file of lines."""
    return isinstance(data, str | Path) and str(data).endswith(".lines")


def read_lines(data):
    """Columns from the first line, rows from the others."""
    lines = Path(data).read_text(encoding="utf-8").splitlines()
    try:
        names, *rows = [json.loads(line) for line in lines]
    except ValueError as error:
        raise DataError(f"{data}: {error}", remedy="write a JSON list in each line") from error
    if any(len(row) != len(names) for row in rows):
        raise DataError(f"{data}: a line of another length", remedy="write as many as in line 1")
    frame = pd.DataFrame(rows, columns=names)
    return Table(frame.set_index("id") if "id" in frame else frame, Path(data).parent)


def hello(
    model: Model,
    times: Annotated[int, typer.Option(help="How often.")] = 1,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Greet a model."""
    from mm_core import MultiModalPredictor

    task = MultiModalPredictor.load(model, plugins=plugin or ()).recipe.task.id
    return Answer({"hello": task}, "\n".join([f"hello, {task}"] * times))


boxes = typer.Typer(help="All of boxes.")


@boxes.command()
def draw(many: int, as_json: AsJson = False) -> Answer:
    """Draw some."""
    return Answer(many, "#" * many)


@boxes.command("count")
def count_them(shown: str, as_json: AsJson = False) -> Answer:
    """Count them."""
    return Answer(len(shown), str(len(shown)))


def surest(predictor, data, top=1):
    """The rows that the model is surest of."""
    proba = predictor.predict_proba(data).max(axis=1)
    return pd.DataFrame({"row": proba.nlargest(top).index})


def of_one_epoch(planned):
    """Where the network sees each row once."""
    if planned.recipe.training.epochs != 1:
        return []
    rows = f"{planned.rows} rows are seen once"
    return [Note(text=rows, settings={"training.epochs": 5})]


def note_recipe(recipe):
    HEARD.append(("recipe", recipe.task.id))


def note_fit(model, result):
    HEARD.append(("fit", model.recipe.task.id, len(result.history)))


def note_folder(model, folder):
    HEARD.append(("saved", folder.name, sorted(path.name for path in folder.glob("*.json"))))


SAMPLES = Samples(
    data=(
        SampleData(
            reader="lines",
            files={"rows.lines": b'["a", "b"]\n[1, "x"]\n[2, null]\n'},
            data=lambda folder: folder / "rows.lines",
            columns={"a": [1, 2], "b": ["x", None]},
        ),
    ),
    engines=(
        SampleEngine(
            runtime="table",
            engine=lambda: Lookup([[0.0, 1.0], [2.0, -1.0]]),
            batch=lambda: Batch(
                inputs={"x": {"code": np.array([0, 1, 1])}}, present={"x": np.ones(3, dtype=bool)}
            ),
        ),
    ),
    trials=(
        Trial("command", "hello", {"arguments": ["{model}", "--times", "2"]}),
        Trial("command", "boxes", {"arguments": ["draw", "2"]}),
        Trial("method", "surest", {"top": 2}),
        Trial("note", "epochs", {"training.epochs": 1}),
    ),
)
