"""How near two sets of outputs and answers are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_onnx.parity import Parity, apart, equal, refuse_drift

from mm_core.api import ArtifactError

MASK = np.zeros((40, 50), np.uint8)


def changed(pixels: int) -> np.ndarray:
    """The mask with so many other pixels."""
    mask = MASK.copy()
    mask.flat[:pixels] = 1
    return mask


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ([[1.0, 40.01, "cell", 0.7]], [[1.0, 40.02, "cell", 0.7]], True),
        ([[1.0, 40.01, "cell", 0.7]], [[1.0, 40.01, "dust", 0.7]], False),
        ([[1.0, 40.01, "cell", 0.7]], [], False),
        ('[{"start": 3, "score": 0.5001}]', '[{"start": 3, "score": 0.5}]', True),
        ('[{"start": 3, "score": 0.5}]', '[{"start": 4, "score": 0.5}]', False),
        ("[see below", "[see above", False),
        ("good", "bad", False),
        (changed(0), changed(2), True),
        (changed(0), changed(3), False),
        (changed(0), MASK[:20], False),
        (None, None, True),
        (None, changed(0), False),
        (0.5, 0.5004, True),
    ],
)
def test_answers_are_equal_but_for_roundings(wanted: Any, found: Any, same: bool) -> None:
    """Of numbers in lists and JSON, and a thousandth of a mask."""
    frames = (
        pd.DataFrame({"y": pd.Series([one, "word"], dtype=object)}) for one in (wanted, found)
    )
    assert equal(*frames).tolist() == [same, True]


def test_things_may_come_in_any_order() -> None:
    """Where two have the same score to rounding; not so classes of a row, nor numbers."""
    things = np.random.default_rng(0).normal(size=(2, 9, 4))
    assert apart(things, things[:, ::-1]) == 0
    assert apart(things, things[:, ::-1] + 0.5) > 0.4
    rows = things[..., 0]
    assert apart(rows, rows[:, ::-1]) > 1


def test_other_answers_are_refused_in_32_bits_too() -> None:
    """An order that is wrong shows in them."""
    settings = SimpleNamespace(precision="32", tolerance=1e-4, agreement=0.99)
    parity = Parity(10, 1e-6, 1e-6, 0.9, {}, {})
    with pytest.raises(ArtifactError, match=r"another answer than the model in 10\.0% of 10 rows"):
        refuse_drift(parity, settings)
