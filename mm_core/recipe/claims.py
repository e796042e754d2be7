"""What tasks claim of a label: the surest that can learn it takes it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.api.columns import ColumnSample, Detection, LabelSample
from mm_core.api.errors import LabelError, MMWarning, PluginError
from mm_core.api.specs import TaskSpec
from mm_core.plugins.registry import Component

Claim = tuple[Component[TaskSpec], Detection]


@dataclass(frozen=True)
class Label:
    """A label, as detectors see it and as it is.

    Attributes:
        columns: a sample of each.
        frame: all rows of them.
    """

    columns: tuple[ColumnSample, ...]
    frame: pd.DataFrame

    @property
    def names(self) -> str:
        """The columns, for a message."""
        return ", ".join(column.name for column in self.columns)


def claims_on(label: Label, tasks: Sequence[Component[TaskSpec]]) -> list[Claim]:
    """The claims of these tasks, the surest first; equal scores in the order of ids.

    Raises:
        PluginError: a detector gives something else than a claim with a score of 0 to 1.
    """
    found = [(task, detection) for task in tasks if (detection := _detect(task, label)) is not None]
    return sorted(found, key=lambda claim: (-claim[1].score, claim[0].id))


def taken(
    claims: Sequence[Claim], label: Label, settings: Mapping[str, Any]
) -> tuple[Component[TaskSpec], str]:
    """The first whose task can learn the label, and why it is that one.

    Args:
        claims: at least one, the surest first.
        label: that they are about.
        settings: of the task, by the user.

    Raises:
        LabelError: none can learn it; what stands in the way of the first.
        ConfigError: the settings do not fit the label.
    """
    if len(claims) == 1:  # nobody else: what is wrong with the label is told when it is learned
        _tell(claims[0][1], label)
        return claims[0][0], f"label: {claims[0][1].reason}"
    errors: dict[str, LabelError] = {}
    able: list[Claim] = []
    for task, detection in claims:
        if able and detection.score < able[0][1].score:
            break
        error = _cannot_learn(task, label.frame, settings, label.columns[0].folder)
        if error is None:
            able.append((task, detection))
        else:
            errors[task.id] = error
    if not able:
        raise errors[claims[0][0].id]
    task, detection = able[0]
    _tell(detection, label)
    yielded = [
        f"; {name} claims it too and cannot learn it: {e.message}" for name, e in errors.items()
    ]
    return task, f"label: {detection.reason}{_tie(able, label)}{''.join(yielded)}"


def _tell(detection: Detection, label: Label) -> None:
    if detection.warning:
        warnings.warn(f"label {label.names}: {detection.warning}", MMWarning, stacklevel=3)


def _tie(able: Sequence[Claim], label: Label) -> str:
    """Say that others are as sure; empty where nobody is."""
    (task, detection), *rest = able
    others = ", ".join(other.id for other, _ in rest)
    if not others:
        return ""
    warnings.warn(
        f"label {label.names}: {task.id} and {others} claim it with the same score "
        f"{detection.score:g}; taken as {task.id}. Decide with problem_type=...",
        MMWarning,
        stacklevel=2,
    )
    return f" (equal score: {others})"


def _detect(task: Component[TaskSpec], label: Label) -> Detection | None:
    if not task.spec.detector:
        return None
    found = task.load("detector")(LabelSample(label.columns))
    if found is None:
        return None
    if not isinstance(found, Detection) or not 0 <= found.score <= 1:
        raise PluginError(
            f"{task.id} claims the label {label.names} with {found!r}: scores are 0 to 1",
            plugin=task.id,
            column=label.columns[0].name,
            value=found,
            remedy=f"report this to the plugin; meanwhile name the task: problem_type={task.id!r}, "
            "or another",
        )
    return found if found.score > 0 else None


def _cannot_learn(
    task: Component[TaskSpec], frame: pd.DataFrame, settings: Mapping[str, Any], folder: Path
) -> LabelError | None:
    config = task.read(settings, where="task")
    tried = task.load()(config, tuple(frame))
    tried.folder = folder
    try:
        tried.learn(frame)
        tried.encode(frame)
    except LabelError as error:
        return error
    return None
