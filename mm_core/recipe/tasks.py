"""Which task the label asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mm_core.api.errors import ConfigError, LabelError
from mm_core.api.specs import TaskSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.claims import Label, claims_on, taken
from mm_core.recipe.overrides import PartOverride


def choose_task(
    label: Label, user: PartOverride, registry: Registry
) -> tuple[Component[TaskSpec], str | None]:
    """The task, and why where it was not named.

    Settings that the user gives say something too: only a task that has them is taken.

    Raises:
        ConfigError: the task that recognises the label lacks a setting of the user's.
        LabelError: a label that nothing can learn, or that no task recognises.
        PluginError: a detector claims what is no claim.
        UnknownComponentError: there is no task of that name.
    """
    if user.id is not None:
        return registry.get(TaskSpec, user.id), None
    if not label.columns:
        raise LabelError(
            "neither a label nor a task is named",
            remedy="MultiModalPredictor(label='name of the column'), or problem_type='...' of a "
            "task that needs none",
        )
    _check_varied(label)
    tasks = registry.all(TaskSpec)
    able = [task for task in tasks if set(user.own) <= set(task.config_class().model_fields)]
    if claims := claims_on(label, able or tasks):
        return taken(claims, label, user.own)
    if user.own and len(able) == 1:
        return able[0], f"the only task with the setting {', '.join(user.own)}"
    if claims := claims_on(label, tasks):
        raise _lacking_settings(user.own, claims[0][0], able, label)
    raise _unrecognised(label)


def check_label(task: Component[TaskSpec], label: Sequence[str]) -> None:
    """A label where the task needs one, and none where it reads none.

    Raises:
        LabelError: one is lacking.
        ConfigError: one would not be used.
    """
    if task.spec.label == "required" and not label:
        raise LabelError(
            f"no label is named, which {task.id} learns",
            remedy="MultiModalPredictor(label='name of the column')",
        )
    if task.spec.label == "none" and label:
        raise ConfigError(
            f"{task.id} reads no label: {', '.join(label)} would not be used",
            plugin=task.id,
            value=list(label),
            remedy="leave the label out; a column that is no input: column_types={...: 'ignore'} "
            "(--column-type COLUMN=ignore)",
        )


def check_epochs(epochs: int, task: Component[TaskSpec]) -> None:
    """No epochs are for tasks that answer without having learned.

    Raises:
        ConfigError: this one has to learn.
    """
    if not epochs and task.spec.requires_fit:
        raise ConfigError(
            f"training.epochs=0: {task.id} has to learn",
            plugin=task.id,
            value=0,
            remedy="training.epochs=1, or more",
        )


def _lacking_settings(
    settings: Iterable[str],
    task: Component[TaskSpec],
    able: Sequence[Component[TaskSpec]],
    label: Label,
) -> ConfigError:
    given = sorted(set(settings) - set(task.config_class().model_fields))
    wrong = ", ".join(f"task.{name}" for name in given)
    return ConfigError(
        f"{task.id}, which the label {label.names} asks for, has no setting {wrong}",
        plugin=task.id,
        column=label.columns[0].name,
        remedy=f"leave it out, or name a task that has it: {', '.join(one.id for one in able)}",
    )


def _unrecognised(label: Label) -> LabelError:
    first = label.columns[0]
    return LabelError(
        f"no task recognises the label {label.names}",
        column=first.name,
        value=first.values[0] if first.values else None,
        remedy="several label columns are of 0 and 1 (or of booleans), each a label of its own; "
        "to predict one of them, name it alone"
        if len(label.columns) > 1
        else "name it: problem_type='multiclass' (mm plugins list shows the tasks)",
    )


def _check_varied(label: Label) -> None:
    """Say what is wrong with a label that no task could learn; of several, only an empty one.

    Where several columns make up a label, one of them may well be the same in all rows.
    """
    for column in label.columns:
        if column.n_unique == 0:
            raise LabelError(
                f"every label in {column.name!r} is missing",
                column=column.name,
                remedy="give rows with labels",
            )
        if column.n_unique == 1 and len(label.columns) == 1:
            raise LabelError(
                f"label {column.name!r} is {column.values[0]!r} in all rows",
                column=column.name,
                value=column.values[0],
                remedy="give rows of at least two classes",
            )
