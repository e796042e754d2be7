"""The recipe by which a trained model is trained further."""

from __future__ import annotations

from mm_core.api.errors import ConfigError
from mm_core.recipe.overrides import with_arguments
from mm_core.recipe.recipe import DataConfig, Recipe
from mm_core.recipe.training import TrainingConfig
from mm_core.recipe.wishes import Wishes

DATA_KEYS = ("holdout_frac", "sample_weight")
"""What may change of the recipe's section ``data``; label and metrics stay."""


def continued(recipe: Recipe, wishes: Wishes) -> Recipe:
    """``recipe`` with other values for training; see :meth:`mm_core.MultiModalPredictor.fit`.

    Raises:
        ConfigError: a setting that a trained model cannot change.
    """
    overrides = with_arguments((wishes.hyperparameters,), wishes.arguments)
    fixed = [name for name in overrides.model_fields_set if name not in ("training", "data")]
    fixed += [f"data.{name}" for name in overrides.data if name not in DATA_KEYS]
    fixed += [name for name in wishes.given if name in ("presets", "column_types")]
    if fixed:
        raise ConfigError(
            f"this predictor has a model, which fit trains further: {', '.join(sorted(fixed))} "
            "cannot change",
            value=sorted(fixed),
            remedy="leave it out, or fit a new MultiModalPredictor",
        )
    changed = {"training": overrides.training, "data": overrides.data}
    origins = {f"{name}.{key}": "user" for name, values in changed.items() for key in values}
    return recipe.model_copy(
        update={
            "training": TrainingConfig.read(
                recipe.training.model_dump() | overrides.training, where="training"
            ),
            "data": DataConfig.read(recipe.data.model_dump() | overrides.data, where="data"),
            "origins": recipe.origins | origins,
        }
    )
