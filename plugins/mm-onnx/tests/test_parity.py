"""How near two sets of outputs and answers are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_onnx.parity import Parity, apart, equal, in_order, refuse_drift

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
        (changed(300), changed(302), True),
        (changed(300), changed(320), False),
        (changed(0), changed(3), False),
        ([np.float32(0.5)], [np.float32(0.50001)], True),
        (np.full((3, 3), 0.5, np.float16), np.full((3, 3), 0.5005, np.float16), True),
        (changed(0), MASK[:20], False),
        (None, None, True),
        (None, changed(0), False),
        (0.5, 0.5004, True),
        ({"a", "b"}, {"b", "a"}, True),
        ({"a"}, {"b"}, False),
    ],
)
def test_answers_are_equal_but_for_roundings(wanted: Any, found: Any, same: bool) -> None:
    """Of numbers in lists and JSON; of masks, where each class covers nearly the same."""
    frames = (
        pd.DataFrame({"y": pd.Series([one, "word"], dtype=object)}) for one in (wanted, found)
    )
    assert equal(*frames).tolist() == [same, True]


def test_whole_things_may_change_places() -> None:
    """Where two are as good; not so their scores alone."""
    rng = np.random.default_rng(0)
    wanted = {"boxes": rng.normal(size=(2, 9, 4)), "scores": rng.random((2, 9, 3))}
    turned = {name: one[:, ::-1] + 1e-7 for name, one in wanted.items()}
    moved = in_order(wanted, turned, ["boxes", "scores"])
    assert max(apart(wanted[name], moved[name]) for name in wanted) < 1e-6
    mixed = {**turned, "scores": wanted["scores"]}
    moved = in_order(wanted, mixed, ["boxes", "scores"])
    assert max(apart(wanted[name], moved[name]) for name in wanted) > 0.1
    assert in_order(wanted, turned, []) == {}


def test_what_is_no_number_is_far_from_any() -> None:
    """A graph of NaN is not near; where the model itself says NaN it is."""
    one, nan = np.array([1.0, np.inf]), np.array([np.nan, np.inf])
    assert apart(one, nan) == apart(nan, one) == np.inf
    assert apart(nan, nan) == apart(one, one) == 0.0
    parity = Parity(10, np.inf, np.inf, 1.0, {}, {})
    settings = SimpleNamespace(precision="32", tolerance=1e-4, agreement=0.99)
    with pytest.raises(ArtifactError, match="differ from the model's by inf"):
        refuse_drift(parity, settings)


def test_a_task_that_makes_other_answers_of_the_arrays_is_found_out() -> None:
    """However near the arrays are."""
    parity = Parity(10, 0.0, 0.0, 1.0, {}, {}, postprocessed=0.5)
    settings = SimpleNamespace(precision="32", tolerance=1e-4, agreement=0.99)
    with pytest.raises(ArtifactError, match=r"Task\.postprocess makes other answers .* in 50\.0%"):
        refuse_drift(parity, settings)
