"""What a plan, a recipe and a predictor look like, and what is carried along with answers."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import mm_core
from mm_core import MultiModalPredictor
from mm_core.api.errors import ColumnError, MMError


@pytest.fixture(scope="module")
def loaded(model):
    return MultiModalPredictor.load(model)


@pytest.fixture(scope="module")
def rows(folder):
    return pd.read_csv(folder / "test.csv").assign(key=lambda rows: [f"k{n}" for n in rows.index])


def test_a_recipe_shows_columns_with_reasons_and_settings_with_origins(loaded):
    for said in (str(loaded.recipe), repr(loaded.recipe)):
        lines = [" ".join(line.split()) for line in said.splitlines()]
        assert "same not used constant: every cell is 1" in lines
        assert "training.epochs = 2 <- user" in lines
        assert not any("schema_=" in line for line in lines)
        assert any("at their defaults" in line for line in lines)
    html = loaded.recipe._repr_html_()
    assert "<td" in html
    assert "constant: every cell is 1" in html
    assert html.count("<table>") == html.count("</table>") == 3


def test_html_is_escaped(folder):
    table = pd.read_csv(folder / "train.csv").rename(columns={"x": "<b>x</b>"})
    html = MultiModalPredictor("y", verbosity=0).plan(table)._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "<b>" not in html


def test_a_predictor_shows_what_it_is(loaded):
    bare = MultiModalPredictor("y", hyperparameters={"training.epochs": 3}, presets="high_quality")
    for said in (repr(bare), bare._repr_html_()):
        assert "no model yet" in said
        assert "training.epochs" in said
        assert "high_quality" in said
    for said in (str(loaded), loaded._repr_html_()):
        assert "core:binary of y" in said
        assert "tabular:mlp" in said
        assert "no, yes" in said
        assert "best validation roc_auc" in said
        assert "constant: every cell is 1" in said


def test_the_public_names_are_listed():
    code = "import mm_core; print(dir(mm_core))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(sorted(mm_core.__all__))
    assert "MultiModalPredictor" in dir(mm_core)


def test_facts_are_the_same_before_and_after_loading(folder, tmp_path):
    table = pd.read_csv(folder / "train.csv")
    settings = {"training.epochs": 1, "backbones.tabular.width": 8}
    fitted = MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
    assert fitted.problem_type is None
    fitted.fit(table)
    again = MultiModalPredictor.load(fitted.save(tmp_path / "model"))
    for one in (fitted, again):
        assert one.problem_type == "binary"
        assert one.class_labels == ["no", "yes"]
        assert one.positive_class == "yes"
    assert list(again.predict_proba(table).columns) == again.class_labels


def test_the_positive_class_stands_in_the_plan_and_in_the_saved_model(folder, model, mm):
    command = ("plan", folder / "train.csv", "--label", "y")
    planned = " ".join(mm(*command).out.split())
    assert "task.positive = yes <- label: the later of 'no' and 'yes'" in planned
    chosen = " ".join(mm(*command, "--set", "task.positive=no").out.split())
    assert "task.positive = no <- user" in chosen
    assert "task.positive = yes" in " ".join(mm("inspect", model).out.split())


def test_types_can_be_read(mm):
    shown = " ".join(mm("plugins", "show", "core").out.split())
    assert "float | 'auto'" in shown
    assert "str | null" in shown
    for word in ("Union", "Annotated", "FieldInfo", "NoneType"):
        assert word not in shown


# ---- columns that are kept ----------------------------------------------------------------------


def test_mm_predict_keeps_columns(model, rows, tmp_path, mm):
    rows.to_csv(tmp_path / "rows.csv", index=False)
    printed = mm("predict", model, tmp_path / "rows.csv", "--keep", "key", "--keep", "city").out
    assert printed.splitlines()[0] == "key,city,y"
    assert [line.split(",")[0] for line in printed.splitlines()[1:]] == list(rows["key"])
    out = tmp_path / "answers.csv"
    done = mm("predict", model, tmp_path / "rows.csv", "--proba", "--keep", "key", "--out", out)
    assert done.code == 0, done.err
    written = pd.read_csv(out)
    assert list(written.columns) == ["key", "no", "yes"]
    assert list(written["key"]) == list(rows["key"])


def test_kept_columns_have_the_callers_index(loaded, rows):
    shifted = rows.set_index(rows.index + 100)
    found = loaded.predict(shifted, keep="key")
    assert list(found.columns) == ["key", "y"]
    assert found.index.equals(shifted.index)
    assert found["y"].equals(loaded.predict(shifted))


@pytest.mark.parametrize(("name", "said"), [("kye", "did you mean 'key'?"), ("y", "y_true")])
def test_columns_that_cannot_be_kept(loaded, rows, name, said):
    with pytest.raises(ColumnError, match=name) as caught:
        loaded.predict(rows, keep=name)
    assert said in str(caught.value)


def test_keeping_is_for_answers_alone(loaded, rows):
    with pytest.raises(MMError, match="no option 'keep'"):
        loaded.evaluate(rows, keep="key")


# ---- no rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [lambda rows: rows.iloc[:0], lambda rows: []])
@pytest.mark.filterwarnings("error")
def test_no_rows_have_no_answers(loaded, rows, empty):
    nothing, some = empty(rows), rows.iloc[:3]
    answers = loaded.predict(nothing)
    assert len(answers) == 0
    assert answers.dtype == loaded.predict(some).dtype
    assert answers.name == "y"
    proba = loaded.predict_proba(nothing)
    assert proba.shape == (0, 2)
    assert proba.dtypes.equals(loaded.predict_proba(some).dtypes)
    vectors, known = loaded.extract_embedding(nothing), loaded.extract_embedding(some)
    assert vectors.shape == (0, known.shape[1])
    assert vectors.dtype == known.dtype
    assert len(loaded.extract_embedding(nothing, as_pandas=True)) == 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_no_rows_in_a_file_make_a_file_of_no_answers(model, rows, tmp_path, mm, ending):
    data, out = tmp_path / f"rows.{ending}", tmp_path / f"answers.{ending}"
    nothing = rows.iloc[:0]
    nothing.to_csv(data, index=False) if ending == "csv" else nothing.to_parquet(data)
    done = mm("predict", model, data, "--keep", "key", "--out", out)
    assert done.code == 0, done.err
    written = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert list(written.columns) == ["key", "y"]
    assert len(written) == 0


def test_no_rows_cannot_be_scored(loaded, rows):
    with pytest.raises(MMError, match="no rows"):
        loaded.evaluate(rows.iloc[:0])
