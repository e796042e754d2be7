"""Rows in errors are the caller's rows, whatever split or order they went through."""

from __future__ import annotations

import copy

import pytest

from mm_core.api import BadCellError, DataError, MMWarning

TALL = list(range(0, 80, 7))
"""Rows, too many for marks of missing cells among numbers."""


def test_bad_cells_at_fit_are_named_by_the_callers_rows(small_table, fit_table):
    frame = small_table.astype({"height": object})
    frame.loc[TALL, "height"] = "tall"
    with pytest.raises(BadCellError) as caught:
        fit_table(frame, column_types={"height": "numerical"})
    assert caught.value.rows == tuple(TALL)


def test_bad_cells_of_training_can_be_taken_as_missing(small_table, fit_table):
    frame = small_table.astype({"height": object})
    frame.loc[TALL, "height"] = "tall"
    with pytest.warns(MMWarning, match="row 7, column 'height'"):
        fit_table(frame, column_types={"height": "numerical"}, on_error="missing")


def test_image_found_broken_while_training(fused, fit_table, random_weights, tmp_path):
    from pathlib import Path

    frame = fused.train.head(60)[["picture", "liked"]].copy()
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(frame["picture"].iloc[0]).read_bytes()[:200])
    frame.loc[frame.index[50], "picture"] = str(cut)
    settings = {key: value for key, value in random_weights.items() if "text" not in key}
    with pytest.raises(BadCellError) as caught:
        fit_table(frame, "liked", hyperparameters=settings)
    assert caught.value.rows == (50,)
    with pytest.warns(MMWarning, match="row 50"):
        fit_table(frame, "liked", hyperparameters=settings, on_error="missing")


def test_bad_weights_are_named_by_the_callers_rows(small_table, fit_table):
    frame = small_table.assign(w=1.0)
    frame.loc[44, "w"] = -1
    with pytest.raises(DataError) as caught:
        fit_table(frame, sample_weight="w")
    assert caught.value.rows == (44,)


def test_a_model_with_weights_is_evaluated_without_them(small_table, fit_table):
    predictor = fit_table(small_table.assign(w=1.0), sample_weight="w")
    assert "roc_auc" in predictor.evaluate(small_table)
    plain = fit_table(small_table)
    assert predictor.predict_proba(small_table).equals(plain.predict_proba(small_table))


def test_error_can_be_rebuilt_in_another_process(small_table, fit_table):
    predictor = fit_table(small_table)
    with pytest.raises(BadCellError) as caught:
        predictor.predict(small_table.astype(object).assign(height="tall").head(2))
    again = copy.copy(caught.value)  # goes the way that pickling between processes goes
    assert again.rows == caught.value.rows
    assert str(again) == str(caught.value)
