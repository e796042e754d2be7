"""What a fit refuses of labels and weights of rows, told before anything heavy is imported."""

from __future__ import annotations

import copy

from mm_core.api.processors import Table
from mm_core.api.specs import TaskSpec
from mm_core.api.tasks import Task
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe
from mm_core.training.row_weights import row_weights, weight_column


def check_labels(recipe: Recipe, table: Table, learned: Task | None, registry: Registry) -> None:
    """Let the task learn the labels, and weigh the rows.

    Args:
        recipe: of the fit.
        table: its rows.
        learned: the task of the model that is trained further, which stays as it is; None: a new
            model.
        registry: installed components.

    Raises:
        LabelError: the task cannot learn them.
        ConfigError: the task's settings or the class weights do not fit them.
        ColumnError, DataError: the column of weights is not there, or holds none.
    """
    labels = table.frame[list(recipe.data.label)]
    task = _new(recipe, registry) if learned is None else copy.deepcopy(learned)
    task.folder = table.folder
    (task.learn if learned is None else task.extend)(labels)
    own = weight_column(table, recipe.data.sample_weight)
    row_weights(own, recipe.training.class_weights, task, task.encode(labels))


def _new(recipe: Recipe, registry: Registry) -> Task:
    """Without a loss, which would import torch."""
    component = registry.get(TaskSpec, recipe.task.id)
    config = component.read(recipe.task.config, where="task")
    task: Task = component.load()(config, recipe.data.label)
    return task
