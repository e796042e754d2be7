"""Presence: any cell and any column may be missing at prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core.api import ColumnError, MMWarning
from mm_core.api.nn import tensors
from mm_core.data.batches import BatchMaker

COLUMNS = ["picture", "review", "price", "size", "sold", "listed"]


@pytest.mark.parametrize("column", COLUMNS)
def test_any_cell_may_be_missing(fused, column):
    rows = fused.test.head(6).copy()
    rows[column] = rows[column].astype(object)
    rows.loc[rows.index[2], column] = None
    answers = fused.predictor.predict_proba(rows)
    assert np.isfinite(answers.to_numpy()).all()
    others = [0, 1, 3, 4, 5]
    whole = fused.predictor.predict_proba(fused.test.head(6))
    np.testing.assert_allclose(answers.iloc[others], whole.iloc[others], atol=1e-6)


@pytest.mark.parametrize("column", COLUMNS)
def test_any_column_may_be_missing_with_one_warning_that_names_it(fused, column):
    with pytest.warns(MMWarning, match=f"'{column}'") as caught:
        answers = fused.predictor.predict_proba(fused.test.drop(columns=column))
    assert len([w for w in caught if issubclass(w.category, MMWarning)]) == 1
    assert len(answers) == len(fused.test)
    assert np.isfinite(answers.to_numpy()).all()
    empty = fused.predictor.predict_proba(fused.test.assign(**{column: None}))
    pd.testing.assert_frame_equal(answers, empty)


def test_a_row_with_nothing_in_it_is_answered(fused):
    rows = fused.test.head(3).copy()
    for column in COLUMNS:
        rows[column] = rows[column].astype(object)
        rows.loc[rows.index[1], column] = None
    assert np.isfinite(fused.predictor.predict_proba(rows).to_numpy()).all()


def test_no_column_at_all_is_an_error(fused):
    with pytest.raises(ColumnError, match="none of the model's columns"):
        fused.predictor.predict(pd.DataFrame({"unrelated": [1, 2]}))


def test_nan_in_absent_slots_changes_no_output(fused):
    """NaN is planted into every array of an input where rows say it is absent."""
    model = fused.predictor._model
    rows = fused.test.head(8).copy()
    table = fused.predictor._session.aligned(_rows(rows).table, fused.predictor.recipe)
    frame = model.pipeline.encode(table)
    absent = np.array([True, False] * 4)
    for name in frame.inputs:
        maker = BatchMaker(model.processors, frame)
        clean = tensors(maker.make(np.arange(8)))
        dirty = tensors(maker.make(np.arange(8)))
        clean.present[name] = dirty.present[name] = torch.from_numpy(~absent)
        for key, values in dirty.inputs[name].items():
            if values.is_floating_point():
                dirty.inputs[name][key] = values.clone()
                dirty.inputs[name][key][absent] = float("nan")
        with torch.inference_mode():
            expected = model.topology.predict(clean)["logits"]
            found = model.topology.predict(dirty)["logits"]
        assert torch.isfinite(found).all(), name
        assert torch.equal(found, expected), name


def test_nan_in_absent_latents_changes_no_output(fused):
    model = fused.predictor._model
    frame = model.pipeline.encode(
        fused.predictor._session.aligned(_rows(fused.test.head(4)).table, fused.predictor.recipe)
    )
    batch = tensors(BatchMaker(model.processors, frame).make(np.arange(4)))
    with torch.inference_mode():
        latents = model.topology.encode(batch)
        for name in model.topology.backbones:
            present = dict(batch.present) | {name: torch.tensor([True, False, True, False])}
            dirty = {key: value.clone() for key, value in latents.items()}
            dirty[f"{name}.pooled"][[1, 3]] = float("nan")
            expected = model.topology.forward_latents(latents, present)["logits"]
            found = model.topology.forward_latents(dirty, present)["logits"]
            assert torch.equal(found, expected), name


def test_training_rows_may_lack_modalities(fit_table, table_maker, random_weights, tmp_path):
    frame = table_maker(60, tmp_path, seed=4)
    rng = np.random.default_rng(0)
    for column in ("picture", "review", "size"):
        frame.loc[rng.random(60) < 0.4, column] = None
    predictor = fit_table(frame, "liked", hyperparameters=random_weights)
    assert np.isfinite(predictor.predict_proba(frame).to_numpy()).all()


def _rows(frame):
    from mm_core.data.rows import read_rows
    from mm_core.plugins.registry import default_registry

    return read_rows(frame, default_registry())
