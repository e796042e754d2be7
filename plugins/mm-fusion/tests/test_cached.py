"""fusion:cached: backbones run once a training row, and the model is that of the heads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import BackboneSpec, ConfigError, MMWarning
from mm_core.api.tools import installed
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

SETTINGS = {"fit": "fusion:cached", "training.head_learning_rate": 1e-2, "training.batch_size": 16}


@pytest.fixture
def rows() -> pd.DataFrame:
    labels = {"kind": ["a", "b", "c"] * 24}
    return points(labels, ("left", "right")).assign(**labels)


@pytest.fixture
def counted(monkeypatch):
    """Rows that backbones of points have run on."""
    seen = []
    backbone = installed([KIT]).get(BackboneSpec, "kit_points:layer").load()
    forward = backbone.forward

    def counting(self, inputs):
        seen.append(len(next(iter(next(iter(inputs.values())).values()))))
        return forward(self, inputs)

    monkeypatch.setattr(backbone, "forward", counting)
    return seen


def _fit(rows: pd.DataFrame, epochs: int, **settings) -> MultiModalPredictor:
    train, held = rows.iloc[:54], rows.iloc[54:]
    given = SETTINGS | {"training.epochs": epochs} | settings
    predictor = MultiModalPredictor(
        "kind", hyperparameters=given, verbosity=0, plugins=[KIT], eval_metric="accuracy"
    )
    return predictor.fit(train, tuning_data=held)


def test_backbones_run_once_for_each_training_row_however_many_epochs(rows, counted):
    _fit(rows, 1)
    once = sum(counted)
    counted.clear()
    _fit(rows, 12)
    assert sum(counted) == once
    assert once >= 2 * (54 + 18)


def test_heads_learn_and_backbones_stay(rows):
    model = _fit(rows, 12)
    assert model.evaluate(rows)["accuracy"] > 0.9
    assert model.history.loss.iloc[-1] < model.history.loss.iloc[0]
    backbones = model._model.topology.backbones
    assert not any(one.requires_grad for one in backbones.parameters())


def test_the_scores_of_heads_are_those_of_the_whole_model(rows, tmp_path):
    model = _fit(rows, 6)
    held = rows.iloc[54:]
    assert model.evaluate(held)["accuracy"] == pytest.approx(model.history.accuracy.max())
    again = MultiModalPredictor.load(model.save(tmp_path / "model"), plugins=[KIT])
    assert np.allclose(again.predict_proba(held), model.predict_proba(held), atol=1e-6)


def test_what_would_not_be_used_is_refused(rows):
    with pytest.raises(ConfigError, match="mixup"):
        _fit(rows, 1, **{"training.mixup": 0.2})


def test_latents_on_disk_spare_the_backbones(rows, counted, tmp_path):
    first = _fit(rows, 2, **{"fit.cache": str(tmp_path / "latents")})
    once = sum(counted)
    kept = {file.name for file in (tmp_path / "latents").iterdir()}
    counted.clear()
    again = _fit(rows, 2, **{"fit.cache": str(tmp_path / "latents")})
    assert once - sum(counted) == 2 * (54 + 18)  # the rest: the final model on held-out rows
    assert {file.name for file in (tmp_path / "latents").iterdir()} == kept
    assert np.array_equal(again.predict_proba(rows), first.predict_proba(rows))
    other = _fit(rows, 2, **{"fit.cache": str(tmp_path / "latents"), "fusion": "core:mean"})
    assert {file.name for file in (tmp_path / "latents").iterdir()} == kept
    assert other.recipe.fusion.id == "core:mean"


@pytest.mark.parametrize("what", ["a cell", "a weight"])
def test_what_is_kept_is_never_stale(what, rows, tmp_path):
    folder = tmp_path / "latents"
    _fit(rows, 1, **{"fit.cache": str(folder)})
    kept = {file.name for file in folder.iterdir()}
    if what == "a cell":
        numbers = rows.loc[3, "left"].split()
        numbers[1] = str(float(numbers[1]) + 0.5)
        rows.loc[3, "left"] = " ".join(numbers)
    seed = 1 if what == "a weight" else 0
    _fit(rows, 1, **{"fit.cache": str(folder), "training.seed": seed})
    assert not kept >= {file.name for file in folder.iterdir()}


def test_a_damaged_file_is_computed_again(rows, tmp_path):
    folder = tmp_path / "latents"
    first = _fit(rows, 1, **{"fit.cache": str(folder)})
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:40])
    again = _fit(rows, 1, **{"fit.cache": str(folder)})
    assert np.array_equal(again.predict_proba(rows), first.predict_proba(rows))


def test_a_full_folder_takes_no_more(rows, tmp_path):
    settings = {"fit.cache": str(tmp_path / "latents"), "fit.cache_gb": 1e-9}
    with pytest.warns(MMWarning, match="raise fit.cache_gb"):
        _fit(rows, 1, **settings)
    assert list((tmp_path / "latents").iterdir()) == []
