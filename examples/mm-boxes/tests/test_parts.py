"""The parts by hand: boxes move with pixels, precision is COCO's, labels are read or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core.api import Config, ConfigError, Field, LabelError, MetricError, Table

from mm_boxes.configs import LetterboxConfig
from mm_boxes.metrics import AveragePrecision, AveragePrecisionAtHalf
from mm_boxes.processor import Letterbox
from mm_boxes.samples import COLOURS, drawn
from mm_boxes.task import Boxes


@pytest.fixture
def letterbox() -> tuple[Letterbox, Any, list[Any]]:
    """Fitted, with sixteen encoded pictures and their boxes."""
    cells, boxes = zip(*(drawn(number, 1) for number in range(16)), strict=True)
    table = Table(pd.DataFrame({"photo": cells}), Path())
    processor = Letterbox(LetterboxConfig(image_size=128), [Field("photo", "bytes")])
    processor.fit(table)
    return processor, processor.encode(table), list(boxes)


@pytest.mark.parametrize("augment", [False, True], ids=["as at prediction", "augmented"])
def test_boxes_lie_where_their_pixels_are(letterbox: Any, augment: bool) -> None:
    """In training and out of it: targets go through either way."""
    processor, encoded, labels = letterbox
    targets = {"boxes": [np.float32([box[:4] for box in row]) for row in labels]}
    rng = np.random.default_rng(0) if augment else None
    made = processor.batch(encoded, np.arange(16), rng, targets)
    where = []
    for pixels, boxes, row in zip(
        made.arrays["pixels"], made.targets["boxes"], labels, strict=True
    ):
        colour = (np.float32(COLOURS[row[0][4]]) / 255 - processor.mean) / processor.std
        y, x = np.nonzero(np.abs(pixels - colour[:, None, None]).max(axis=0) < 0.1)
        seen = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert np.allclose(seen, boxes[0], atol=2.5), (seen, boxes)
        where.append(boxes[0][0])
    still = processor.batch(encoded, np.arange(16), None, targets)
    moved = [a != b[0][0] for a, b in zip(where, still.targets["boxes"], strict=True)]
    assert any(moved) == augment
    assert not all(moved)


def test_meta_leads_back_to_the_picture(letterbox: Any) -> None:
    """Width, height, and what x and y were multiplied by."""
    processor, encoded, _ = letterbox
    made = processor.batch(encoded, np.array([1, 0]))
    assert made.meta["size"].tolist() == [[96, 64], [64, 64]]
    assert np.allclose(made.meta["scale"], [[128 / 96, 85 / 64], [2, 2]])
    assert made.targets is None


def test_a_row_has_one_picture() -> None:
    """Boxes say nothing of which picture they lie in."""
    with pytest.raises(ConfigError, match="one picture"):
        Letterbox(LetterboxConfig(), [Field("front", "path"), Field("back", "path")])


def score(metric: Any, *rows: tuple[list[Any], list[Any]]) -> float:
    """Of pictures, each an update of its own."""
    for true, said in rows:
        metric.update([np.array(true)], [np.array(said)])
    return float(metric.compute())


A, B = [0, 0, 10, 10, 0], [20, 20, 30, 30, 0]


def test_precision_is_that_of_coco() -> None:
    """Against what is worked out by hand, at 101 levels of recall."""
    right = [[*A, 0.9], [*B, 0.8]]
    assert score(AveragePrecision(), ([A, B], right)) == 1
    assert score(AveragePrecision(), ([A], right[:1]), ([B], [[*B, 0.1]]), ([], [])) == 1
    # One of two is found: recall ends at one half, 51 of 101 levels.
    assert score(AveragePrecision(), ([A, B], right[:1])) == pytest.approx(51 / 101)
    # A wrong one before the right one: precision is one half up to the end.
    wrong = [[50, 50, 60, 60, 0, 0.95], [*A, 0.9]]
    assert score(AveragePrecision(), ([A], wrong)) == 0.5
    # The second on the same true box is wrong, as is the right place of another class.
    assert score(AveragePrecisionAtHalf(), ([A, B], [right[0], [*A, 0.85], right[1]])) == (
        pytest.approx((51 + 50 * 2 / 3) / 101)
    )
    other = [0, 0, 10, 10, 1, 0.9]
    assert score(AveragePrecision(), ([A], [other])) == 0
    # Of an overlap of 0.6 three of the ten thresholds know nothing wrong: 0.5, 0.55 and 0.6.
    shifted = [0, 0, 10, 6, 0, 0.9]
    assert score(AveragePrecisionAtHalf(), ([A], [shifted])) == 1
    assert score(AveragePrecision(), ([A], [shifted])) == pytest.approx(0.3)
    with pytest.raises(MetricError, match="no row has a box"):
        score(AveragePrecision(), ([], right))


@pytest.mark.parametrize(
    "cell", ["no boxes", [[0, 0, 1, 1]], [[5, 0, 1, 1, "a"]], [[0, 0, float("nan"), 1, "a"]], 3]
)
def test_other_labels_are_refused(cell: Any) -> None:
    """By row, in learning as in encoding."""
    task = Boxes(Config(), ["boxes"])
    task.learn(pd.DataFrame({"boxes": [[[0, 0, 1, 1, "a"]], "[]", '[[0, 0, 2, 2, "b"]]']}))
    assert task.classes == ["a", "b"]
    with pytest.raises(LabelError) as caught:
        task.encode(pd.DataFrame({"boxes": [[], cell]}))
    assert (caught.value.column, list(caught.value.rows)) == ("boxes", [1])
    with pytest.raises(LabelError, match="unseen in training"):
        task.encode(pd.DataFrame({"boxes": [[[0, 0, 1, 1, "c"]]]}))
    with pytest.raises(LabelError, match="no row has a box"):
        task.learn(pd.DataFrame({"boxes": [[], []]}))
