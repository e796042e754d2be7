"""A cell or two that is no number, or no date, makes no words of a column; it is told."""

from __future__ import annotations

import json
import shlex
import warnings

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api.commands import settings
from mm_core.api.errors import BadCellError, LabelError, MMWarning

Y = ["a", "b"] * 100


def plan_of(cells, label=None, **asked):
    """The recipe, and what was told."""
    frame = pd.DataFrame({"x": cells, "z": np.arange(len(cells)) * 0.5, "y": Y[: len(cells)]})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", MMWarning)
        recipe = MultiModalPredictor(label or "y", verbosity=0).plan(frame, **asked)
    return recipe, "\n".join(str(one.message) for one in said)


def settings_of(recipe):
    return recipe.inputs["tabular"].processor.model_dump()


NUMBERS = [f"{number / 4}" for number in range(200)]
DAYS = pd.date_range("2024-01-01", periods=200).strftime


@pytest.mark.parametrize("at", [0, 1, 120, 199])
@pytest.mark.parametrize("mark", ["?", "twelve", "-"])
def test_one_mark_among_numbers_is_a_missing_cell_wherever_it_stands(mark, at):
    cells = [*NUMBERS]
    cells[at] = mark
    recipe, told = plan_of(cells)
    assert recipe.columns.plan("x").kind == "numerical"
    assert settings_of(recipe)["missing_marks"] == {"x": [mark]}
    assert f"199 of 200 strings are numbers; {mark!r} (1) stand for missing cells" in told
    assert "column_types={'x': 'categorical'} (--column-type x=categorical) reads" in told


def test_words_that_are_more_than_a_few_stay_words():
    recipe, told = plan_of([*NUMBERS[:150], *["twelve"] * 50])
    assert recipe.columns.plan("x").kind != "numerical"
    assert "missing" not in told


def test_a_code_among_numbers_makes_codes_of_all():
    cells = [f"{number % 9 + 1}" for number in range(200)]
    cells[77] = "007"
    assert plan_of(cells)[0].columns.plan("x").kind == "categorical"


def test_the_usual_words_for_missing_are_told_by_nobody():
    cells = [*NUMBERS]
    cells[3], cells[4] = "NA", "None"
    recipe, told = plan_of(cells)
    assert recipe.columns.plan("x").reason == "every string is a number"
    assert told == ""


@pytest.mark.parametrize(
    ("cells", "sign", "first"),
    [
        ([f"{n},25" for n in range(200)], ",", 0.25),
        ([f"{n}%" for n in range(200)], ".", 0.0),
        ([f"$1,{n + 100}.50" for n in range(200)], ".", 1100.5),
        ([f"1.{n + 100},5 \u20ac" for n in range(200)], ",", 1100.5),
        ([f"1,{n + 100}" for n in range(200)], ".", 1100.0),
    ],
)
def test_numbers_as_people_write_them_are_numbers_and_told(cells, sign, first):
    recipe, told = plan_of(cells)
    assert settings_of(recipe)["decimals"] == {"x": sign}
    other = "," if sign == "." else "."
    assert f"""--set 'inputs.tabular.processor.decimals={{"x": "{other}"}}' reads""" in told
    from mm_tabular.cells import Spelling, read_numbers

    read = read_numbers(pd.Series(cells), Spelling(sign))
    assert read.values[0] == first
    assert not read.bad.any()


def test_a_note_of_a_column_with_quotes_and_dollars_can_be_typed():
    name = """it's "$A\""""
    rows = pd.DataFrame({name: [f"{n},25" for n in range(200)], "y": Y})
    with pytest.warns(MMWarning) as said:
        MultiModalPredictor("y", verbosity=0).plan(rows)
    (told,) = [str(one.message) for one in said if "--set " in str(one.message)]
    assert shlex.split(told.partition("(--set ")[2].partition(" reads")[0])[0] == (
        f"inputs.tabular.processor.decimals={json.dumps({name: '.'})}"
    )


def test_a_zero_begins_no_thousands():
    cells = [f"{n % 2},{n + 100}" for n in range(200)]  # 0,100 and 1,101
    recipe, _ = plan_of(cells)
    assert settings_of(recipe)["decimals"] == {"x": ","}


@pytest.mark.parametrize("odd", ["--5", "- -5", "\u0661\u0662"])
def test_what_nothing_reads_as_a_number_is_missing_and_named(odd):
    cells = [f"${n}" for n in range(200)]
    cells[7] = odd
    recipe, told = plan_of(cells)
    assert settings_of(recipe)["missing_marks"] == {"x": [odd]}
    assert f"{odd!r} (1)" in told
    from mm_tabular.cells import Spelling, read_numbers

    assert read_numbers(pd.Series(cells), Spelling(".")).bad.tolist() == [
        n == 7 for n in range(200)
    ]


def test_amounts_of_two_currencies_are_no_numbers():
    cells = [f"{n} {'EUR' if n % 2 else 'USD'}" for n in range(200)]
    recipe, _ = plan_of(cells)
    assert recipe.columns.plan("x").kind != "numerical"


def test_dates_that_are_none_are_missing():
    cells = list(DAYS("%Y-%m-%d"))
    cells[::20] = ["0000-00-00"] * 10
    recipe, told = plan_of(cells)
    assert recipe.columns.plan("x").kind == "datetime"
    assert settings_of(recipe)["missing_marks"] == {"x": ["0000-00-00"]}
    assert "'0000-00-00' (10)" in told


def test_one_late_day_says_that_the_day_comes_first():
    early = [day for day in pd.date_range("2023-01-01", periods=700) if day.day <= 12][:199]
    cells = [day.strftime("%d/%m/%Y") for day in early]
    recipe, told = plan_of([*cells, "31/01/2024"])
    assert settings_of(recipe)["date_formats"] == {"x": "%d/%m/%Y"}
    assert told == ""


def test_days_that_fit_two_forms_are_told_with_the_setting():
    early = [day for day in pd.date_range("2023-01-01", periods=700) if day.day <= 12][:200]
    cells = [day.strftime("%d/%m/%Y") for day in early]
    recipe, told = plan_of(cells)
    assert settings_of(recipe)["date_formats"] == {"x": "%m/%d/%Y"}
    assert """inputs.tabular.processor.date_formats={"x": "%d/%m/%Y"}""" in told
    typed = shlex.split(told.partition("(--set ")[2])[0]
    recipe, told = plan_of(cells, hyperparameters=settings([typed]))
    assert settings_of(recipe)["date_formats"] == {"x": "%d/%m/%Y"}
    assert told == ""


def test_a_model_keeps_how_its_columns_are_spelled(tmp_path):
    cells = [f"{n},5" for n in range(200)]
    cells[7] = "?"
    frame = pd.DataFrame({"x": cells, "y": Y})
    made = MultiModalPredictor("y", path=tmp_path / "m", verbosity=0)
    with pytest.warns(MMWarning, match="199 of 200 strings are numbers"):
        made.fit(frame, hyperparameters={"training.epochs": 1})
    loaded = MultiModalPredictor.load(tmp_path / "m", verbosity=0)
    pd.testing.assert_frame_equal(loaded.predict_proba(frame), made.predict_proba(frame))
    as_numbers = frame.assign(x=[np.nan if n == 7 else n + 0.5 for n in range(200)])
    pd.testing.assert_frame_equal(loaded.predict_proba(as_numbers), made.predict_proba(frame))
    with pytest.raises(BadCellError, match="'twelve'"):
        loaded.predict(frame.assign(x="twelve"))


@pytest.mark.parametrize(
    ("label", "n_bad", "first"),
    [
        ([f"{n / 4}" for n in range(199)] + ["-"], 1, "'-'"),
        ([f"{n},5" for n in range(200)], 200, "'0,5'"),
        ([f"{n / 4}%" for n in range(200)], 200, "'0.0%'"),
    ],
)
def test_a_label_of_numbers_and_signs_is_no_class(label, n_bad, first):
    frame = pd.DataFrame({"z": np.arange(200) * 0.5, "price": label})
    with pytest.raises(LabelError, match=rf"not a number in {n_bad} row.*{first}(.|\n)*multiclass"):
        MultiModalPredictor("price", verbosity=0).plan(frame)
    MultiModalPredictor("price", problem_type="multiclass", verbosity=0).plan(frame)


def test_what_is_set_of_one_column_leaves_what_was_found_of_another():
    early = [day for day in pd.date_range("2023-01-01", periods=700) if day.day <= 12][:200]
    cells = [day.strftime("%d/%m/%Y") for day in early]
    frame = pd.DataFrame({"a": cells, "b": cells, "y": Y})
    asked = {"inputs.tabular.processor.date_formats": {"a": "%d/%m/%Y"}}
    with pytest.warns(MMWarning, match="'b'"):
        recipe = MultiModalPredictor("y", verbosity=0).plan(frame, hyperparameters=asked)
    assert settings_of(recipe)["date_formats"] == {"a": "%d/%m/%Y", "b": "%m/%d/%Y"}
