"""One table is one table, whichever way and in whichever order its rows come."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mm_core import MultiModalPredictor
from mm_core.data.rows import read_rows
from mm_core.plugins.registry import Registry

N = 40
EPOCHS = {"training.epochs": 2}

COLUMNS = {
    "numbers": st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: x + 0.5),
    "whole": st.integers(-(2**40), 2**40),
    "codes": st.sampled_from(["007", "7", "0123", "94016", "10"]),
    "words": st.sampled_from(["NA", "None", "null", "n/a", "1e5x", "a, b", 'say "x"', " y"]),
    "texts": st.text("abc ÄÖ;,.\t'", min_size=1).map(lambda text: f"x {text} y"),
    "truths": st.booleans(),
    "dates": st.dates().map(str),
    "identifiers": st.integers(10**17, 10**18).map(lambda n: f"id_{n}"),
}


@st.composite
def tables(draw):
    """Columns of several kinds; some cells of words and numbers are missing."""
    frame = {}
    for name, cells in COLUMNS.items():
        values = draw(st.lists(cells, min_size=3, max_size=6))
        # No row is empty, and the first rows hold more than one value of each.
        frame[name] = [values[(i * (i // 7 + 1)) % len(values)] for i in range(N)]
    holes = draw(st.sets(st.integers(1, N - 1), max_size=5))
    for name in ("numbers", "words"):
        frame[name] = [None if i in holes else cell for i, cell in enumerate(frame[name])]
    frame["codes"][draw(st.integers(0, N - 1))] = "007"  # else they are numbers in a CSV
    table = pd.DataFrame({"x": np.arange(N) * 0.5, **frame})
    table["y"] = ["up", "down", "NA", "up"] * (N // 4)
    return table


def ways(frame: pd.DataFrame, folder: Path):
    """The same rows in all forms."""
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    # Not by pandas, whose JSON keeps 15 of a number's 17 digits: two numbers would be one.
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    (folder / "t.json").write_text(json.dumps(records))
    frame.to_excel(folder / "t.xlsx", index=False)
    files = [folder / f"t.{ending}" for ending in ("csv", "parquet", "jsonl", "json", "xlsx")]
    return [frame, records, *files, frame.sample(frac=1, random_state=1)]


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(tables())
def test_every_way_gives_the_same_plan(frame):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, *others = ways(frame, Path(folder))
        wanted = plan_of(first)
        for data in others:
            assert plan_of(data) == wanted


def plan_of(data):
    """Columns with their reasons, and all settings."""
    recipe = MultiModalPredictor("y", verbosity=0).plan(data)
    return [*recipe.columns.columns, recipe.to_json()]


def test_every_way_gives_the_same_model(tmp_path):
    random = np.random.default_rng(0)
    code = random.choice(["007", "7", "0123"], 60)
    word = random.choice(["NA", "b"], 60)
    frame = pd.DataFrame({"x": random.normal(size=60), "code": code, "word": word})
    frame["y"] = np.where((code == "007") | (word == "NA"), "None", "some")
    answers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data in ways(frame, tmp_path)[:-1]:
            made = MultiModalPredictor("y", verbosity=0).fit(
                data, hyperparameters={"training.epochs": 2}
            )
            answers.append(made.predict_proba(frame))
            assert list(answers[-1]) == ["None", "some"]
    for other in answers[1:]:
        pd.testing.assert_frame_equal(other, answers[0], check_exact=True)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_answers_that_are_written_read_back_the_same(tmp_path, ending):
    frame = pd.DataFrame({"x": np.arange(40.0), "y": ["None", "NA"] * 20})
    made = MultiModalPredictor("y", verbosity=0).fit(frame, hyperparameters=EPOCHS)
    out = tmp_path / f"answers{ending}"
    made.predict(frame, out=out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = read_rows(out, Registry(entry_points=[])).table.frame
    assert read["y"].tolist() == made.predict(frame).tolist()
