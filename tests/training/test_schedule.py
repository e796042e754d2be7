"""The learning rate over time: a warm-up, then one of five courses."""

from __future__ import annotations

import lightning.pytorch as pl
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.schedule import learning_rate_factor


def _factors(steps, **settings):
    factor = learning_rate_factor(TrainingConfig(**settings), steps)
    return [factor(step) for step in range(steps)]


@pytest.mark.parametrize(
    ("settings", "after_warmup"),
    [
        # After 2 steps of warm-up 8 are left: shares 0, 1/8, .., 7/8 of them are done.
        ({"schedule": "linear"}, [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ({"schedule": "constant"}, [1] * 8),
        (
            {"schedule": "cosine"},
            [1, 0.961940, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.038060],
        ),
        (
            {"schedule": "polynomial"},
            [1, 49 / 64, 36 / 64, 25 / 64, 16 / 64, 9 / 64, 4 / 64, 1 / 64],
        ),
        (
            {"schedule": "polynomial", "power": 0.5},
            [1, 0.935414, 0.866025, 0.790569, 0.707107, 0.612372, 0.5, 0.353553],
        ),
        ({"schedule": "multistep"}, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
        (
            {"schedule": "coslog4"},
            [0, 0.994531, 0.493489, 0.569143, 0.073619, 0.853641, 0.875658, 0.286602],
        ),
        (
            {"schedule": "multistep", "milestones": (0.25,), "milestone_factor": 0.5},
            [1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
        ),
    ],
)
def test_values_after_a_warm_up(settings, after_warmup):
    factors = _factors(10, warmup=0.2, **settings)
    assert factors == pytest.approx([1 / 3, 2 / 3, *after_warmup], abs=1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant", "polynomial", "multistep"])
def test_no_warm_up_and_steps_beyond_the_last(schedule):
    factor = learning_rate_factor(TrainingConfig(schedule=schedule, warmup=0.0), 4)
    assert factor(0) == 1
    assert factor(5) == factor(4) <= 1
    assert learning_rate_factor(TrainingConfig(schedule=schedule), 1)(0) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"training.schedule": "exponential"}, "schedule"),
        ({"training.milestones": [0.7, 0.3]}, "milestones"),
        ({"training.milestones": [0.5, 1.0]}, "milestones"),
        ({"training.milestones": [0.0]}, "milestones"),
        ({"training.milestone_factor": 1.0}, "milestone_factor"),
        ({"training.warmup": 1.0}, "warmup"),
        ({"training.power": 0}, "power"),
    ],
)
def test_what_is_refused(small_table, settings, said):
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0)
    with pytest.raises(ConfigError, match=said) as caught:
        predictor.plan(small_table)
    assert caught.value.remedy


class _Rates(pl.Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, module, batch, index):
        self.seen.append(trainer.optimizers[0].param_groups[-1]["lr"])


def test_the_fit_follows_it(small_table, fit_table):
    settings = {"training.batch_size": 16, "training.schedule": "linear", "training.warmup": 0.25}
    settings["training.head_learning_rate"] = 0.01
    rates = _Rates()
    fit_table(small_table, hyperparameters=settings, callbacks=[rates])  # 8 steps
    expected = [1 / 3, 2 / 3, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert rates.seen == pytest.approx([0.01 * factor for factor in expected])
