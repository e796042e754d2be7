"""What works on whole models: commands, servers, reports, comparison, merging, indexes.

The one module of the API that reaches the rest of the core, and the only way in which a plugin
does. Importing it imports nothing heavy: functions import what they need, and the classes named
in ``__all__`` are imported when they are asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_core.api.batch import Batch
    from mm_core.api.commands import Answer
    from mm_core.api.engine import RunSettings
    from mm_core.api.errors import BadCell
    from mm_core.api.fitting import FitResult
    from mm_core.api.processors import Table
    from mm_core.checkpoints.finder import CheckpointFinder
    from mm_core.data.rows import Rows
    from mm_core.inference import Answers
    from mm_core.model import Model
    from mm_core.pipeline import Pipeline
    from mm_core.plugins.registry import Component, Registry
    from mm_core.predictor import MultiModalPredictor
    from mm_core.recipe.recipe import Recipe
    from mm_core.scoring import Metrics

__all__ = [
    "Answer",
    "Answers",
    "CheckpointFinder",
    "Component",
    "Metrics",
    "Model",
    "MultiModalPredictor",
    "Pipeline",
    "Recipe",
    "Registry",
    "Rows",
    "aligned",
    "batches",
    "check_labelled",
    "checkpoints",
    "chosen_by_loss",
    "components",
    "function_of",
    "installed",
    "load",
    "load_model",
    "metrics",
    "model_of",
    "outputs",
    "read_rows",
    "registry_of",
    "result_of",
    "save_model",
    "short_name",
    "stream",
]

_HOMES = {
    "Answer": "mm_core.api.commands",
    "Answers": "mm_core.inference",
    "CheckpointFinder": "mm_core.checkpoints.finder",
    "Component": "mm_core.plugins.registry",
    "Metrics": "mm_core.scoring",
    "Model": "mm_core.model",
    "MultiModalPredictor": "mm_core.predictor",
    "Pipeline": "mm_core.pipeline",
    "Recipe": "mm_core.recipe.recipe",
    "Registry": "mm_core.plugins.registry",
    "Rows": "mm_core.data.rows",
}


def __getattr__(name: str) -> Any:
    """A class of the core, imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


# ---- what is installed -------------------------------------------------------------------------


def installed(plugins: Sequence[str | Path] = ()) -> Registry:
    """The installed components, and those of one-file plugins.

    Raises:
        PluginError: a one-file plugin cannot be used.
    """
    from mm_core.plugins.registry import registry_with

    return registry_with(plugins)


def metrics(registry: Registry) -> Metrics:
    """Metrics by name: what they are, in which direction, and scores of a stream of answers."""
    from mm_core.scoring import Metrics

    return Metrics(registry)


def checkpoints(registry: Registry) -> CheckpointFinder:
    """Where checkpoints come from: ``find(backbone, names)``, ``fetch(backbone, name)``."""
    from mm_core.checkpoints.finder import CheckpointFinder

    return CheckpointFinder(registry)


def components(recipe: Recipe, registry: Registry) -> Iterator[tuple[str, Component[Any]]]:
    """(dotted key, component) of each in a plan: ``"fit"``, ``"backbones.text.adapter"``, and of
    those in slots of others ``"fusion.head"``.

    Raises:
        UnknownComponentError: one is not installed.
    """
    from mm_core.recipe.components import components

    return components(recipe, registry)


def chosen_by_loss(recipe: Recipe) -> bool:
    """Whether the loss names the metric that chooses the best epoch (``data.validation_metric``).

    A plan with another loss then has another metric. False: the user names it, or the task.
    """
    from mm_core.recipe.losses import chosen_by_loss

    return chosen_by_loss(recipe)


def function_of(metric: str) -> str | None:
    """Name of the user's function that a metric's id in a recipe stands for; None: for none.

    Who has the recipe alone cannot score by it.
    """
    from mm_core.scoring import function_of

    return function_of(metric)


def short_name(metric: str) -> str:
    """What people call a metric by its id in a recipe: ``"core:roc_auc"`` -> ``"roc_auc"``.

    Of a user's function it is the function's name. Scores and histories stand under it.
    """
    from mm_core.scoring import short_name

    return short_name(metric)


# ---- models ------------------------------------------------------------------------------------


def load(folder: str | Path, plugins: Sequence[str | Path] = ()) -> MultiModalPredictor:
    """The predictor of a saved model, as ``MultiModalPredictor.load`` gives it, silent.

    Raises:
        ArtifactError: damaged, altered, or in need of plugins.
    """
    from mm_core.predictor import MultiModalPredictor

    return MultiModalPredictor.load(folder, verbosity=0, plugins=plugins)


def load_model(folder: str | Path, registry: Registry) -> tuple[Model, FitResult]:
    """A saved model, and what its fit said, without a predictor around it.

    Raises:
        ArtifactError: damaged, altered, or in need of plugins.
    """
    from mm_core.artifact.load import load

    loaded = load(Path(folder), registry)
    return loaded.model, loaded.result


def save_model(
    model: Model,
    result: FitResult,
    registry: Registry,
    folder: str | Path,
    *,
    standalone: bool = True,
) -> Path:
    """Write a model, such as one that was merged or exported, so that ``load`` reads it.

    Args:
        model: of a pipeline and any engine.
        result: of its fit; ``result_of(predictor)`` where there was one.
        registry: installed components.
        folder: a new one, or that of a saved model, which is replaced.
        standalone: False: leave out what checkpoints give again.

    Raises:
        ArtifactError: the folder cannot be written, or holds something else.
    """
    from mm_core.artifact.folder import check_folder
    from mm_core.artifact.save import save

    check_folder(Path(folder))
    return save(model, result, registry, Path(folder), standalone=standalone)


def model_of(predictor: MultiModalPredictor) -> Model:
    """The model of a predictor: its pipeline and its engine.

    Raises:
        NotFittedError: it has none yet.
    """
    return predictor._model


def result_of(predictor: MultiModalPredictor) -> FitResult:
    """What the fit of a predictor's model said.

    Raises:
        NotFittedError: it has none yet.
    """
    return predictor._session.need_held().result


def registry_of(predictor: MultiModalPredictor) -> Registry:
    """What is installed, with the predictor's one-file plugins."""
    return predictor._registry


# ---- rows --------------------------------------------------------------------------------------


def read_rows(data: Any, registry: Registry) -> Rows:
    """Rows of whatever a user calls data: what a reader claims, a file, a frame, a dict.

    ``rows.table``, or some rows of it (``table.take(rows)``), is data as well, for :func:`stream`
    and for a predictor; ``rows.index`` is the caller's, for answers.

    Raises:
        DataError: not a supported kind of data, or an unreadable file.
    """
    from mm_core.data.rows import read_rows

    return read_rows(data, registry)


def aligned(model: Model, table: Table, registry: Registry) -> Table:
    """The columns that a model reads, and those of its labels and weights that are there.

    Raises:
        ColumnError: a column that cannot be done without.
    """
    from mm_core.data.align import align_labelled

    data = model.recipe.data
    label = [name for name in data.label if name in table.frame.columns]
    return align_labelled(table, model.recipe.columns, label, data.sample_weight, registry)


def check_labelled(model: Model, table: Table) -> None:
    """Refuse rows that are to have a model's label and lack a column of it.

    Raises:
        LabelError: names it, and the columns that there are.
    """
    from mm_core.data.align import check_labelled

    check_labelled(table, model.recipe.data.label)


def batches(model: Model, data: Any, registry: Registry, batch_size: int = 256) -> Iterator[Batch]:
    """What the model's engine is given: arrays of numpy, ``batch.row_ids`` saying which rows.

    Rows of like cost come together; cells that cannot be read are masked.
    """
    table = aligned(model, read_rows(data, registry).table, registry)
    for batch, _ in model.pipeline.arrays(model.pipeline.encode(table), batch_size):
        yield batch


def outputs(
    model: Model,
    table: Table,
    settings: RunSettings | None = None,
    options: Any = None,
) -> tuple[dict[str, Any], dict[str, Any], list[BadCell]]:
    """What a model's engine gives for rows, all at once and in order: for models inside models.

    Args:
        model: runs.
        table: with the columns that it reads, such as ``Batch.table`` of the model around it.
        settings: batch size, device and precision; None: as the engine finds best.
        options: of the task, as ``Engine.run`` is given them; None: their defaults.

    Returns:
        Outputs and meta as ``model.pipeline.decode`` reads them, and cells that could not be read.
    """
    from mm_core.inference import AS_FOUND, unreadable, whole, windows

    frame = model.pipeline.encode(table)
    parts = list(windows(model, frame, options=options, settings=settings or AS_FOUND))
    bad = unreadable(frame, [cell for part in parts for cell in part.bad])
    return *whole(parts), bad


def stream(
    model: Model,
    data: Any,
    registry: Registry,
    options: Mapping[str, Any] | None = None,
    settings: RunSettings | None = None,
) -> Iterator[Answers]:
    """Decoded answers, some rows at a time, never all of them in memory.

    Args:
        model: answers.
        data: whatever :func:`read_rows` reads.
        registry: installed components.
        options: of the task (``TaskSpec.options``).
        settings: batch size, device and precision; None: as the engine finds best.

    Returns:
        ``rows``, positions in the data; ``decoded``, their answers; ``bad``, cells that could not
        be read.

    Raises:
        ConfigError: an option that the task does not have.
    """
    from mm_core.api.specs import TaskSpec
    from mm_core.inference import AS_FOUND, stream
    from mm_core.plugins.offered import read_options

    chosen = read_options(registry.get(TaskSpec, model.recipe.task.id), options or {})
    table = aligned(model, read_rows(data, registry).table, registry)
    frame = model.pipeline.encode(table)
    yield from stream(model, frame, options=chosen, settings=settings or AS_FOUND)
