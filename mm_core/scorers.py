"""Metrics as scikit-learn has them: its scorers, and its names."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from mm_core.api.errors import ConfigError

OURS = {
    "accuracy_score": "accuracy",
    "average_precision_score": "average_precision",
    "balanced_accuracy_score": "balanced_accuracy",
    "brier_score": "brier",
    "brier_score_loss": "brier",
    "cohen_kappa_score": "cohen_kappa",
    "f1_score": "f1",
    "log_loss": "log_loss",
    "matthews_corrcoef": "mcc",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_error": "mse",
    "precision_score": "precision",
    "r2_score": "r2",
    "recall_score": "recall",
    "roc_auc_score": "roc_auc",
    "root_mean_squared_error": "rmse",
}
"""Its name of a function -> ours of the same, where they differ; without ``neg_``."""


@dataclass(frozen=True)
class ScorerFunction:
    """What a scorer of labels or numbers scores with: (true, predicted) -> float.

    The score is that of the function itself, without the scorer's sign.
    """

    function: Callable[..., Any]
    higher_is_better: bool
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def __name__(self) -> str:
        return str(self.function.__name__)

    def __call__(self, truth: Any, answer: Any) -> float:
        return float(self.function(truth, answer, **self.settings))


def from_scikit_learn(metric: Any) -> Any:
    """A scorer of scikit-learn as a metric of ours, a function or a name; all else as it is.

    Raises:
        ConfigError: a scorer that reads probabilities, of which there is no metric here; what to
            type instead.
    """
    if not type(metric).__module__.startswith("sklearn.metrics"):
        return metric
    function = getattr(metric, "_score_func", None)  # scikit-learn has no public name for it
    settings = dict(getattr(metric, "_kwargs", {}))
    name = str(getattr(function, "__name__", ""))
    if function is None or getattr(metric, "_response_method", None) is None:
        raise ConfigError(
            f"{metric!r} scores estimators: mm scores answers",
            value=repr(metric),
            remedy="give the function it scores with, (true, predicted) -> float, or a name: "
            "mm plugins show core",
        )
    if metric._response_method == "predict":
        return ScorerFunction(function, metric._sign > 0, settings)
    own = own_name(name)
    if own is not None and not settings:
        return own
    raise ConfigError(
        f"the scorer of {name} reads probabilities, and a function is given labels here",
        value=repr(metric),
        remedy=f"give the name {own!r}" if own else "give a name: mm plugins show core",
    )


def instead_of(function: Any, error: str, positive: Any, names: Collection[str]) -> str:
    """What to type for a function of scikit-learn that raised this; empty: it is none.

    Args:
        function: or its scorer as :func:`from_scikit_learn` gave it.
        error: what it said.
        positive: the positive class of the task, or None.
        names: of the task's metrics.
    """
    scorer = function if isinstance(function, ScorerFunction) else ScorerFunction(function, True)
    if not str(getattr(scorer.function, "__module__", "")).startswith("sklearn.metrics"):
        return ""
    lacks = {}
    if "pos_label" in error and positive is not None:
        lacks = {"pos_label": positive}
    elif "average=" in error:
        lacks = {"average": "macro"}
    ways = []
    own = own_name(scorer.__name__)
    if own in names and not scorer.settings and "average" not in lacks:
        ways.append(f"eval_metric={own!r}, the same by name")
    if lacks:
        signed = {} if scorer.higher_is_better else {"greater_is_better": False}
        given = {**scorer.settings, **lacks, **signed}.items()
        listed = ", ".join(f"{name}={value!r}" for name, value in given)
        ways.append(f"eval_metric=make_scorer({scorer.__name__}, {listed})")
    return ", or ".join(ways)


def own_name(name: str) -> str | None:
    """Ours for a name of scikit-learn, of a scorer or a function; None: it says nothing."""
    plain = name.removeprefix("neg_")
    if plain != name or plain in OURS:
        return OURS.get(plain, plain.removesuffix("_score"))
    return None
