"""One task from end to end: fused, saved, loaded; each input alone; one answer for all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api.specs import BackboneSpec
from mm_core.demo.datasets import DemoData
from mm_core.demo.scores import Estimate, grouped_mean
from mm_core.demo.settings import only
from mm_core.plugins.registry import Registry
from mm_core.predictor import MultiModalPredictor

FUSED = "all columns"
EXAMPLES = 5
CHECKED = 200
"""Test rows on which the saved model is compared with the one in memory."""

Settings = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """One row of the table of scores.

    Attributes:
        name: :data:`FUSED`, the name of an input that trained alone, or what the constant is.
        columns: what it read; the constant reads none.
        score: on the test rows.
        gain: of the fused model over this one, paired by row, positive where it is
            better; None for the fused model itself.
        seconds: from the call of fit to its end.
    """

    name: str
    columns: tuple[str, ...]
    score: Estimate
    gain: Estimate | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        data: the task and its rows.
        settings: what was set by hand, dotted.
        runs: fused first, then each input alone, then the same answer for every row.
        model: folder of the saved fused model.
        identical: whether the loaded model gives the same answers as the trained one, on the
            first :data:`CHECKED` test rows.
        examples: test rows with truth and answer, from the loaded model.
    """

    data: DemoData
    settings: Settings
    runs: tuple[Run, ...]
    model: Path
    identical: bool
    examples: pd.DataFrame

    @property
    def singles(self) -> tuple[Run, ...]:
        """The runs of one input alone."""
        return self.runs[1:-1]


class Experiment:
    """Trains and scores one task.

    Args:
        data: the task.
        settings: of the recipe, dotted keys.
        registry: installed plugins.
        seed: of every fit.
        say: prints a line.
    """

    def __init__(
        self, data: DemoData, settings: Settings, registry: Registry, seed: int, say: Say
    ) -> None:
        self.data = data
        self.settings = settings
        self.registry = registry
        self.seed = seed
        self.say = say

    def run(self, folder: Path) -> Outcome:
        """Everything; the fused model is saved to ``folder``, the test rows beside it."""
        data = self.data
        self.say(f"{FUSED}: {len(data.rows.train):,} training rows")
        fused, seconds = self._fit(self.settings, {}, verbosity=2)
        inputs = {name: tuple(part.columns) for name, part in fused.recipe.inputs.items()}
        loaded = MultiModalPredictor.load(fused.save(folder), verbosity=0)
        data.rows.test.to_csv(folder.with_name(f"{folder.name}_test.csv"), index=False)
        answer = self._answer(loaded)
        checked = data.rows.test.head(CHECKED)
        identical = bool(np.array_equal(loaded.predict(checked), fused.predict(checked)))
        best = self._by_row(answer)
        everything = tuple(column for columns in inputs.values() for column in columns)
        runs = [Run(FUSED, everything, self._mean(best), None, seconds)]
        for name in inputs if len(inputs) > 1 else ():
            alone = fused.recipe.backbones[name].id
            runs.append(self._alone(name, alone, inputs, best))
        runs.append(self._constant(best))
        examples = self._examples(answer)
        return Outcome(data, self.settings, tuple(runs), folder, identical, examples)

    def _alone(
        self, name: str, backbone: str, inputs: Mapping[str, tuple[str, ...]], best: np.ndarray
    ) -> Run:
        """The other inputs' columns are ignored."""
        self.say(f"{name} only: the same rows")
        ignored = {c: "ignore" for other in inputs if other != name for c in inputs[other]}
        recommended = self.registry.get(BackboneSpec, backbone).spec.alone
        settings = only(self.settings, name, inputs, recommended)
        single, seconds = self._fit(settings, ignored, verbosity=1)
        own = self._by_row(self._answer(single))
        return self._against(best, own, name, inputs[name], seconds)

    def _constant(self, best: np.ndarray) -> Run:
        measure, test = self.data.measure, self.data.rows.test
        constant = measure.constant(self.data.rows.train[self.data.label])
        own = self._by_row(pd.Series(constant, index=test.index))
        return self._against(best, own, measure.constant_name, (), 0.0)

    def _fit(
        self, settings: Settings, types: Mapping[str, str], verbosity: int
    ) -> tuple[MultiModalPredictor, float]:
        started = time.monotonic()
        predictor = MultiModalPredictor(
            label=self.data.label,
            eval_metric=self.data.measure.name,
            hyperparameters=settings,
            verbosity=verbosity,
        )
        predictor.fit(
            self.data.rows.train,
            tuning_data=self.data.rows.tuning,
            column_types=types,
            seed=self.seed,
        )
        return predictor, time.monotonic() - started

    def _answer(self, predictor: MultiModalPredictor) -> pd.Series:
        answer = predictor.predict(self.data.rows.test)
        assert isinstance(answer, pd.Series)
        return answer

    def _by_row(self, answer: pd.Series) -> np.ndarray:
        return self.data.measure.by_row(self.data.rows.test[self.data.label], answer)

    def _mean(self, values: np.ndarray) -> Estimate:
        return grouped_mean(values, self.data.rows.test[self.data.group])

    def _against(
        self,
        best: np.ndarray,
        own: np.ndarray,
        name: str,
        columns: tuple[str, ...],
        seconds: float,
    ) -> Run:
        gain = self._mean(self.data.measure.sign * (best - own))
        return Run(name, columns, self._mean(own), gain, seconds)

    def _examples(self, answer: pd.Series) -> pd.DataFrame:
        """The first test rows with truth and answer."""
        rows, label = self.data.rows.test.head(EXAMPLES), self.data.label
        return rows.drop(columns=label).assign(truth=rows[label], answer=answer.head(EXAMPLES))
