"""TabICL's own estimators on a network and a context that are given. Imports torch.

They bring the preprocessing that the network was trained with, and the average over views. What
they learn of the context is learned again wherever a model is loaded: nothing of it is kept, and it
is the same each time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tabicl import TabICLClassifier, TabICLRegressor

from mm_tabicl.answers import Asked
from mm_tabicl.context import Array, Context
from mm_tabicl.networks import Network

LEAST = 1e-12
"""Probability of a class that no row of the context has."""


class _Given:
    """In place of a file that the library would look for, and download."""

    network: Network

    def _load_model(self) -> None:
        self.model_ = self.network.module
        self.model_config_ = dict(self.network.config)


class _Classes(_Given, TabICLClassifier):
    pass


class _Numbers(_Given, TabICLRegressor):
    pass


class Answering:
    """A context that answers on one device.

    Args:
        network: its weights are moved to the device.
        context: what is known.
        asked: what is asked of rows.
        device: as torch names it.
        half: whether it computes in half precision where it can.
    """

    def __init__(
        self, network: Network, context: Context, asked: Asked, device: str, half: bool
    ) -> None:
        self._asked = asked
        settings: dict[str, Any] = {
            "n_estimators": asked.estimators,
            "batch_size": asked.batch_size,
            "random_state": asked.seed,
            "device": device,
            "use_amp": half,
            "use_fa3": False,  # answers would hang on what else is installed
            "kv_cache": asked.cache != "none" and asked.cache,
        }
        self._estimator: Any = (
            _Numbers(**settings)
            if asked.numbers
            else _Classes(softmax_temperature=asked.temperature, **settings)
        )
        self._estimator.network = network
        self._estimator.fit(_wide(context.rows), context.truth)

    def logits(self, rows: Array) -> Array:
        """float32 [N, outputs] of rows [N, D]; each row's are its own, whatever it comes with."""
        return self._answers(_wide(rows)).astype(np.float32)

    def _answers(self, rows: Array) -> Array:
        if self._asked.answer == "quantiles":
            found: Array = self._estimator.predict(rows, "quantiles", alphas=[self._asked.level])
            return found
        if self._asked.numbers:
            return np.asarray(self._estimator.predict(rows, self._asked.answer))[:, None]
        proba = np.full((len(rows), self._asked.outputs), LEAST)
        proba[:, self._estimator.classes_] = self._estimator.predict_proba(rows)
        logits: Array = np.log(np.maximum(proba, LEAST))
        return logits


def _wide(rows: Array) -> Array:
    """In float64, as the columns of a frame are: in float32 it would find other powers."""
    return rows.astype(np.float64)
