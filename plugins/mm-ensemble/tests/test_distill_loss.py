"""What a student learns by: the teacher's loss, class weights and metric, unless others are set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError

QUANTILE = {"training.loss": "quantile", "training.loss.level": 0.95}
TREES: dict[str, Any] = {
    "fit": "ensemble:greedy",
    "fit.members.trees": None,
    "fit.members.features": None,
    "fit.members.network": None,
    "fit.members.leafwise": {"threads": 1, "rounds": 40, "learning_rate": 0.1},
}


def rows(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Waiting times, of which the mean is far below the longest."""
    rng = np.random.default_rng(seed)
    found = pd.DataFrame({"a": rng.normal(size=n), "b": rng.choice(list("xyz"), n)})
    return found.assign(wait=3 * rng.exponential(size=n))


def teacher_of(label: str, frame: pd.DataFrame, **settings: Any) -> MultiModalPredictor:
    wished = {**TREES, **settings}
    return MultiModalPredictor(label, hyperparameters=wished, verbosity=0).fit(frame)


@pytest.fixture(scope="module")
def teacher() -> MultiModalPredictor:
    return teacher_of("wait", rows(), **QUANTILE)


def covered(model: MultiModalPredictor, frame: pd.DataFrame) -> float:
    return float(np.mean(frame.wait < model.predict(frame)))


def settings_of(model: MultiModalPredictor) -> tuple[Any, ...]:
    recipe = model.recipe
    assert recipe.training.loss is not None
    loss = recipe.training.loss
    return loss.id, loss.config, recipe.data.validation_metric, recipe.training.class_weights


def student_of(
    teacher: MultiModalPredictor, frame: pd.DataFrame, more: Any = None, **settings: Any
) -> MultiModalPredictor:
    wished = {"training.epochs": 12, "training.head_learning_rate": 1e-2, **settings}
    return teacher.distill(frame, more, hyperparameters=wished, verbosity=0)


def test_the_student_of_a_quantile_is_that_quantile(teacher: MultiModalPredictor) -> None:
    """Of rows that neither has seen as many lie below; and it was chosen as the teacher was."""
    new = rows(1000, seed=9)
    student = student_of(teacher, rows())
    assert settings_of(student) == settings_of(teacher)
    assert settings_of(student)[2] == "core:mean_pinball_loss"
    assert 0.9 < covered(teacher, new) < 0.99
    assert covered(student, new) == pytest.approx(covered(teacher, new), abs=0.04)


def test_answers_of_the_teacher_are_no_sample_of_the_label(teacher: MultiModalPredictor) -> None:
    """Labels alone say which share of rows is to lie below. What a teacher says that is far off
    counts by its share only, which is next to nothing here."""
    few, more = rows(60, seed=3), rows(600, seed=4)
    liar = teacher_of("wait", more.assign(wait=more.wait + 1000), **QUANTILE)
    unlabelled = more.drop(columns="wait")
    student = student_of(liar, few, unlabelled, **{"fit.share": 1e-6})
    assert student.predict(rows(200, seed=9)).median() < 500
    with pytest.raises(ConfigError, match="of 600 rows without labels nothing would be learned"):
        student_of(liar, few, unlabelled, **{"fit.share": 0.0})


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"training.loss": "mae"}, ("core:mae", {}, "core:mae")),
        ({"training": {"loss": {"level": 0.8}}}, ("core:quantile", {"level": 0.8}, None)),
        ({"data.validation_metric": "mae"}, ("core:quantile", {"level": 0.95}, "core:mae")),
    ],
)
def test_what_the_user_sets_counts(
    teacher: MultiModalPredictor, settings: Any, wanted: tuple[Any, ...]
) -> None:
    """Another loss brings its own metric."""
    quick = {"training": {"epochs": 1, **settings.get("training", {})}}
    rest = {name: value for name, value in settings.items() if name != "training"}
    student = teacher.distill(rows(60), hyperparameters={**quick, **rest}, verbosity=0)
    loss, config, metric, _ = settings_of(student)
    assert (loss, config) == wanted[:2]
    assert metric == (wanted[2] or "core:mean_pinball_loss")


def test_classes_weigh_what_they_weighed_for_the_teacher() -> None:
    """And another metric that chose it chooses the student."""
    frame = rows(120).assign(late=lambda one: np.where(one.wait > 4, "yes", "no"))
    frame = frame.drop(columns="wait")
    own = {"training.class_weights": {"yes": 5.0}, "data.validation_metric": "accuracy"}
    teacher = teacher_of("late", frame, **own)
    student = student_of(teacher, frame, **{"training.epochs": 1})
    assert settings_of(student) == settings_of(teacher)
    other = student_of(
        teacher, frame, **{"training.epochs": 1, "training.class_weights": {"no": 2.0}}
    )
    assert settings_of(other)[3] == {"no": 2.0}


def test_a_metric_that_is_a_function_is_told() -> None:
    """Its student would be chosen by another."""

    def mine(truth: Any, found: Any) -> float:
        return -float(np.abs(truth - found).mean())

    teacher = MultiModalPredictor(
        "wait", validation_metric=mine, hyperparameters=TREES, verbosity=0
    ).fit(rows(60))
    with pytest.raises(ConfigError, match=r"the function mine[\s\S]*data\.validation_metric"):
        student_of(teacher, rows(60))
    named = {"data.validation_metric": "mae", "training.epochs": 1}
    assert settings_of(student_of(teacher, rows(60), **named))[2] == "core:mae"


def test_its_recipe_names_no_folder_that_is_gone(teacher: MultiModalPredictor) -> None:
    """Who follows it is told what to type."""
    student = student_of(teacher, rows(60), **{"training.epochs": 1})
    assert "mm-distill" not in student.recipe.model_dump_json()
    again = MultiModalPredictor("wait", verbosity=0)
    with pytest.raises(ConfigError, match=r"distilled.*\n.*predictor\.distill"):
        again.fit(rows(60), recipe=student.recipe)


def test_rows_without_the_label_are_told(teacher: MultiModalPredictor) -> None:
    """As evaluate tells it."""
    bare = rows(30).drop(columns="wait")
    for call in (
        lambda: teacher.leaderboard(bare),
        lambda: teacher.distill(bare, verbosity=0),
        lambda: teacher.distill(bare, bare, verbosity=0),
        lambda: teacher.evaluate(bare),
    ):
        with pytest.raises(LabelError, match="label column 'wait' is not in the data"):
            call()
    holes = rows(30)
    holes.loc[3, "wait"] = None
    with pytest.raises(LabelError, match="'wait' is missing in 1 row") as caught:
        teacher.distill(holes, bare, verbosity=0)
    assert caught.value.rows == (3,)
