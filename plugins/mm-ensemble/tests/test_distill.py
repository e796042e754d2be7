"""One network instead of an ensemble: what it learns, of which rows, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError
from mm_core.api.tools import model_of

from .conftest import rows_for

MEMBERS = {
    "fit": "ensemble:greedy",
    "fit.members.trees": {"threads": 1, "rounds": 80, "learning_rate": 0.2},
    "fit.members.leafwise": None,
    "fit.members.features": None,
    "training.epochs": 8,
    "training.head_learning_rate": 1e-2,
}
STUDENT = {"training.epochs": 25, "training.head_learning_rate": 1e-2}


def plain(label: str, n: int = 240, seed: int = 0) -> pd.DataFrame:
    return rows_for(label, n, seed).drop(columns="point")


def teacher_of(label: str, rows: pd.DataFrame | None = None) -> MultiModalPredictor:
    model = MultiModalPredictor(label, hyperparameters=MEMBERS, verbosity=0)
    return model.fit(plain(label) if rows is None else rows)


@pytest.fixture(scope="module")
def teacher() -> MultiModalPredictor:
    return teacher_of("sold")


def distance(one: MultiModalPredictor, other: MultiModalPredictor, rows: pd.DataFrame) -> float:
    return float((one.predict_proba(rows) - other.predict_proba(rows)).abs().mean().mean())


def test_it_is_one_network_that_says_what_the_ensemble_says(
    teacher: MultiModalPredictor, tmp_path: Any
) -> None:
    """Of labels turned round it learns the teacher's answers, not the labels; what it was taught
    by is not needed to load it."""
    rows, new = plain("sold"), plain("sold", 200, seed=9)
    turned = rows.assign(sold=rows.sold.map({"yes": "no", "no": "yes"}))
    taught = {**STUDENT, "fit.share": 1.0}
    student = teacher.distill(
        turned, tuning_data=rows, hyperparameters=taught, path=tmp_path / "one", verbosity=0
    )
    assert model_of(student).runtime == "core:network"
    assert student.evaluate(new)["roc_auc"] > teacher.evaluate(new)["roc_auc"] - 0.05
    assert distance(student, teacher, new) < 0.2
    again = MultiModalPredictor.load(tmp_path / "one", verbosity=0)
    assert np.allclose(again.predict_proba(new), student.predict_proba(new), atol=1e-6)


def test_without_a_share_it_learns_labels_alone(teacher: MultiModalPredictor) -> None:
    """As any network does."""
    rows = plain("sold")
    turned = rows.assign(sold=rows.sold.map({"yes": "no", "no": "yes"}))
    own = {**STUDENT, "fit.share": 0.0, "training.epochs": 8}
    student = teacher.distill(turned, tuning_data=turned, hyperparameters=own, verbosity=0)
    assert student.evaluate(rows)["roc_auc"] < 0.3


def test_rows_without_labels_are_learned_from(teacher: MultiModalPredictor) -> None:
    """With the teacher's answers: of few labelled rows more than these alone teach."""
    few, many = plain("sold", 24, seed=3), plain("sold", 400, seed=4).drop(columns="sold")
    new = plain("sold", 300, seed=9)
    without = teacher.distill(few, hyperparameters=STUDENT, verbosity=0)
    student = teacher.distill(few, many, hyperparameters=STUDENT, verbosity=0)
    assert distance(student, teacher, new) < distance(without, teacher, new)


@pytest.mark.parametrize(("label", "metric"), [("price", "r2"), ("level", "accuracy")])
def test_numbers_in_their_own_unit_and_several_classes(label: str, metric: str) -> None:
    """Scaled as the network's own labels are; classes by their names."""
    rows = plain(label)
    teacher = teacher_of(label, rows)
    taught = {**STUDENT, "fit.share": 1.0}
    student = teacher.distill(rows, hyperparameters=taught, verbosity=0)
    assert student.evaluate(rows, metric)[metric] > teacher.evaluate(rows, metric)[metric] - 0.15


def test_what_does_not_fit_is_told(teacher: MultiModalPredictor, tmp_path: Any) -> None:
    """Another label, other classes, settings that would not be used."""
    folder = str(teacher.save(tmp_path / "teacher"))
    began = time.monotonic()
    fitter = {"fit": "ensemble:distilled", "fit.teacher": folder}

    def fit(label: str, rows: pd.DataFrame, **more: Any) -> None:
        settings = {**fitter, "training.epochs": 1, **more}
        MultiModalPredictor(label, hyperparameters=settings, verbosity=0).fit(rows)

    with pytest.raises(ConfigError, match="the teacher answers sold"):
        fit("level", plain("level"))
    other = plain("sold").replace({"sold": {"no": "never"}})
    with pytest.raises(ConfigError, match="the teacher knows"):
        fit("sold", other)
    with pytest.raises(ConfigError, match="mixup"):
        fit("sold", plain("sold"), **{"training.mixup": 0.5})
    assert time.monotonic() - began < 20
