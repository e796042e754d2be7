"""Whatever the frame: one answer per row, aligned, equal to predicting the rows one by one."""

from __future__ import annotations

import string
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mm_core import MultiModalPredictor
from mm_core.api import EmptyDataError, MMError, MMWarning

WORDS = ["oak", "river stone", "a long way from home", "Übergröße", "", "12", "日本語の文章", "nan"]


@st.composite
def columns(draw, n_rows):
    """One column: numbers, texts, categories, booleans, dates or a mix, with missing cells."""
    kind = draw(st.sampled_from(["float", "int", "category", "text", "bool", "date", "mixed"]))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    values = {
        "float": lambda: rng.normal(size=n_rows) * 10.0 ** rng.integers(-6, 7),
        "int": lambda: rng.integers(-5, 1000, n_rows),
        "category": lambda: rng.choice(["x", "y", "z z"], n_rows),
        "text": lambda: [" ".join(rng.choice(WORDS, 5)) for _ in range(n_rows)],
        "bool": lambda: rng.random(n_rows) < 0.5,
        "date": lambda: (
            pd.Timestamp("2020-02-29") + pd.to_timedelta(rng.integers(0, 999, n_rows), "D")
        ),
        "mixed": lambda: rng.choice(np.array([1, 2.5, "three", True], dtype=object), n_rows),
    }[kind]()
    column = pd.Series(values)
    share = draw(st.sampled_from([0.0, 0.0, 0.2, 0.9]))
    if share:
        column = column.astype(object).where(rng.random(n_rows) >= share, None)
    return column


@st.composite
def frames(draw):
    """20 to 40 rows, 1 to 5 columns with odd names."""
    n_rows = draw(st.integers(20, 40))
    names = draw(
        st.lists(
            st.one_of(st.text(string.printable, min_size=1, max_size=8), st.integers(0, 99)),
            min_size=1,
            max_size=5,
            unique_by=str,
        )
    )
    frame = pd.DataFrame({name: draw(columns(n_rows)) for name in names if str(name) != "target"})
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    label = draw(st.sampled_from(["classes", "numbers"]))
    frame["target"] = (
        rng.permutation(np.resize(["p", "q", "r"], n_rows))
        if label == "classes"
        else rng.normal(size=n_rows)
    )
    return frame


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(frame=frames(), seed=st.integers(0, 2**16))
def test_one_answer_per_row_aligned_and_equal_to_rows_one_by_one(frame, seed):
    before = frame.copy(deep=True)
    predictor = MultiModalPredictor(
        "target",
        hyperparameters={"training.epochs": 1, "training.batch_size": 16},
        verbosity=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)
        try:
            predictor.fit(
                frame,
                hyperparameters=_random_text(predictor, frame),
            )
        except EmptyDataError:  # every column is constant or missing
            event("no usable column")
            return
        pd.testing.assert_frame_equal(frame, before)
        rng = np.random.default_rng(seed)
        rows = frame.iloc[rng.integers(0, len(frame), 7)]
        rows = rows[rng.permutation(rows.columns)]
        answers = _numbers(predictor, rows)
        assert answers.index.equals(rows.index)
        alone = pd.concat([_numbers(predictor, rows.iloc[[i]]) for i in range(len(rows))])
    event(f"compared: {'+'.join(sorted(predictor.recipe.backbones))}")
    np.testing.assert_allclose(answers, alone, atol=1e-5, rtol=1e-5)


def _random_text(predictor, frame):
    from mm_core.data.rows import read_rows
    from mm_core.schema.schema import infer_schema

    try:
        schema = infer_schema(
            read_rows(frame, predictor._registry).table, ["target"], predictor._registry
        )
    except MMError:
        return {}
    texts = "text:text" in schema.by_modality()
    return {"backbones.text.checkpoint": "random"} if texts else {}


def _numbers(predictor, rows):
    if predictor.recipe.task.id == "core:regression":
        return predictor.predict(rows)
    return predictor.predict_proba(rows)


@pytest.mark.parametrize("index", [[5, 5, 1], ["a", "b", "a"], [(1, 2), (1, 2), (0, 0)]])
def test_any_index_is_kept(fit_table, small_table, index):
    predictor = fit_table(small_table)
    rows = small_table.head(3)
    rows = rows.set_axis(
        pd.MultiIndex.from_tuples(index) if isinstance(index[0], tuple) else index, axis=0
    )
    answers = predictor.predict(rows)
    assert answers.index.equals(rows.index)
