"""Metrics: installed ones by name, and the user's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mm_core.api.errors import ConfigError, MetricError
from mm_core.api.fitting import HISTORY_COLUMNS
from mm_core.api.metrics import CurvedMetric, Curves, DetailedMetric
from mm_core.api.metrics import Metric as RunningMetric
from mm_core.api.specs import MetricSpec, TaskSpec
from mm_core.api.tasks import Decoded, Task
from mm_core.data.encoded import EncodedFrame, taken
from mm_core.plugins.registry import Component, Registry
from mm_core.scorers import from_scikit_learn, instead_of, own_name

CUSTOM = "custom:"
"""Prefix of the id of a user's function in recipes."""

LOWER_IS_BETTER = ("_error", "_loss", "_deviance")
"""Ends of names of functions to minimise: scikit-learn's convention."""

_RETURN = "return a number whatever the answers are, for example 0 where it is not defined"

Custom = Callable[[Any, Any], float]
Metric = str | Custom


class Metrics:
    """Metrics by id.

    A user's function takes (true labels, predicted labels), numpy arrays in label space, written
    alike (:meth:`Task.true_answer`). Whether
    greater is better is said by its attribute ``higher_is_better``; without one it is as in the
    installed metric of that name (``rmse``), else greater is better, unless the name ends like
    scikit-learn's errors and losses. Where it is not defined it raises whatever it likes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._custom: dict[str, Custom] = {}

    def copy(self) -> Metrics:
        """The same metrics, to which more can be added without changing these."""
        copied = Metrics(self._registry)
        copied._custom = dict(self._custom)
        return copied

    def name(self, metric: Metric | None) -> str | None:
        """The name of a metric: of a function ``"custom:<its name>"``, which is remembered.

        Raises:
            ConfigError: another function has that name, or a column of the history.
        """
        metric = from_scikit_learn(metric)
        if metric is None or isinstance(metric, str):
            return metric
        name = f"{CUSTOM}{getattr(metric, '__name__', type(metric).__name__)}"
        if short_name(name) in HISTORY_COLUMNS:
            raise ConfigError(
                f"the history has a column {short_name(name)!r} already",
                value=name,
                remedy="rename the function",
            )
        if self._custom.setdefault(name, metric) != metric:
            raise ConfigError(
                f"two metrics are called {short_name(name)!r}", value=name, remedy="rename one"
            )
        return name

    def resolve(
        self, name: str, task: Component[TaskSpec], named_by: Component[Any] | None = None
    ) -> str:
        """The id of the metric of that name, if it fits the task.

        Args:
            name: of the metric, or its id.
            task: whose answers it is to score.
            named_by: the component whose plugin's metrics come first; None: the task.

        Raises:
            UnknownComponentError: no such metric.
            ConfigError: it is not defined for the task.
        """
        if name.startswith(CUSTOM):
            return name
        own = f"{(named_by or task).plugin.name}:{name}"
        self._refuse_names_of_scikit_learn(name)
        ids = {component.id for component in self._registry.all(MetricSpec)}
        metric = self._registry.get(MetricSpec, own if own in ids else name)
        same_plugin = metric.plugin.name == task.plugin.name
        if same_plugin and not {metric.id, metric.spec.name} & set(task.spec.metrics):
            raise ConfigError(
                f"metric {name!r} is not defined for {task.spec.name}",
                plugin=task.id,
                value=name,
                remedy=f"choose from {', '.join(task.spec.metrics)}, or pass a callable",
            )
        return metric.id

    def _refuse_names_of_scikit_learn(self, name: str) -> None:
        names = {component.spec.name for component in self._registry.all(MetricSpec)}
        ours = own_name(name)
        if name not in names and ours in names:
            sign = "; it is not negated: smaller is better" if name.startswith("neg_") else ""
            raise ConfigError(
                f"{name!r} is scikit-learn's name",
                value=name,
                remedy=f"here it is {ours!r}{sign}",
            )

    def asked(
        self, metrics: Metric | Iterable[Metric] | None, task: Component[TaskSpec], default: str
    ) -> dict[str, str]:
        """Short name -> id of one metric or several; None: ``default``, an id.

        Raises:
            UnknownComponentError: no such metric.
            ConfigError: one is not defined for the task, or two share a short name.
        """
        if metrics is None:
            return distinct_names([default])
        several = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        names = [self.name(metric) for metric in several]
        return distinct_names(self.resolve(name, task) for name in names if name is not None)

    def higher_is_better(self, metric: str) -> bool:
        """Direction of a metric, by id."""
        if not metric.startswith(CUSTOM):
            return self._registry.get(MetricSpec, metric).spec.higher_is_better
        function = self._custom.get(metric)
        return bool(getattr(function, "higher_is_better", self._direction(short_name(metric))))

    def _direction(self, name: str) -> bool:
        """Of a function of that name; plugins may give the name to metrics that disagree."""
        installed = {
            component.spec.higher_is_better
            for component in self._registry.all(MetricSpec)
            if component.spec.name == name.lower()
        }
        return installed.pop() if len(installed) == 1 else not name.endswith(LOWER_IS_BETTER)

    def check_at_hand(self, metric: str) -> None:
        """Refuse a user's function that this session does not have.

        Raises:
            MetricError: it would be called, and is not there.
        """
        if metric.startswith(CUSTOM):
            self._function(metric)

    def fits_truth(self, metric: str, task: Task, frame: EncodedFrame) -> bool:
        """Whether a user's function is defined for answers that are all right; False: no such."""
        if not metric.startswith(CUSTOM):
            return False
        truth = _true_values(task, frame.targets, frame.labels)
        try:
            self._call(metric, task, truth, truth)
        except MetricError:
            return False
        return True

    def scorer(
        self, metrics: Iterable[str], task: Task, loss_settings: Mapping[str, Any]
    ) -> Scorer:
        """Scores of a stream of answers.

        Args:
            metrics: ids.
            task: that decodes the answers.
            loss_settings: of the loss the model was trained with (``Recipe.loss_settings``), for
                the metrics that have to know some (``MetricSpec.loss_settings``).
        """
        return Scorer({name: self._running(name, task, loss_settings) for name in metrics})

    def _running(self, metric: str, task: Task, loss_settings: Mapping[str, Any]) -> _Running:
        if metric.startswith(CUSTOM):
            return _Function(task, lambda truth, answer: self._call(metric, task, truth, answer))
        component = self._registry.get(MetricSpec, metric)
        wanted = component.spec.loss_settings
        known = {name: loss_settings[name] for name in wanted if name in loss_settings}
        return _Installed(metric, component.spec.needs, task, component.load()(**known))

    def _call(self, metric: str, task: Task, truth: np.ndarray, answer: np.ndarray) -> float:
        function = self._function(metric)
        try:
            score = float(function(truth, answer))
        except (MetricError, MemoryError):
            raise
        except Exception as error:  # whatever a user's function may raise
            raise MetricError(
                f"the function {short_name(metric)} raised {type(error).__name__}: {error}",
                value=metric,
                remedy=self._instead(function, error, task) or _RETURN,
            ) from error
        if not math.isfinite(score):
            raise MetricError(
                f"the function {short_name(metric)} gave {score}", value=score, remedy=_RETURN
            )
        return score

    def _instead(self, function: Custom, error: Exception, task: Task) -> str:
        target = f"{type(task).__module__}:{type(task).__qualname__}"
        names = [  # those of other tasks would be refused
            name
            for component in self._registry.all(TaskSpec)
            if component.spec.target == target
            for name in component.spec.metrics
        ]
        return instead_of(function, str(error), task.positive_class, names)

    def _function(self, metric: str) -> Custom:
        function = self._custom.get(metric)
        if function is None:
            raise MetricError(
                f"{metric} is a function of the session that trained the model and is not at hand",
                value=metric,
                remedy="pass it again as eval_metric= or validation_metric=, whichever it was: to "
                "MultiModalPredictor.load(path, ...) for a saved model or a fit to resume, to "
                "MultiModalPredictor(...) for a recipe; or evaluate(data, metrics=[my_function])",
            )
        return function


class Scorer:
    """Metrics that are updated by each batch of answers."""

    def __init__(self, running: Mapping[str, _Running]) -> None:
        self._running = dict(running)

    def update(self, frame: EncodedFrame, rows: np.ndarray, decoded: Decoded) -> None:
        """Take in the answers of some rows.

        Args:
            frame: with targets.
            rows: positions of those rows.
            decoded: their answers.

        Raises:
            MetricError: a metric reads what the task does not give.
        """
        targets = {name: taken(values, rows) for name, values in frame.targets.items()}
        labels = None if frame.labels is None else frame.labels.iloc[rows]
        for running in self._running.values():
            running.update(targets, labels, decoded)

    def compute(self) -> dict[str, float]:
        """The scores by metric id.

        Raises:
            MetricError: one is not defined on these rows.
        """
        return {name: running.compute() for name, running in self._running.items()}

    def details(self) -> dict[str, dict[str, float]]:
        """What metrics say beside their scores, by metric id; after :meth:`compute`."""
        return {name: running.details() for name, running in self._running.items()}

    def curves(self) -> dict[str, list[Curves]]:
        """What metrics have to draw, by metric id; after :meth:`compute`."""
        return {name: running.curves() for name, running in self._running.items()}


class _Running(Protocol):
    def update(
        self, targets: Mapping[str, Any], labels: pd.DataFrame | None, decoded: Decoded
    ) -> None: ...

    def compute(self) -> float: ...

    def details(self) -> dict[str, float]: ...

    def curves(self) -> list[Curves]: ...


@dataclass
class _Installed:
    """A metric of a plugin."""

    id: str
    needs: str
    task: Task
    metric: RunningMetric

    def update(
        self, targets: Mapping[str, Any], labels: pd.DataFrame | None, decoded: Decoded
    ) -> None:
        if self.needs not in decoded.views:
            raise MetricError(
                f"metric {self.id} needs {self.needs}, which this task does not give",
                value=self.id,
                remedy=f"it gives {', '.join(decoded.views)}",
            )
        self.metric.update(self.task.truth(targets, self.needs), decoded.views[self.needs])

    def compute(self) -> float:
        return float(self.metric.compute())

    def details(self) -> dict[str, float]:
        if not isinstance(self.metric, DetailedMetric):
            return {}
        return {name: float(value) for name, value in self.metric.details().items()}

    def curves(self) -> list[Curves]:
        return list(self.metric.curves()) if isinstance(self.metric, CurvedMetric) else []


@dataclass
class _Function:
    """A user's function, which is given all rows at once."""

    task: Task
    call: Callable[[np.ndarray, np.ndarray], float]
    seen: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def update(
        self, targets: Mapping[str, Any], labels: pd.DataFrame | None, decoded: Decoded
    ) -> None:
        truth = _true_values(self.task, targets, labels)
        self.seen.append((truth, _label_values(decoded.answer)))

    def compute(self) -> float:
        truth, answer = (np.concatenate(values) for values in zip(*self.seen, strict=True))
        return self.call(truth, answer)

    def details(self) -> dict[str, float]:
        return {}

    def curves(self) -> list[Curves]:
        return []


def function_of(metric: str) -> str | None:
    """Name of the user's function that a metric's id in a recipe stands for; None: for none."""
    return metric.removeprefix(CUSTOM) if metric.startswith(CUSTOM) else None


def short_name(metric: str) -> str:
    """``"core:roc_auc"`` -> ``"roc_auc"``."""
    return metric.split(":")[-1]


def distinct_names(metrics: Iterable[str]) -> dict[str, str]:
    """Short name -> id.

    Raises:
        ConfigError: two of them share a short name.
    """
    by_name: dict[str, str] = {}
    for metric in metrics:
        if by_name.setdefault(short_name(metric), metric) != metric:
            raise ConfigError(
                f"two metrics are called {short_name(metric)!r}: {by_name[short_name(metric)]} "
                f"and {metric}",
                value=metric,
                remedy="rename the function",
            )
    return by_name


def _true_values(task: Task, targets: Mapping[str, Any], labels: pd.DataFrame | None) -> np.ndarray:
    written = task.true_answer(targets)
    found = labels if written is None else written
    assert found is not None
    return _label_values(found)


def _label_values(labels: pd.DataFrame) -> np.ndarray:
    return labels.iloc[:, 0].to_numpy() if labels.shape[1] == 1 else labels.to_numpy()
