"""The model as a fit starts from it, and as it answers where nothing is to be learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mm_core.api.engine import Engine
from mm_core.api.errors import PluginError, report_bad
from mm_core.api.fitting import FitResult
from mm_core.api.processors import Processor, Table
from mm_core.api.specs import FitterSpec, TaskSpec
from mm_core.api.tasks import Task
from mm_core.model import NETWORK, Model
from mm_core.pipeline import (
    Pipeline,
    build_criterion,
    build_task,
    check_recipe,
    fit_processors,
)
from mm_core.plugins.offered import default_options
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.tasks import check_epochs
from mm_core.training.context import FitContext
from mm_core.training.seeding import seeded_fit


def starting_model(
    recipe: Recipe, rows: Table, task: Task, fitter: FitterSpec, context: FitContext
) -> Model:
    """Processors fitted on the rows, and the network with the weights that a fit starts from.

    Where the fitter's models are no network, the engine comes of the fit.
    """
    if fitter.reads == "network":
        chosen = context.registry.get(TaskSpec, recipe.task.id)
        task.criterion = build_criterion(recipe.training.loss, chosen, context.registry)
    if context.model is not None:  # a network: no other model is trained further
        from mm_core.network.change import grown

        return grown(context.model, recipe, task, context.registry)
    processors: dict[str, Processor] = {}
    if fitter.reads != "rows":
        processors = fit_processors(recipe, rows, context.registry, context.finder)
    options = default_options(context.registry.get(TaskSpec, recipe.task.id))
    pipeline = Pipeline(recipe, processors, task, fitter.reads == "rows", options)
    if fitter.reads != "network":
        return Model(pipeline, NoEngine(), fitter.runtime)
    from mm_core.network.build import build_topology
    from mm_core.network.engine import NetworkEngine

    registry, finder = context.registry, context.finder
    topology = build_topology(recipe, processors, task, registry, finder=finder)
    return Model(pipeline, NetworkEngine(topology), NETWORK)


def unfitted_model(recipe: Recipe, rows: Table, context: FitContext) -> tuple[Model, FitResult]:
    """The model of a task that need not be fitted, as it answers without having learned.

    Args:
        recipe: the plan.
        rows: what processors are fitted on; with label columns, or some of them, or none.
        context: components, and where weights come from.

    Raises:
        ConfigError: the task has to learn.
    """
    registry = context.registry
    check_recipe(recipe, registry)
    check_epochs(0, registry.get(TaskSpec, recipe.task.id))
    task = build_task(recipe, registry)
    task.folder = rows.folder
    task.learn(rows.frame[[name for name in task.label if name in rows.frame.columns]])
    fitter = registry.get(FitterSpec, recipe.fit.id).spec
    with seeded_fit(fitter, recipe.training.seed):
        model = starting_model(recipe, rows, task, fitter, context)
    report_bad(model.pipeline.encode(rows).bad, context.on_error)
    return model.ready(), FitResult([], None, "nothing was to be learned")


class NoEngine(Engine):
    """Stands in a model until its fitter gives one."""

    def run(self, batch: Any, options: Any, settings: Any) -> dict[str, Any]:
        raise PluginError("the model is not fitted yet", remedy="score it after it has an engine")

    def write(self, folder: Path, context: Any, standalone: bool) -> dict[str, Any]:
        raise PluginError("the model is not fitted yet", remedy="save it after the fit")

    @classmethod
    def read(cls, folder: Path, values: Any, context: Any) -> NoEngine:
        return cls()
