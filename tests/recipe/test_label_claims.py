"""Which task takes a label that several claim, and what a claim may be."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import LabelError, MMWarning, PluginError
from mm_core.recipe.recipe import Recipe

CLAIMS = Path(__file__).parent / "files" / "claims.py"


def planned(label: str, values: Any, **arguments: Any) -> Recipe:
    frame = pd.DataFrame({"x": np.linspace(0, 1, len(values)), label: pd.Series(values)})
    predictor = MultiModalPredictor(label, plugins=[CLAIMS], verbosity=0, **arguments)
    return predictor.plan(frame)


def test_a_score_above_1_is_no_claim() -> None:
    with pytest.raises(PluginError, match="scores are 0 to 1") as caught:
        planned("loud", ["a", "b"] * 5)
    assert caught.value.plugin == "claims:loud"
    assert "problem_type=" in (caught.value.remedy or "")
    assert planned("loud", ["a", "b"] * 5, problem_type="binary").task.id == "core:binary"


def test_a_tie_is_told() -> None:
    with pytest.warns(MMWarning, match="claims:equal and core:binary claim it with the same"):
        recipe = planned("equal", ["a", "b"] * 5)
    assert recipe.task.id == "claims:equal"
    assert recipe.origin("task.id") == "label: it says equal (equal score: core:binary)"


def test_a_claim_that_cannot_be_learned_gives_way() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", MMWarning)  # no tie: one of them can learn it
        recipe = planned("eager", ["a", "b"] * 5)
    assert recipe.task.id == "core:binary"
    assert recipe.origin("task.id") == (
        "label: 2 distinct values: 'a' and 'b'; claims:eager claims it too and cannot learn it: "
        "these are no boxes"
    )


def test_where_all_fail_the_first_error_is_told() -> None:
    with pytest.raises(LabelError, match="these are no boxes"):
        planned("eager", ["a", "b", None] * 5)


@pytest.mark.parametrize(
    "cell",
    [[1, 2], [1.5, 2.0, 3.0, 4.0], [{"box": 1}], {"box": [1, 2]}, [["a"]]],
    ids=["numbers", "box", "dicts", "dict", "nested"],
)
@pytest.mark.parametrize("write", [lambda cell: cell, json.dumps], ids=["cells", "json"])
def test_lists_that_hold_no_labels_are_claimed_by_none_of_the_core(cell: Any, write: Any) -> None:
    with pytest.raises(LabelError, match="no task recognises"):
        planned("y", list(map(write, _varied(cell))))


def _varied(cell: Any) -> list[Any]:
    other = {"other": 3} if isinstance(cell, dict) else [*cell, *cell]
    third = {"third": 4} if isinstance(cell, dict) else [*other, *cell]
    return [cell, other, third] * 4
