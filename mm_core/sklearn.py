"""The predictor as estimators of scikit-learn: for ``clone``, ``cross_val_score``, pipelines.

``MultiModalPredictor`` itself learns from a table that holds its label; here it is ``fit(X, y)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from mm_core.predictor import MultiModalPredictor
from mm_core.scoring import Metric

LABEL = "label"
WEIGHT = "weight"
"""Names of the columns that ``y`` and ``sample_weight`` become; others where X has them."""


class _Estimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A predictor that is made anew by each ``fit``.

    Args:
        presets: see :class:`mm_core.MultiModalPredictor`; so the others up to ``verbosity``.
        hyperparameters: settings of the recipe, nested or dotted.
        eval_metric: by which thresholds are chosen.
        validation_metric: that chooses the best epoch.
        column_types: column -> modality, kind or ``"ignore"``, where the detectors are wrong.
        holdout_frac: share of the rows that choose the best epoch.
        time_limit: seconds of training.
        seed: of the split, new weights and batches.
        verbosity: 0 silent .. 3 all.

    Attributes:
        predictor_: the fitted predictor; ``predictor_.save(folder)`` saves it.
        n_features_in_: number of columns.
        feature_names_in_: their names, where ``X`` was a frame.
    """

    def __init__(
        self,
        *,
        presets: str | Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        eval_metric: Metric | None = None,
        validation_metric: Metric | None = None,
        column_types: Mapping[str, str | None] | None = None,
        holdout_frac: float | None = None,
        time_limit: float | None = None,
        seed: int | None = None,
        verbosity: int = 0,
    ) -> None:
        self.presets = presets
        self.hyperparameters = hyperparameters
        self.eval_metric = eval_metric
        self.validation_metric = validation_metric
        self.column_types = column_types
        self.holdout_frac = holdout_frac
        self.time_limit = time_limit
        self.seed = seed
        self.verbosity = verbosity

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Learn from rows and their labels.

        Args:
            X: a frame, whose cells may be texts, pictures, numbers, ..., or an array [N, D].
            y: label of each row.
            sample_weight: weight of each row (>= 0); None: 1.
        """
        table = self._table(X, reset=True)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        labels = self._labels(column_or_1d(y, warn=True))
        check_consistent_length(table, labels)
        label, weight = (_free(name, table.columns) for name in (LABEL, WEIGHT))
        table = table.assign(**{label: labels})
        if sample_weight is not None:
            table = table.assign(**{weight: _check_sample_weight(sample_weight, labels)})
        predictor = MultiModalPredictor(
            label,
            self._problem_type(labels),
            self.presets,
            self.eval_metric,
            self.validation_metric,
            self.hyperparameters,
            verbosity=self.verbosity,
        )
        self.predictor_ = predictor.fit(
            table,
            column_types=self.column_types,
            holdout_frac=self.holdout_frac,
            time_limit=self.time_limit,
            sample_weight=None if sample_weight is None else weight,
            seed=self.seed,
        )
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """One answer per row, [N]."""
        check_is_fitted(self)
        answers: np.ndarray = self.predictor_.predict(self._table(X, reset=False), as_pandas=False)
        return answers

    def _table(self, rows: Any, *, reset: bool) -> pd.DataFrame:
        """The rows as a frame; a frame is let be, whatever its cells hold.

        Args:
            rows: the caller's.
            reset: whether its columns are those to be known from now on.
        """
        if isinstance(rows, pd.DataFrame):
            validate_data(self, rows, reset=reset, skip_check_array=True)
            return rows.reset_index(drop=True)
        found = check_array(
            rows,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
            estimator=self,
        )
        validate_data(self, found, reset=reset, skip_check_array=True)
        return pd.DataFrame(found, columns=[f"x{n}" for n in range(found.shape[1])]).infer_objects()

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        return labels

    def _problem_type(self, labels: np.ndarray) -> str:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class MultiModalClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """One class per row; ``score`` is the accuracy.

    Attributes:
        classes_: in the order of the columns of :meth:`predict_proba`.
    """

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """float64 [N, C], the probability of each class."""
        check_is_fitted(self)
        table = self._table(X, reset=False)
        proba: np.ndarray = self.predictor_.predict_proba(table, as_pandas=False)
        return proba

    @property
    def classes_(self) -> np.ndarray:
        """The classes."""
        check_is_fitted(self)
        return np.asarray(self.predictor_.class_labels)

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        check_classification_targets(labels)
        return labels

    def _problem_type(self, labels: np.ndarray) -> str:
        return "multiclass" if len(pd.unique(labels)) > 2 else "binary"


class MultiModalRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """One number per row; ``score`` is R squared."""

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        return np.asarray(labels, dtype=np.float64)

    def _problem_type(self, labels: np.ndarray) -> str:
        return "regression"


def _free(name: str, taken: pd.Index) -> str:
    names = set(map(str, taken))
    while name in names:
        name += "_"
    return name
