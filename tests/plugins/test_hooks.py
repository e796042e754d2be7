"""Every hook, used from outside by one file that touches nothing of the core."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, CheckpointError, ConfigError
from mm_core.plugins.registry import Registry

TOY = Path(__file__).parent / "files" / "toy.py"


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-80, 80, 90), rng.uniform(-80, 80, 90)
    return pd.DataFrame(
        {
            "place": [f"{a:.3f},{b:.3f}" for a, b in zip(lat, lon, strict=True)],
            "height": rng.normal(size=90),
            "north": lat,
        }
    )


def _fit(points, columns=("place", "north"), **settings):
    predictor = MultiModalPredictor(
        "north", problem_type=settings.pop("problem_type", "sign"), verbosity=0, plugins=[TOY]
    )
    return predictor.fit(points[list(columns)], **settings)


def test_hook_mm_plugin_info():
    (plugin,) = [p for p in Registry(entry_points=[], local=[TOY]).plugins if p.name == "toy"]
    assert plugin.info.summary == "Points on a map, for tests."
    assert plugin.info.api == (2, 0)


def test_hook_mm_modalities(points):
    predictor = _fit(points)
    assert predictor.column_types == {"place": "points:point"}
    assert predictor.recipe.columns.plan("place").reason == "every value is 'lat,lon'"
    assert predictor.recipe.inputs["points"].columns == ("place",)


def test_hook_mm_processors(points):
    assert _fit(points).recipe.inputs["points"].processor.id == "toy:split"


def test_hook_mm_backbones(points):
    predictor = _fit(points, hyperparameters={"backbones.points.width": 7})
    assert predictor.extract_embedding(points).shape == (90, 7)
    assert predictor.recipe.training.epochs == 3
    assert predictor.recipe.origin("training.epochs") == "backbone toy:linear alone"


def test_hook_mm_adapters(points):
    start = {"backbones.points.checkpoint": "ones"}
    predictor = _fit(points, hyperparameters=start | {"backbones.points.adapter": "toy:bias"})
    assert predictor.recipe.backbones["points"].adapter.id == "toy:bias"
    backbone = predictor._model.topology.backbones["points"]
    assert (backbone.layer.weight == 1).all()
    assert (backbone.layer.bias != 0).all()


def test_hook_mm_fusion_heads(points):
    predictor = _fit(points, ("place", "height", "north"), hyperparameters={"fusion": "toy:first"})
    assert predictor.extract_embedding(points).shape == (90, 3)


def test_hook_mm_tasks(points, tmp_path):
    predictor = _fit(points)
    assert set(predictor.predict(points)) <= {"plus", "minus"}
    with pytest.raises(ConfigError, match="no probabilities"):
        predictor.predict_proba(points)
    predictor.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", plugins=[TOY])
    assert again.predict(points).equals(predictor.predict(points))
    with pytest.raises(ArtifactError, match="toy"):
        MultiModalPredictor.load(tmp_path / "model")


def test_hook_mm_losses(points):
    signs = points.assign(north=np.where(points["north"] > 0, "plus", "minus"))
    settings = {"training.loss": "hinge", "training.loss.margin": 2.0, "training.epochs": 2}
    predictor = _fit(signs, problem_type="binary", hyperparameters=settings)
    loss = predictor.recipe.training.loss
    assert (loss.id, loss.config) == ("toy:hinge", {"margin": 2.0})
    # logits near 0 at the start: of two classes the other one costs margin / 2
    assert predictor.history["loss"].iloc[0] == pytest.approx(1.0, abs=0.35)
    with pytest.raises(ConfigError, match="a loss of its own"):
        _fit(points, hyperparameters={"training.loss": "hinge"})
    with pytest.raises(ConfigError, match="'class' and is not for regression"):
        _fit(points, problem_type="regression", hyperparameters={"training.loss": "hinge"})


def test_hook_mm_metrics(points):
    predictor = _fit(points)
    truth = np.where(points["north"] > 0, "plus", "minus")
    share = (predictor.predict(points) == truth).mean()
    assert predictor.evaluate(points) == {"agreement": pytest.approx(share)}


def test_hook_mm_fitters(points):
    predictor = _fit(points, hyperparameters={"fit": "toy:once"})
    assert predictor.history["epoch"].tolist() == [1.0]


def test_hook_mm_checkpoint_formats(points, tmp_path):
    (tmp_path / "weights").write_text("3")
    start = {"backbones.points.checkpoint": str(tmp_path / "weights")}
    predictor = _fit(points, hyperparameters=start)
    assert predictor.recipe.origin("backbones.points.checkpoint") == "user (file)"
    (tmp_path / "weights").write_text("three")
    with pytest.raises(CheckpointError, match="from core:folder: no number is in it"):
        _fit(points, hyperparameters=start)


def test_hook_mm_checkpoints(points):
    predictor = _fit(points, hyperparameters={"backbones.points.checkpoint": "ones"})
    assert predictor.recipe.backbones["points"].config["checkpoint"] == "ones"
    assert "the shelf" in predictor.recipe.origin("backbones.points.checkpoint")
    with pytest.raises(CheckpointError) as caught:
        _fit(points, hyperparameters={"backbones.points.checkpoint": "twos"})
    assert "not on the shelf" in str(caught.value)
    assert "checkpoint=ones" in caught.value.remedy


def test_hook_mm_presets(points):
    predictor = _fit(points, presets="toy_quality")
    part = predictor.recipe.backbones["points"].config
    assert (part["width"], part["checkpoint"]) == (12, "ones")
    origin = predictor.recipe.origin("backbones.points.checkpoint")
    assert origin.startswith("preset toy_quality")
    assert "absent" in origin


def test_hook_mm_exporters(points, tmp_path):
    predictor = _fit(points)
    report = predictor.export(tmp_path / "head.safetensors", format="head")
    assert safetensors.torch.load_file(report.path)["weight"].shape == (2, 4)
    both = _fit(points, ("place", "height", "north"))
    with pytest.raises(ConfigError, match="several inputs"):
        both.export(tmp_path / "head.pt", format="head")


def test_changed_file_is_not_the_plugin_the_model_was_made_with(points, tmp_path):
    copy = tmp_path / "toy.py"
    copy.write_bytes(TOY.read_bytes())
    predictor = MultiModalPredictor("north", "sign", verbosity=0, plugins=[copy]).fit(
        points[["place", "north"]]
    )
    predictor.save(tmp_path / "model")
    copy.write_text(TOY.read_text() + "\n# edited\n")
    with pytest.raises(ArtifactError, match="not the one the model was made with"):
        MultiModalPredictor.load(tmp_path / "model", plugins=[copy])
