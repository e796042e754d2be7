"""One run of the fitter that a recipe names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mm_core import inference
from mm_core.api.contracts import Task
from mm_core.api.errors import BadCellError, report_bad
from mm_core.api.fitting import FitResult, FitRun, Fitter
from mm_core.api.specs import FitterSpec, ProcessorSpec
from mm_core.data.batches import TrainBatches
from mm_core.data.encoded import EncodedFrame
from mm_core.model import Model, read_config
from mm_core.plugins.registry import Registry
from mm_core.scoring import Metrics, short_name
from mm_core.training.calibration import calibrate
from mm_core.training.options import FitOptions


@dataclass(frozen=True)
class RecipeFitter:
    """Runs the fitter that a model's recipe names on encoded rows.

    Args:
        registry: installed components.
        metrics: to score the validation rows.
        options: callbacks, loggers, limits.
    """

    registry: Registry
    metrics: Metrics
    options: FitOptions

    def fit(
        self,
        model: Model,
        train: EncodedFrame,
        tuning: EncodedFrame,
    ) -> FitResult:
        """Fit a model in place, and calibrate it on the validation rows."""
        recipe, registry, options = model.recipe, self.registry, self.options
        training, metric = recipe.training, recipe.data.validation_metric
        score = self._score(model, tuning)
        if _lacks_a_class(model.task, train, tuning):
            score()  # a metric may not be defined on such rows: told now, not after an epoch
        component = registry.get(FitterSpec, recipe.fit.id)
        fitter: Fitter = component.load()(read_config(component, recipe.fit, "fit"))
        batches = TrainBatches(
            model.processors,
            train,
            training.batch_size,
            training.seed,
            training.augment,
            training.workers,
        )
        if options.on_error != "raise":
            batches.mask_bad()
        with tempfile.TemporaryDirectory(prefix="mm-fit-") as folder:
            run = FitRun(
                training=training,
                learning_rates={n: part.learning_rate for n, part in recipe.backbones.items()},
                score=score,
                metric=short_name(metric),
                higher_is_better=self.metrics.higher_is_better(metric),
                folder=Path(folder),
                callbacks=options.callbacks,
                loggers=options.loggers,
                verbosity=options.verbosity,
                deadline=options.deadline,
                mixable={
                    name: registry.get(ProcessorSpec, part.processor.id).spec.mixable
                    for name, part in recipe.inputs.items()
                },
                unfinished=options.unfinished,
                resume=options.resume,
            )
            model.topology.train()
            result = fitter.fit(model.topology, batches, run)
        report_bad(batches.bad, options.on_error)
        calibrate(model, tuning, self.metrics)
        return result

    def _score(self, model: Model, tuning: EncodedFrame) -> Callable[[], float]:
        metric = model.recipe.data.validation_metric

        def validate() -> float:
            decoded, bad = inference.predict(model, tuning)
            if bad and self.options.on_error == "raise":
                raise BadCellError(bad)
            return self.metrics.score(metric, model.task, tuning, decoded)

        return validate


def _lacks_a_class(task: Task, train: EncodedFrame, tuning: EncodedFrame) -> bool:
    """Some class of the training rows has no validation row."""
    trained, held = (task.strata(frame.targets) for frame in (train, tuning))
    return trained is not None and held is not None and len(np.setdiff1d(trained, held)) > 0
