"""One run of the fitter that a recipe names."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mm_core.api.errors import report_bad
from mm_core.api.fitting import FitResult, FitRun, Fitter
from mm_core.api.specs import FitterSpec, ProcessorSpec
from mm_core.data.encoded import EncodedFrame
from mm_core.model import Model
from mm_core.pipeline import read_config
from mm_core.plugins.registry import Registry
from mm_core.scoring import Metrics, short_name
from mm_core.training.batches import TrainBatches
from mm_core.training.held_out import HeldOut
from mm_core.training.options import FitOptions
from mm_core.training.workers import with_workers

CALIBRATION_SHARE = 0.05
"""Of the time that a fit is given, what calibration may take on top: training leaves it none."""


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
        started = time.monotonic()
        recipe, registry, options = model.recipe, self.registry, self.options
        training, metric = recipe.training, recipe.data.validation_metric
        held_out = HeldOut(model, tuning, self.metrics, options.on_error == "raise")
        held_out.check_metric()
        component = registry.get(FitterSpec, recipe.fit.id)
        fitter: Fitter = component.load()(read_config(component, recipe.fit, "fit"))
        batches = TrainBatches(
            model.processors,
            train,
            training.batch_size,
            training.seed,
            training.augment,
        )
        batches = with_workers(batches, training)
        if options.on_error != "raise":
            batches.mask_bad()
        with tempfile.TemporaryDirectory(prefix="mm-fit-") as folder:
            run = FitRun(
                training=training,
                learning_rates={n: part.learning_rate for n, part in recipe.backbones.items()},
                score=held_out.score,
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
        calibrated = held_out.calibrate(self._calibrated_by(started))
        return replace(result, calibrated_score=calibrated)

    def _calibrated_by(self, started: float) -> float | None:
        """``time.monotonic()`` at which calibration is to be done."""
        deadline = self.options.deadline
        if deadline is None:
            return None
        return deadline + CALIBRATION_SHARE * max(0.0, deadline - started)
