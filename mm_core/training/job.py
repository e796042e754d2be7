"""The job that a fitter is given: rows, scores, the core's loop, and models inside the model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api.batch import Batch
from mm_core.api.errors import ConfigError, PluginError, report_bad
from mm_core.api.fitting import INTERRUPTED, TERMINATED, Batches, FitJob, FitResult, FitRows, Fitted
from mm_core.api.processors import Table
from mm_core.api.specs import ProcessorSpec
from mm_core.data.batches import BatchMaker
from mm_core.model import Model
from mm_core.processes import ENDED_BY_SIGTERM, is_first
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.training import TrainingConfig
from mm_core.scoring import short_name
from mm_core.training.constant import constant_of
from mm_core.training.context import FitContext
from mm_core.training.held_out import HeldOut

Submodel = Callable[[Mapping[str, Any], Table, Table | None, float | None], Fitted]
Plan = Callable[[Mapping[str, Any]], Recipe]


@dataclass(frozen=True)
class LearnedAlone:
    """What came of new networks' own training; the weights so far stand in the job's network.

    Attributes:
        interrupted: whether Ctrl-C ended it.
        scores: best validation score of each of these backbones as a model of its inputs alone.
    """

    interrupted: bool
    scores: Mapping[str, float]


@dataclass
class Job(FitJob):
    """A fit of one model; see :class:`mm_core.api.fitting.FitJob`.

    Args:
        model: to fit.
        train: training rows.
        held_out: the validation rows, ready to score the model; None: there are none.
        context: where the fit takes place.
        folder: for files meanwhile.
        plan_submodel: settings -> recipe of another model.
        fit_submodel: (settings, training rows, validation rows, deadline) -> that model, fitted.
        fit_first: trains the job's new networks by themselves.
    """

    model: Model
    train: FitRows
    validation: FitRows | None
    held_out: HeldOut | None
    context: FitContext
    folder: Path
    plan_submodel: Plan
    fit_submodel: Submodel
    fit_first: Callable[[Job], LearnedAlone]
    _made: list[Any] = field(default_factory=list)
    _trainings: int = 0
    _resume: bool = field(init=False)
    _told_to_end: bool = False
    _interrupted: bool = False

    def __post_init__(self) -> None:
        metric = self.model.recipe.data.validation_metric
        self.metric = short_name(metric)
        self.higher_is_better = self.context.metrics.higher_is_better(metric)
        self.deadline = self.context.deadline
        self.verbosity = self.context.verbosity
        self._resume = self.context.resume

    @property
    def starts_anew(self) -> bool:
        """Whether one process begins with weights that no fit has changed yet."""
        from mm_core.training.loop.devices import process_count
        from mm_core.training.loop.finished import is_finished
        from mm_core.training.loop.unfinished import unfinished_state

        context = self.context
        folder = context.unfinished
        begun = is_finished(folder) or unfinished_state(folder) is not None
        taken_up = context.resume and begun
        alone = process_count(self.model.recipe.training) == 1
        return context.model is None and self.validation is not None and alone and not taken_up

    def batches(self) -> Batches:
        from mm_core.training.batches import TrainBatches
        from mm_core.training.workers import with_workers

        training = self.model.recipe.training
        batches = TrainBatches(
            self.model.processors,
            self.train.encoded,
            training.batch_size,
            training.seed,
            training.augment,
        )
        batches = with_workers(batches, training)
        if self.context.on_error != "raise":
            batches.mask_bad()
        self._made.append(batches)
        return batches

    def plain(self, rows: FitRows, batch_size: int | None = None) -> Iterator[Batch]:
        size = batch_size or self.model.recipe.training.batch_size
        maker = BatchMaker(self.model.processors, rows.encoded)
        for start in range(0, len(rows), size):
            yield maker.make(np.arange(start, min(start + size, len(rows))))
        report_bad(maker.bad, self.context.on_error)

    def score(
        self,
        outputs: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        rows: FitRows | None = None,
    ) -> float:
        if rows is not None and outputs is not None:
            metrics = self.context.metrics
            return HeldOut(self.model, rows.encoded, metrics, False).score_of(outputs, meta)
        if self.held_out is None:
            raise ConfigError(
                "this fit has no validation rows to score",
                plugin=self.model.recipe.fit.id,
                remedy="FitterSpec(holds_out=True), or job.score(outputs, rows=...)",
            )
        return self.held_out.score() if outputs is None else self.held_out.score_of(outputs, meta)

    def train_network(
        self,
        network: Any,
        batches: Batches,
        *,
        score: Callable[[], float] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> FitResult:
        from mm_core.network.engine import NetworkEngine
        from mm_core.network.precision import chosen
        from mm_core.training.loop.finished import forget_phase, phase_folder, take_up_finished
        from mm_core.training.loop.run import FitRun
        from mm_core.training.loop.train import train_network

        if self._told_to_end:  # between two trainings: the first is written down
            raise SystemExit(ENDED_BY_SIGTERM)
        recipe, context = self.model.recipe, self.context
        self._trainings += 1
        place = phase_folder(context.unfinished, self._trainings)
        wished = recipe.training.model_dump() | dict(training or {})
        own = self.score if self.held_out is not None else None
        comparable = self.held_out if score is None else None  # by the metric of the fit
        run = FitRun(
            training=TrainingConfig.read(wished, where="training") if training else recipe.training,
            learning_rates={n: part.learning_rate for n, part in recipe.backbones.items()},
            score=own if score is None else score,
            held_out=0 if self.validation is None else len(self.validation),
            metric=self.metric,
            higher_is_better=self.higher_is_better,
            folder=Path(tempfile.mkdtemp(dir=self.folder)),
            callbacks=context.callbacks,
            loggers=context.loggers,
            verbosity=context.verbosity,
            deadline=self.deadline,
            mixable={
                name: context.registry.get(ProcessorSpec, part.processor.id).spec.mixable
                for name, part in recipe.inputs.items()
            },
            unfinished=place,
            resume=self._resume,
            constant=constant_of(self.train, comparable),
        )
        network.train()
        if isinstance(self.model.engine, NetworkEngine):  # validated as it is trained
            self.model.engine.precision = chosen(run.training.precision)
        if self._resume:
            done = take_up_finished(place, network)
            if done is not None:
                network.eval()
                return self._told_of_ctrl_c(done)
        elif is_first():
            forget_phase(place)
        self._resume = False  # what follows stands on this training, and not on an earlier run
        result = train_network(network, batches, run)
        network.eval()  # a part of the model's network would have dropout where the rest has none
        self._told_to_end = result.stopped == TERMINATED
        return self._told_of_ctrl_c(result)

    def _told_of_ctrl_c(self, result: FitResult) -> FitResult:
        """What ended the fit, if that was before this training; SIGTERM since then goes first."""
        if not self._interrupted or result.stopped == TERMINATED:
            return result
        return replace(result, stopped=INTERRUPTED)

    def train_new_first(self) -> Mapping[str, float]:
        if self._trainings:
            raise PluginError(
                "train_new_first() comes after a training, and would overwrite what was learned",
                plugin=self.model.recipe.fit.id,
                remedy="call it first in Fitter.fit",
            )
        if not (self.starts_anew and self.model.recipe.training.new_first):
            return {}
        found = self.fit_first(self)
        if found.interrupted:  # what follows ends with its first step
            self._interrupted = True
            self.deadline = time.monotonic()
        return found.scores

    def plan(self, settings: Mapping[str, Any]) -> Recipe:
        return self.plan_submodel(settings)

    def submodel(
        self,
        settings: Mapping[str, Any],
        train: Table | None = None,
        validation: Table | None = None,
        deadline: float | None = None,
    ) -> Fitted:
        given = None if self.validation is None else self.validation.table
        rows = self.train.table if train is None else train
        held = given if validation is None else validation
        return self.fit_submodel(settings, rows, held, deadline)

    def close(self) -> None:
        """Let the processes go that make batches of validation rows, where there are any."""
        if self.held_out is not None:
            self.held_out.close()

    @property
    def unreadable(self) -> Sequence[Any]:
        """Cells found unreadable in training, each once."""
        return list(dict.fromkeys(cell for batches in self._made for cell in batches.bad))
