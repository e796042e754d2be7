"""Losses by their formulas, and which of them a task takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
import torch
from torch.nn import functional as F

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LossSpec, TaskSpec
from mm_core.plugins import Registry
from mm_core.recipe.shown import plan_text

REGISTRY = Registry(entry_points=[])
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
CLASS = torch.tensor([0, 2])
LABELS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
ERRORS = torch.tensor([[0.5], [-3.0]])
ZERO = torch.zeros(2)


def loss(name: str, logits: torch.Tensor, target: torch.Tensor, **settings: Any) -> torch.Tensor:
    component = REGISTRY.get(LossSpec, name)
    found: torch.Tensor = component.load()(component.config_class()(**settings))(logits, target)
    return found


def test_cross_entropy_and_its_smoothing() -> None:
    log_p = F.log_softmax(LOGITS, dim=1)
    own = -log_p[[0, 1], CLASS]
    torch.testing.assert_close(loss("cross_entropy", LOGITS, CLASS), own)
    smooth = loss("cross_entropy", LOGITS, CLASS, label_smoothing=0.3)
    torch.testing.assert_close(smooth, 0.7 * own - 0.3 * log_p.mean(dim=1))


def test_focal_damps_what_is_right() -> None:
    p = LOGITS.softmax(dim=1)[[0, 1], CLASS]
    torch.testing.assert_close(
        loss("focal", LOGITS, CLASS, gamma=2.0), -((1 - p) ** 2) * torch.log(p)
    )
    for share in (0.0, 0.2):
        torch.testing.assert_close(
            loss("focal", LOGITS, CLASS, gamma=0.0, label_smoothing=share),
            loss("cross_entropy", LOGITS, CLASS, label_smoothing=share),
        )


def test_losses_of_numbers() -> None:
    assert loss("mse", ERRORS, ZERO).tolist() == pytest.approx([0.25, 9.0])
    assert loss("mae", ERRORS, ZERO).tolist() == pytest.approx([0.5, 3.0])
    assert loss("huber", ERRORS, ZERO, delta=1.0).tolist() == pytest.approx([0.125, 2.5])
    # 90% are to lie below the answer: too low an answer costs nine times as much as too high
    assert loss("quantile", ERRORS, ZERO, level=0.9).tolist() == pytest.approx([0.05, 2.7])


def test_losses_of_labels() -> None:
    p = LOGITS.sigmoid()
    each = -(LABELS * p.log() + (1 - LABELS) * (1 - p).log())
    torch.testing.assert_close(loss("bce", LOGITS, LABELS), each.mean(dim=1))
    other = loss("bce", LOGITS, 1 - LABELS)
    torch.testing.assert_close(
        loss("bce", LOGITS, LABELS, label_smoothing=0.4), 0.8 * each.mean(dim=1) + 0.2 * other
    )
    wrong = torch.where(LABELS == 1, 1 - p, p)
    focal = (wrong**2 * each).mean(dim=1)
    torch.testing.assert_close(loss("binary_focal", LOGITS, LABELS), focal)
    torch.testing.assert_close(
        loss("asymmetric", LOGITS, LABELS, gamma_positive=2.0, gamma_negative=2.0, margin=0.0),
        focal,
    )
    easy = torch.tensor([[-4.0]])  # p = 0.018, below the margin
    assert loss("asymmetric", easy, torch.zeros(1, 1)).item() == 0.0
    assert loss("asymmetric", easy, torch.ones(1, 1)).item() == pytest.approx(math.log1p(math.e**4))


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80)})
    return rows.assign(y=np.where(rows.a > 0, "p", "q"), z=rows.a + 0.1 * rows.b)


def plan(frame: pd.DataFrame, label: str = "y", **settings: Any) -> Any:
    given = {key.replace("__", "."): value for key, value in settings.items()}
    predictor = MultiModalPredictor(label, hyperparameters=given, verbosity=0)
    return predictor.plan(frame.drop(columns="z" if label == "y" else "y"))


def test_the_recipe_holds_the_loss_with_all_settings_and_their_origins(frame) -> None:  # type: ignore[no-untyped-def]
    recipe = plan(frame)
    assert (recipe.training.loss.id, recipe.training.loss.config) == (
        "core:cross_entropy",
        {"label_smoothing": 0.0},
    )
    assert recipe.origin("training.loss.id") == "task core:binary"
    assert recipe.origin("training.loss.label_smoothing") == "default"
    for settings in (
        {"training__loss": {"id": "focal", "gamma": 3}},
        {"training__loss": "focal", "training__loss__gamma": 3},
        {"training": {"loss": {"id": "core:focal", "gamma": 3}}},
    ):
        recipe = plan(frame, **settings)
        assert recipe.flat()["training.loss.gamma"] == 3
        assert recipe.origin("training.loss.id") == recipe.origin("training.loss.gamma") == "user"
        assert type(recipe).from_json(recipe.to_json()) == recipe
    assert plan(frame, "z").training.loss.id == "core:mse"


@pytest.mark.parametrize(
    ("settings", "says", "remedy"),
    [
        ({"training__loss": "mse"}, "not for binary", "cross_entropy, focal"),
        ({"training__loss": "focl"}, "no such loss", "cross_entropy, focal"),
        ({"training__loss": 5}, "a loss is named", "training.loss=NAME"),
        ({"training__loss__gamma": 2}, "training.loss.gamma", "label_smoothing"),
        ({"training__loss": "focal", "training__loss__gama": 2}, "gama", "training.loss.gamma"),
        ({"training__loss": "focal", "training__loss__gamma": -1}, "gamma", "gamma"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(frame, settings, says, remedy) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=says) as caught:  # B9: never silently another loss
        plan(frame, **settings)
    assert remedy in (caught.value.remedy or "")


def test_quantile_answers_lie_above_that_share_of_rows(frame) -> None:  # type: ignore[no-untyped-def]
    rows = pd.concat([frame] * 4).drop(columns="y")
    rows["z"] = np.random.default_rng(1).normal(size=len(rows))
    below = {}
    for level in (0.1, 0.9):
        predictor = MultiModalPredictor(
            "z",
            hyperparameters={
                "training.loss": {"id": "quantile", "level": level},
                "training.epochs": 6,
                "training.head_learning_rate": 1e-2,
            },
            verbosity=0,
        ).fit(rows)
        below[level] = float((rows["z"] <= predictor.predict(rows)).mean())
    assert below[0.1] < 0.3 < 0.7 < below[0.9]


LEVEL = 0.1


def waits(n: int, seed: int) -> pd.DataFrame:
    """``y = a + Exp(2)``: its 10% quantile lies far below its mean."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return pd.DataFrame({"a": a, "b": rng.normal(size=n), "y": a + rng.exponential(2, n)})


def quantile_fit(validation_metric: str | None) -> MultiModalPredictor:
    settings = {
        "training.loss": {"id": "quantile", "level": LEVEL},
        "training.epochs": 20,
        "training.head_learning_rate": 3e-3,
    }
    predictor = MultiModalPredictor(
        "y", validation_metric=validation_metric, hyperparameters=settings, verbosity=0
    )
    return predictor.fit(waits(600, 1), tuning_data=waits(1000, 2))


def below(predictor: MultiModalPredictor) -> float:
    fresh = waits(4000, 3)
    return float((fresh["y"] <= predictor.predict(fresh)).mean())


def test_the_best_epoch_of_a_quantile_is_the_one_of_its_pinball_loss(tmp_path) -> None:  # type: ignore[no-untyped-def]
    predictor = quantile_fit(None)
    assert below(predictor) == pytest.approx(LEVEL, abs=0.04)
    assert below(quantile_fit("rmse")) > LEVEL + 0.06  # stops early, near the mean
    tuning = waits(1000, 2)
    answers = predictor.predict(tuning)
    expected = sk.mean_pinball_loss(tuning["y"], answers, alpha=LEVEL)
    assert predictor.history["mean_pinball_loss"].min() == pytest.approx(expected, rel=1e-4)
    loaded = MultiModalPredictor.load(predictor.save(tmp_path / "model"), verbosity=0)
    for one in (predictor, loaded):
        found = one.evaluate(tuning, ["mean_pinball_loss", "rmse"])
        assert found["mean_pinball_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "metric", "origin"),
    [
        ("mse", "core:rmse", "data.eval_metric"),
        ("mae", "core:mae", "loss core:mae"),
        ("huber", "core:mae", "loss core:huber"),
        ("quantile", "core:mean_pinball_loss", "loss core:quantile"),
    ],
)
def test_a_loss_brings_the_metric_that_chooses_unless_one_is_asked_for(
    frame, name, metric, origin
) -> None:  # type: ignore[no-untyped-def]
    recipe = plan(frame, "z", training__loss=name)
    assert recipe.data.eval_metric == "core:rmse"
    assert recipe.data.validation_metric == metric
    assert recipe.origin("data.validation_metric") == origin
    assert f"<- {origin}" in plan_text(recipe, full=False, width=200)
    asked = plan(frame, "z", training__loss=name, data__validation_metric="r2")
    assert asked.data.validation_metric == "core:r2"
    assert asked.origin("data.validation_metric") == "user"
    shown = plan(frame, "z", training__loss=name, data__eval_metric="r2")
    assert shown.data.validation_metric == "core:r2"
    assert shown.origin("data.validation_metric") == "data.eval_metric"


def test_a_spec_names_its_default_among_its_losses() -> None:
    given = {"name": "t", "summary": "s", "target": "a:B", "default_metric": "m"}
    assert TaskSpec(**given).losses == ()
    for wrong in ({"losses": ("a",)}, {"losses": ("a",), "default_loss": "b"}):
        with pytest.raises(ValueError, match="default_loss is none of a"):
            TaskSpec(**given, **wrong)
    with pytest.raises(ValueError, match="without losses"):
        TaskSpec(**given, default_loss="a")
