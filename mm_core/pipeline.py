"""Pipeline: what stands before and behind an engine. No torch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.batch import Batch
from mm_core.api.config import Config
from mm_core.api.errors import BadCell, RecipeError
from mm_core.api.loss import Criterion
from mm_core.api.processors import Field, Processor, Table
from mm_core.api.specs import ModalitySpec, ProcessorSpec, TaskSpec
from mm_core.api.tasks import Decoded, Task
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.batches import BatchMaker, prediction_order
from mm_core.data.encoded import EncodedFrame, encode_inputs
from mm_core.data.shared import SharedProcessor
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.losses import choose_loss
from mm_core.recipe.parts import InputPart, Part
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.training import check_mixing

GATES = "gates."

_PLACING = threading.RLock()
"""Labels are encoded by one thread at a time: a model may be asked in several, and a task knows one
folder of data."""


@dataclass
class Pipeline:
    """A recipe with its fitted processors and its task.

    Attributes:
        recipe: the plan.
        processors: by input name, fitted.
        task: learned.
        reads_rows: whether the engine reads the rows as they came.
        options: of the task, where a prediction is given none; None: the task has none.
    """

    recipe: Recipe
    processors: dict[str, Processor]
    task: Task
    reads_rows: bool = False
    options: Any = None

    def encode(self, table: Table) -> EncodedFrame:
        """Encode rows that hold the columns of the recipe's inputs."""
        columns = {name: part.columns for name, part in self.recipe.inputs.items()}
        frame = encode_inputs(self.processors, columns, table)
        frame.table = table if self.reads_rows else None
        return frame

    def encode_with_targets(self, table: Table) -> EncodedFrame:
        """Encode rows together with their labels."""
        frame = self.encode(table)
        frame.labels = table.frame[list(self.task.label)]
        with _PLACING:
            self.task.folder = table.folder
            frame.targets = self.task.encode(frame.labels)
        return frame

    def arrays(
        self, frame: EncodedFrame, batch_size: int, rows: np.ndarray | None = None
    ) -> Iterator[tuple[Batch, list[BadCell]]]:
        """Batches of numpy arrays, rows of like cost together, and cells found unreadable.

        Args:
            frame: encoded rows.
            batch_size: rows a batch.
            rows: positions of those to take; None: all.
        """
        for positions in prediction_order(frame, batch_size, rows):
            yield self.batch(frame, positions)

    def batch(self, frame: EncodedFrame, rows: np.ndarray) -> tuple[Batch, list[BadCell]]:
        """The rows at these positions as arrays, and cells found unreadable."""
        maker = BatchMaker(self.processors, frame)
        return maker.make(rows), maker.bad

    def decode(self, outputs: dict[str, Any], meta: dict[str, Any], options: Any = None) -> Decoded:
        """Answers from an engine's outputs, rows in order; with the shares of the inputs in them.

        An engine gives these as ``"gates.<name>"`` [N], where it knows them.
        """
        decoded = self.task.decode(outputs, meta, self.options if options is None else options)
        shares = {
            name.removeprefix(GATES): value
            for name, value in outputs.items()
            if name.startswith(GATES)
        }
        if decoded.contributions is not None or not shares:
            return decoded
        return replace(decoded, contributions=shares)


def read_config(component: Component[Any], part: Part, where: str) -> Config:
    """The validated config of a part of a recipe."""
    return component.read(part.config, where=where)


def input_fields(recipe: Recipe, part: InputPart) -> tuple[Field, ...]:
    """The columns of an input with the form of their cells."""
    plans = {plan.name: plan for plan in recipe.columns.columns}
    return tuple(Field(column, plans[column].kind or "") for column in part.columns)


def check_recipe(recipe: Recipe, registry: Registry) -> None:
    """Refuse a recipe whose columns are of unknown kinds.

    Raises:
        RecipeError: says which, or what cannot be mixed as asked.
        UnknownComponentError: a modality that is not installed.
    """
    for plan in recipe.columns.columns:
        if plan.modality is None:
            continue
        kinds = registry.get(ModalitySpec, plan.modality).spec.kinds
        if plan.kind not in kinds:
            raise RecipeError(
                f"column {plan.name!r} is said to be {plan.kind!r}, which {plan.modality} is not",
                column=plan.name,
                value=plan.kind,
                remedy=f"kinds: {', '.join(kinds)}",
            )
    check_mixing(recipe, registry)


def fit_processors(
    recipe: Recipe, table: Table, registry: Registry, finder: CheckpointFinder
) -> dict[str, Processor]:
    """Processors fitted on training rows; one that is shared on the rows of all its inputs."""
    needs = registry.get(TaskSpec, recipe.task.id).spec.needs
    fitted: dict[str, Processor] = {}
    for name, part in recipe.inputs.items():
        if name in shared_inputs(recipe):
            continue
        component = registry.get(ProcessorSpec, part.processor.id)
        processor: Processor = component.load()(
            read_config(component, part.processor, f"inputs.{name}.processor"),
            input_fields(recipe, part),
            _checkpoint_of_reader(name, recipe, finder),
        )
        processor.needs = needs
        processor.fit(_rows_of(name, recipe, table))
        fitted[name] = processor
    return with_shared(fitted, recipe)


def shared_inputs(recipe: Recipe) -> dict[str, str]:
    """Input -> the other input whose processor reads it: those of backbones that are one."""
    return {
        own: known
        for part in recipe.backbones.values()
        if part.share_with is not None
        for own, known in zip(part.inputs, recipe.backbones[part.share_with].inputs, strict=True)
        if own != known
    }


def with_shared(processors: Mapping[str, Processor], recipe: Recipe) -> dict[str, Processor]:
    """The processors of all inputs, in the recipe's order.

    Args:
        processors: fitted, of the inputs that have one of their own.
        recipe: says which others they read.
    """
    shared = shared_inputs(recipe)
    return {
        name: SharedProcessor(processors[shared[name]], input_fields(recipe, part))
        if name in shared
        else processors[name]
        for name, part in recipe.inputs.items()
    }


def _rows_of(name: str, recipe: Recipe, table: Table) -> Table:
    """The training rows of an input; below them those of the inputs that share its processor."""
    columns = list(recipe.inputs[name].columns)
    frames = [table.frame[columns]] + [
        table.frame[list(recipe.inputs[own].columns)].set_axis(columns, axis=1)
        for own, known in shared_inputs(recipe).items()
        if known == name
    ]
    whole = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    return Table(whole, table.folder)


def build_task(recipe: Recipe, registry: Registry) -> Task:
    """The recipe's task, not yet learned."""
    component = registry.get(TaskSpec, recipe.task.id)
    task: Task = component.load()(read_config(component, recipe.task, "task"), recipe.data.label)
    return task


def build_criterion(
    part: Part | None, task: Component[TaskSpec], registry: Registry
) -> Criterion | None:
    """What a task is trained with; None: it has a loss of its own.

    Args:
        part: the loss that the recipe names (``training.loss``); None: the task's default.
        task: the task.
        registry: installed components.

    Raises:
        ConfigError: the loss does not fit the task.
    """
    loss = choose_loss(None if part is None else part.id, task, registry)
    if loss is None:
        return None
    config = read_config(loss, part or Part(id=loss.id), "training.loss")
    return Criterion(loss.load()(config), loss.spec.needs)


def _checkpoint_of_reader(name: str, recipe: Recipe, finder: CheckpointFinder) -> Any:
    """The checkpoint of the backbone that reads an input, which may bring a vocabulary."""
    reader = next((part for part in recipe.backbones.values() if name in part.inputs), None)
    return None if reader is None else finder.fetch(reader.id, reader.config.get("checkpoint"))
