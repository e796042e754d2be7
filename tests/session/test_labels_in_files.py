"""Labels that name files: those of a table start in its own folder, not in the working one."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import LabelError

PLUGIN = Path(__file__).parent / "files" / "named.py"


def _table(folder: Path, n: int, turned: bool = False) -> Path:
    """Numbers, and files beside the table that say whether each is above nought."""
    (folder / "labels").mkdir(parents=True)
    x = np.random.default_rng(0).normal(size=n).round(3)
    for row, value in enumerate(x):
        (folder / f"labels/{row}.txt").write_text(str(int((value > 0) != turned)))
    frame = pd.DataFrame({"x": x, "above": [f"labels/{row}.txt" for row in range(n)]})
    frame.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    train = _table(folder / "train", 60)
    valid = _table(folder / "valid", 20)
    settings = {"training.epochs": 30, "training.head_learning_rate": 0.05}
    predictor = MultiModalPredictor(
        "above", problem_type="named:named", plugins=[PLUGIN], hyperparameters=settings, verbosity=0
    )
    return predictor.fit(train, tuning_data=valid)


def test_of_training_validation_and_test_alike(fitted, tmp_path):
    right, turned = _table(tmp_path / "a", 40), _table(tmp_path / "b", 40, turned=True)
    assert fitted.evaluate(right)["accuracy"] > 0.9
    assert fitted.evaluate(turned)["accuracy"] < 0.1


def test_in_several_threads(fitted, tmp_path):
    tables = [_table(tmp_path / str(i), 40, turned=i % 2 == 1) for i in range(6)]
    with ThreadPoolExecutor(3) as pool:
        scores = [one["accuracy"] for one in pool.map(fitted.evaluate, tables)]
    assert [score > 0.5 for score in scores] == [True, False] * 3


def test_one_that_is_not_there(fitted, tmp_path):
    table = _table(tmp_path / "c", 10)
    shutil.rmtree(tmp_path / "c" / "labels")
    with pytest.raises(LabelError, match="no file"):
        fitted.evaluate(table)
