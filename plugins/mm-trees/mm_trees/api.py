"""What other distributions may import. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mm_core.api import ConfigError
from mm_trees.engine import TreesEngine

if TYPE_CHECKING:
    from mm_core.api.tools import MultiModalPredictor

__all__ = ["TreesEngine", "importances"]


def importances(predictor: MultiModalPredictor) -> dict[str, float]:
    """How much each feature counts in a model of boosted trees, the most first; they sum to 1.

    A date is several features; of several inputs, a name has the input's before it. What is
    counted differs by library: see :attr:`mm_trees.engine.TreesEngine.importances`.

    Raises:
        ConfigError: the model is none of trees, or of scikit-learn's, which do not say it.
        NotFittedError: there is no model yet.
    """
    from mm_core.api.tools import model_of

    model = model_of(predictor)
    if not isinstance(model.engine, TreesEngine):
        raise ConfigError(
            f"the model was fitted by {model.recipe.fit.id}, and importances are those of one "
            "model of boosted trees",
            plugin="trees",
            value=model.recipe.fit.id,
            remedy="fit one, fit=trees:catboost, or open one that an ensemble holds, the folder "
            "engine/NAME-0 of a saved one",
        )
    return model.engine.importances
