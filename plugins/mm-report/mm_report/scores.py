"""Scores with what chance leaves open: bootstrap intervals over rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mm_core.api import ConfigError, UnknownComponentError, tools
from mm_report.tested import Tested

DRAWS = 200
SECONDS = 30.0
"""Of drawing for one metric: one that takes long is given fewer draws, and the page says so."""

LEVEL = 0.95

USUAL = (
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "roc_auc",
    "log_loss",
    "rmse",
    "mae",
    "r2",
    "map",
    "map_50",
    "map_75",
    "mar",
    "iou",
    "miou",
    "dice",
    "pixel_accuracy",
)
"""Names of metrics that are shown beside the model's own, where its task has them."""


@dataclass(frozen=True)
class Score:
    """What a metric says.

    Attributes:
        name: short.
        value: None: it is not defined on these rows, or not at hand.
        low: lower end of the interval that 95% of the draws fall into; None: there is none.
        high: upper end.
        higher_is_better: its direction.
        draws: how many.
        role: what the model uses it for, or empty.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    higher_is_better: bool
    draws: int
    role: str = ""


def metrics_of(tested: Tested) -> dict[str, str]:
    """Ids of the metrics that are shown -> what the model uses them for."""
    data, task = tested.recipe.data, tested.component()
    roles = {data.eval_metric: "judges the model"}
    if data.validation_metric == data.eval_metric:
        roles[data.eval_metric] += ", chose the best epoch"
    else:
        roles[data.validation_metric] = "chose the best epoch"
    for name in USUAL:
        if name in task.spec.metrics:
            try:
                roles.setdefault(tested.metrics.resolve(name, task), "")
            except (ConfigError, UnknownComponentError):  # another plugin has the name as well
                continue
    return roles


def scores(tested: Tested, seed: int = 0, draws: int = DRAWS) -> list[Score]:
    """Of all rows, the model's own metrics first."""
    return [
        _score(tested, metric, role, seed, draws) for metric, role in metrics_of(tested).items()
    ]


def _score(tested: Tested, metric: str, role: str, seed: int, draws: int) -> Score:
    name, better = tools.short_name(metric), tested.metrics.higher_is_better(metric)
    value = tested.score(metric)
    if value is None:
        return Score(name, None, None, None, better, 0, role)
    found = drawn([tested], metric, seed, draws)[:, 0]
    low, high = interval(found)
    return Score(name, value, low, high, better, len(found), role)


def drawn(several: Sequence[Tested], metric: str, seed: int, draws: int = DRAWS) -> np.ndarray:
    """float64 [draws, models]: scores of rows drawn with replacement, the same for each model.

    Draws on which it is not defined are left out, and the rest where it takes too long.
    """
    rng, n = np.random.default_rng(seed), len(several[0])
    found, until = [], time.perf_counter() + SECONDS
    for _ in range(draws):
        rows = rng.integers(0, n, n)
        values = [one.score(metric, rows) for one in several]
        if None not in values:
            found.append(values)
        if time.perf_counter() > until:
            break
    return np.array(found, dtype=np.float64).reshape(len(found), len(several))


def interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """That 95% of the draws fall into; of few draws none."""
    if len(values) < 20:
        return None, None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
