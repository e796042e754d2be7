"""fusion:cached: backbones run once a training row, and the model is that of the heads."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from mm_fusion.store import LatentStore
from safetensors import SafetensorError
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import BackboneSpec, Batch, Config, ConfigError, MMWarning
from mm_core.api.tools import installed, model_of
from mm_core.cli.app import app
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

SETTINGS = {
    "fit": "fusion:cached",
    "fit.new": "keep",  # the kit's backbones have no pretrained weights
    "training.head_learning_rate": 1e-2,
    "training.batch_size": 16,
}


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
    verbosity = settings.pop("verbosity", 0)
    given = SETTINGS | {"training.epochs": epochs} | settings
    predictor = MultiModalPredictor(
        "kind", hyperparameters=given, verbosity=verbosity, plugins=[KIT], eval_metric="accuracy"
    )
    return predictor.fit(train, tuning_data=held)


def test_backbones_run_once_for_each_training_row_however_many_epochs(rows, counted):
    _fit(rows, 1)
    once = sum(counted)
    counted.clear()
    _fit(rows, 12)
    assert sum(counted) == once
    assert once >= 2 * (54 + 18)


def test_what_calibrates_the_task_is_answered_without_dropout(rows, capsys):
    """The head alone was trained, and is in training no more: a temperature changes no class."""
    model = _fit(rows, 12, **{"fusion.dropout": 0.9, "verbosity": 1})
    best = model.history.accuracy.max()
    said = capsys.readouterr()
    assert f"best validation accuracy {best:.4f}" in said.out + said.err
    assert "calibrated" not in said.out + said.err


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


def test_a_disk_that_is_full_ends_no_fit(rows, tmp_path, monkeypatch):
    def save_half(latents, file, said):
        file.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("mm_fusion.store.save_file", save_half)
    with pytest.warns(MMWarning, match="cannot be written to"):
        _fit(rows, 1, **{"fit.cache": str(tmp_path / "latents")})
    assert list((tmp_path / "latents").iterdir()) == []


def test_a_file_is_no_folder_of_latents(rows, tmp_path):
    (tmp_path / "file").write_text("of something else")
    with pytest.raises(ConfigError, match="no latents can be kept in"):
        _fit(rows, 1, **{"fit.cache": str(tmp_path / "file")})


# ---- never stale


@pytest.fixture(scope="module")
def told() -> MultiModalPredictor:
    """A fitted model, not to be changed."""
    labels = {"kind": ["a", "b", "c"] * 24}
    return _fit(points(labels, ("left", "right")).assign(**labels), 1)


def _pictures(**changed: float) -> Batch:
    """Two inputs of which every array has a cell that a test may change."""
    pixels = np.zeros((2, 3, 4, 4), np.float32)
    pixels[1, 2, 3, 3] = changed.get("pixel", 0.0)
    words = np.array([[1, 2], [3, int(changed.get("word", 4))]])
    there = np.array([True, "gone" not in changed])
    inputs = {"left": {"pixels": pixels}, "right": {"input_ids": words}}
    return Batch(inputs, {"left": there, "right": np.ones(2, bool)})


@pytest.mark.parametrize("change", [{"pixel": 1e-7}, {"word": 5}, {"gone": 1}])
def test_one_pixel_or_word_is_another_file(change, told, tmp_path):
    store = LatentStore(tmp_path, 1.0, model_of(told).topology)
    assert store.key(_pictures(), ["pooled"]) == store.key(_pictures(), ["pooled"])
    assert store.key(_pictures(**change), ["pooled"]) != store.key(_pictures(), ["pooled"])
    assert store.key(_pictures(), ["tokens"]) != store.key(_pictures(), ["pooled"])


@pytest.mark.parametrize("what", ["weight", "prompt", "setting", "share"])
def test_one_weight_or_setting_is_another_file(what, told, tmp_path):
    topology = model_of(told).topology
    before = LatentStore(tmp_path, 1.0, topology).key(_pictures(), [])
    other = copy.deepcopy(topology)
    if what == "weight":
        with torch.no_grad():
            other.backbones["left"].layer.weight[3, 5] += 1e-6
    elif what == "prompt":  # of a processor, whose arrays stay the same
        other.infos["left"] = {**other.infos.get("left", {}), "prompts": {"query": [7]}}
    elif what == "setting":
        other.backbones["left"].config = _Wider()
    else:
        other.shared = {"right": "left"}
    assert LatentStore(tmp_path, 1.0, other).key(_pictures(), []) != before


class _Wider(Config):
    width: int = 3


# ---- networks without pretrained weights


@pytest.fixture
def left_is_pretrained(monkeypatch):
    """Of the kit's backbones, as one of texts beside a table."""
    backbone = installed([KIT]).get(BackboneSpec, "kit_points:layer").load()
    plain = backbone.__init__

    def made(self, config, context):
        plain(self, config, context)
        self.pretrained = "left" in context.inputs

    monkeypatch.setattr(backbone, "__init__", made)


def _weights(model: MultiModalPredictor, name: str) -> torch.Tensor:
    return model_of(model).topology.backbones[name].layer.weight.detach().clone()


def test_what_has_learned_nothing_is_trained_beside_the_head(
    rows, left_is_pretrained, counted, tmp_path
):
    settings = {"fit.new": "train", "fit.cache": str(tmp_path)}
    short, long = (_fit(rows, epochs, **settings) for epochs in (1, 12))
    assert torch.equal(_weights(short, "left"), _weights(long, "left"))
    assert not torch.equal(_weights(short, "right"), _weights(long, "right"))
    assert long.evaluate(rows.iloc[54:])["accuracy"] == pytest.approx(long.history.accuracy.max())
    again = MultiModalPredictor.load(long.save(tmp_path / "model"), plugins=[KIT])
    assert np.allclose(again.predict_proba(rows), long.predict_proba(rows), atol=1e-6)


def test_cells_of_what_is_trained_change_nothing_that_is_kept(rows, left_is_pretrained, tmp_path):
    settings = {"fit.new": "train", "fit.cache": str(tmp_path)}
    _fit(rows, 1, **settings)
    kept = {file.name for file in tmp_path.iterdir()}
    rows.loc[3, "right"] = rows.loc[4, "right"]
    _fit(rows, 1, **settings)
    assert {file.name for file in tmp_path.iterdir()} == kept
    rows.loc[3, "left"] = rows.loc[4, "left"]
    _fit(rows, 1, **settings)
    assert len(list(tmp_path.iterdir())) == len(kept) + 1


# ---- mm cache


def _cache(*typed: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["cache", *map(str, typed), "--json"])
    assert done.exit_code == 0, done.output
    said: dict[str, object] = json.loads(done.stdout)
    return said


def test_mm_cache_shows_and_clears_what_is_kept(rows, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _cache()["files"] == 0
    _fit(rows, 1, **{"fit.cache": True})
    folder = tmp_path / "mm" / "latents"
    (folder / "mine.txt").write_text("not of its making")
    (folder / "broken.latents").write_bytes(b"broken")
    said = _cache(folder)
    assert said == _cache()
    files = [file for file in folder.glob("*.latents") if file.name != "broken.latents"]
    name = "kit_points:layer, kit_points:layer"
    assert said["backbones"][name]["files"] == len(files) == 6
    assert said["backbones"][name]["rows"] == 54 + 18
    assert said["bytes"] == sum(file.stat().st_size for file in folder.glob("*.latents"))
    assert "72 rows in 6 files" in CliRunner().invoke(app, ["cache"]).output

    assert _cache("--backbone", "MiniLM", "--clear")["removed"]["files"] == 0
    half = said["backbones"][name]["bytes"] / 2
    assert 0 < _cache("--backbone", "LAYER", "--keep-gb", half / 1e9)["bytes"] <= half
    assert _cache("--clear")["files"] == 0
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]


def test_mm_cache_needs_a_folder_that_is_there(tmp_path):
    done = CliRunner().invoke(app, ["cache", str(tmp_path / "none"), "--clear"])
    assert done.exit_code != 0
    done = CliRunner().invoke(app, ["cache", str(tmp_path), "--clear", "--keep-gb", "1"])
    assert done.exit_code != 0
