"""Small pictures with coloured squares, and a detector that has learned them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mm_detection.samples import IDS, drawn, shaped

from mm_core import MultiModalPredictor

SIDE = 64


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of a detector that learns squares in seconds."""
    return {
        "backbones.picture_image.checkpoint": "random",
        "backbones.picture_image.head": "ssdlite",
        "backbones.picture_image.width": 32,
        "backbones.picture_image.levels": 3,
        "inputs.picture_image.processor.image_size": SIDE,
        "inputs.picture_image.processor.augment": "none",
        "training.epochs": 25,
        "training.batch_size": 4,
        "training.head_learning_rate": 4e-3,
    }


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pd.DataFrame]:
    """``pictures(n)``: rows with none to three squares, every second picture wider."""

    def make(n: int, seed: int = 0) -> pd.DataFrame:
        folder = tmp_path_factory.mktemp("pictures")
        rows = []
        for number in range(n):
            content, boxes = drawn(number, number % 4, seed)
            (folder / f"{number}.png").write_bytes(content)
            cell = [{"box": one[:4], "class": one[4], "id": IDS[str(one[4])]} for one in boxes]
            rows.append({"photo": str(folder / f"{number}.png"), "boxes": cell})
        return pd.DataFrame(rows)

    return make


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pd.DataFrame]:
    """``shapes(n)``: rows with one to three discs and triangles, every second picture wider."""

    def make(n: int, seed: int = 0) -> pd.DataFrame:
        folder = tmp_path_factory.mktemp("shapes")
        rows = []
        for number in range(n):
            content, labels = shaped(number, 1 + number % 3, seed)
            (folder / f"{number}.png").write_bytes(content)
            rows.append({"photo": str(folder / f"{number}.png"), "things": labels})
        return pd.DataFrame(rows)

    return make


@pytest.fixture(scope="session")
def frame(pictures: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Rows to train on."""
    return pictures(24)


@pytest.fixture(scope="session")
def fitted(frame: pd.DataFrame, small: dict[str, Any]) -> MultiModalPredictor:
    """Nothing but the size of things is set: the label asks for the task, and it for the rest."""
    predictor = MultiModalPredictor("boxes", hyperparameters=small, verbosity=0)
    return predictor.fit(frame, tuning_data=frame)


@pytest.fixture(scope="session")
def saved(fitted: MultiModalPredictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fitted model's folder."""
    return fitted.save(tmp_path_factory.mktemp("saved") / "model")


_AFRESH = """
import json, sys
from mm_core import MultiModalPredictor
{first}
said = MultiModalPredictor.load(sys.argv[1]).predict(sys.argv[2], **json.loads(sys.argv[3]))
print(json.dumps(list(said)))
"""


@pytest.fixture
def afresh(tmp_path: Path) -> Callable[..., list[Any]]:
    """``afresh(predictor, rows, **options)``: answers of the saved model in a new process.

    Before it loads it runs the line ``first``, which takes the network away unless it is given.
    """

    def answers(
        predictor: MultiModalPredictor,
        rows: pd.DataFrame,
        first: str = "import socket; socket.socket.connect = None",
        **options: Any,
    ) -> list[Any]:
        model = predictor.save(tmp_path / "model")
        unlabelled = rows.drop(columns=list(predictor.recipe.data.label))
        unlabelled.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
        given = [str(model), str(tmp_path / "rows.jsonl"), json.dumps(options)]
        command = [sys.executable, "-c", _AFRESH.format(first=first), *given]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        found: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return answers


@pytest.fixture
def same_coco() -> Callable[[list[Any], Any], None]:
    """``same_coco(found, expected)``: COCO's boxes of the same pictures, to 1e-4, of some of the
    classes of the squares.
    """

    def check(found: list[Any], expected: Any) -> None:
        assert [len(one) for one in found] == [len(one) for one in expected]
        ids = {one["category_id"] for one in chain(*found)}
        assert ids <= set(IDS.values())
        assert ids
        for one, other in zip(chain(*found), chain(*expected), strict=True):
            assert one["category_id"] == other["category_id"]
            assert one["bbox"] == pytest.approx(other["bbox"], abs=1e-4)
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)

    return check
