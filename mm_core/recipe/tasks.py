"""Which task the label asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mm_core.api.columns import ColumnSample, Detection, LabelSample
from mm_core.api.errors import ConfigError, LabelError
from mm_core.api.specs import TaskSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.overrides import PartOverride


def choose_task(
    label: Sequence[ColumnSample], user: PartOverride, registry: Registry
) -> tuple[Component[TaskSpec], str | None]:
    """The task, and why where it was not named.

    Settings that the user gives say something too: only a task that has them is taken.

    Raises:
        ConfigError: the task that recognises the label lacks a setting of the user's.
        LabelError: a label that nothing can learn, or that no task recognises.
        UnknownComponentError: there is no task of that name.
    """
    if user.id is not None:
        return registry.get(TaskSpec, user.id), None
    _check_varied(label)
    tasks = registry.all(TaskSpec)
    able = [task for task in tasks if set(user.own) <= set(task.config_class().model_fields)]
    if (claim := _best_claim(able or tasks, label)) is not None:
        task, detection = claim
        return task, f"label: {detection.reason}"
    if user.own and len(able) == 1:
        return able[0], f"the only task with the setting {', '.join(user.own)}"
    if (claim := _best_claim(tasks, label)) is not None:
        raise _lacking_settings(user.own, claim[0], able, label)
    raise _unrecognised(label)


def _best_claim(
    tasks: Sequence[Component[TaskSpec]], label: Sequence[ColumnSample]
) -> tuple[Component[TaskSpec], Detection] | None:
    """The task that is surest that the label is its own."""
    claims = [
        (-detection.score, task.id, task, detection)
        for task in tasks
        if (detection := _detect(task, label)) is not None
    ]
    return min(claims, key=lambda claim: claim[:2])[2:] if claims else None


def _lacking_settings(
    settings: Iterable[str],
    task: Component[TaskSpec],
    able: Sequence[Component[TaskSpec]],
    label: Sequence[ColumnSample],
) -> ConfigError:
    columns = ", ".join(column.name for column in label)
    given = sorted(set(settings) - set(task.config_class().model_fields))
    wrong = ", ".join(f"task.{name}" for name in given)
    return ConfigError(
        f"{task.id}, which the label {columns} asks for, has no setting {wrong}",
        plugin=task.id,
        column=label[0].name,
        remedy=f"leave it out, or name a task that has it: {', '.join(one.id for one in able)}",
    )


def _detect(task: Component[TaskSpec], label: Sequence[ColumnSample]) -> Detection | None:
    if not task.spec.detector:
        return None
    found: Detection | None = task.load("detector")(LabelSample(tuple(label)))
    return found


def _unrecognised(label: Sequence[ColumnSample]) -> LabelError:
    columns = ", ".join(column.name for column in label)
    return LabelError(
        f"no task recognises the label {columns}",
        column=label[0].name,
        value=label[0].values[0] if label[0].values else None,
        remedy="several label columns are of 0 and 1 (or of booleans), each a label of its own; "
        "to predict one of them, name it alone"
        if len(label) > 1
        else "name it: problem_type='multiclass' (mm plugins list shows the tasks)",
    )


def _check_varied(label: Sequence[ColumnSample]) -> None:
    """Say what is wrong with a label that no task could learn; of several, only an empty one.

    Where several columns make up a label, one of them may well be the same in all rows.
    """
    for column in label:
        if column.n_unique == 0:
            raise LabelError(
                f"every label in {column.name!r} is missing",
                column=column.name,
                remedy="give rows with labels",
            )
        if column.n_unique == 1 and len(label) == 1:
            raise LabelError(
                f"label {column.name!r} is {column.values[0]!r} in all rows",
                column=column.name,
                value=column.values[0],
                remedy="give rows of at least two classes",
            )
