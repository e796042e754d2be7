"""Numbers that are not finite: JSON has no word for them, so no recipe can keep them."""

from __future__ import annotations

import math

import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError


@pytest.mark.parametrize("number", [math.inf, math.nan])
@pytest.mark.parametrize(
    "key", ["training.save_every", "training.learning_rate", "training.power", "training.clip_norm"]
)
def test_a_setting_that_is_not_finite_is_refused(small_table, key, number):
    predictor = MultiModalPredictor("kind", hyperparameters={key: number}, verbosity=0)
    with pytest.raises(ConfigError, match=key):
        predictor.plan(small_table)


def test_settings_of_components_too(small_table):
    loss = {"id": "focal", "gamma": math.inf}
    predictor = MultiModalPredictor("kind", hyperparameters={"training.loss": loss}, verbosity=0)
    with pytest.raises(ConfigError, match="gamma"):
        predictor.plan(small_table)


def test_a_seed_that_torch_cannot_take_is_refused(small_table):
    with pytest.raises(ConfigError, match="seed"):
        MultiModalPredictor("kind", verbosity=0).plan(small_table, seed=2**64)
