"""Every adapter on three unlike backbones, through the predictor."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import safetensors
import torch
from mm_text.hf import HFText

from mm_core import MultiModalPredictor
from mm_core.api import MMWarning

MOST = {
    "lora": 0.15,
    "dora": 0.16,
    "ia3": 0.05,
    "bitfit": 0.05,
    "norm_tuning": 0.05,
    "partial": 0.95,
    "frozen": 0.0,
    "linear_probe": 0.0,
}
"""Adapter -> the largest share of the backbone's parameters that is trained."""

EACH = [
    pytest.param(name, marks=[] if name in ("lora", "bitfit") else [pytest.mark.slow])
    for name in MOST
]
"""One that adds weights and one that chooses some are tried each time."""


def _proba(predictor: MultiModalPredictor, frame) -> np.ndarray:
    return predictor.predict_proba(frame).to_numpy()


def _weights(predictor: MultiModalPredictor) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in predictor._model.topology.named_parameters()}


@pytest.mark.parametrize("adapter", EACH)
def test_trains_its_share_and_comes_back(rows, adapter, fit, backbone_of, tmp_path):
    predictor = fit(rows, adapter)
    backbone = backbone_of(predictor)
    trained = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    share = trained / sum(p.numel() for p in backbone.parameters())
    assert share <= MOST[adapter]
    assert (share > 0) == (MOST[adapter] > 0)
    assert predictor._model.topology.head.weight.requires_grad

    wanted = _proba(predictor, rows.frame)
    for standalone in (True, False):
        predictor.save(tmp_path / "model", standalone=standalone)
        again = MultiModalPredictor.load(tmp_path / "model")
        np.testing.assert_allclose(_proba(again, rows.frame), wanted, atol=1e-6)
        assert again.recipe.backbones[rows.name].adapter.id == f"peft:{adapter}"
    np.testing.assert_allclose(_proba(again.merge_adapters(), rows.frame), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "adapter",
    ["lora", *(pytest.param(name, marks=[pytest.mark.slow]) for name in ("dora", "ia3", "frozen"))],
)
def test_a_merged_model_is_an_ordinary_one(rows, adapter, fit, backbone_of, tmp_path):
    plain = fit(rows, None)
    predictor = fit(rows, adapter)
    wanted = _proba(predictor, rows.frame)
    predictor.merge_adapters().save(tmp_path / "model")
    state = backbone_of(predictor).state_dict()
    assert list(state) == list(backbone_of(plain).state_dict())
    assert all(p.requires_grad for p in backbone_of(predictor).parameters())
    again = MultiModalPredictor.load(tmp_path / "model")
    assert again.recipe.backbones[rows.name].adapter is None
    assert again.recipe.origin(f"backbones.{rows.name}.adapter") == "merged"
    assert "peft" not in (tmp_path / "model" / "mm_model.json").read_text()
    np.testing.assert_allclose(_proba(again, rows.frame), wanted, atol=1e-5)


@pytest.mark.parametrize("adapter", ["lora", "ia3", "bitfit", "norm_tuning"])
def test_what_is_chosen_moves_and_the_rest_does_not(rows, adapter, fit, backbone_of):
    predictor = fit(rows, adapter)
    backbone = backbone_of(predictor)
    own = backbone.adapter.own_weights(backbone)
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert own == trained
    before = _weights(fit(rows, adapter, **{"training.max_steps": 1}))
    after = _weights(predictor)
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    prefix = f"backbones.{rows.name}."
    assert {name.removeprefix(prefix) for name in moved if name.startswith(prefix)} <= own
    assert moved & {prefix + name for name in own}


@pytest.mark.parametrize(
    ("adapter", "network", "size"),
    [
        ("lora", "eva02_tiny_patch14_224", 28),
        ("ia3", "eva02_tiny_patch14_224", 28),
        pytest.param("lora", "swinv2_tiny_window8_256", 128, marks=[pytest.mark.slow]),
    ],
)
def test_attention_that_adds_its_biases_itself_is_trained(
    pictures, adapter, network, size, fit, backbone_of
):
    drawn = {
        "backbones.image.checkpoint": "random",
        "backbones.image.random_model": network,
        "inputs.image.processor.image_size": size,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", MMWarning)  # of weights that had no gradient
        predictor = fit(pictures, adapter, **drawn, **{"training.max_steps": 1})
    backbone = backbone_of(predictor)
    assert any(".qkv." in name for name in backbone.adapter.own_weights(backbone))


class PastItsLayer(torch.nn.Module):
    """Computes with the weights of a layer and never calls it."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, self.layer.weight, self.layer.bias)


def test_layers_that_are_never_called_are_told(texts, fit, monkeypatch):
    built = HFText.__init__

    def build(self, *arguments):
        built(self, *arguments)
        attention = self.encoder.encoder.layer[0].attention.self
        attention.query = PastItsLayer(attention.query)

    monkeypatch.setattr(HFText, "__init__", build)
    with pytest.warns(MMWarning, match=r"backbones\.text\.adapter: 2 of its \d+ weights") as said:
        fit(texts, "lora")
    assert "query.layer" in str(said[0].message)


def test_layers_that_are_called_are_not(rows, fit):
    with warnings.catch_warnings():
        warnings.simplefilter("error", MMWarning)
        fit(rows, "lora")


@pytest.mark.parametrize("adapter", ["lora", "bitfit", "partial", "frozen"])
def test_a_frozen_batch_norm_keeps_its_statistics(pictures, adapter, fit, tmp_path):
    predictor = fit(pictures, adapter)
    assert not _saved_statistics(predictor, tmp_path) & _first_statistics(predictor)


def test_a_trained_batch_norm_does_not(pictures, fit, tmp_path):
    predictor = fit(pictures, "norm_tuning")
    assert _saved_statistics(predictor, tmp_path) >= _first_statistics(predictor)
    predictor = fit(pictures, "partial")
    assert _saved_statistics(predictor, tmp_path)  # of the last stages


def _saved_statistics(predictor, folder) -> set[str]:
    """Running means that differ from the checkpoint's."""
    predictor.save(folder / "model", standalone=False)
    with safetensors.safe_open(folder / "model" / "engine/weights.safetensors", "pt") as file:
        return {name for name in file.keys() if name.endswith("running_mean")}  # noqa: SIM118


def _first_statistics(predictor) -> set[str]:
    names = predictor._model.topology.state_dict()
    return {next(name for name in names if name.endswith("running_mean"))}


def test_what_is_frozen_has_no_dropout_and_the_rest_has(texts, fit, backbone_of):
    def dropouts(adapter):
        backbone = backbone_of(fit(texts, adapter)).train()
        return [m.training for m in backbone.modules() if isinstance(m, torch.nn.Dropout)]

    assert not any(dropouts("frozen"))
    assert all(dropouts("bitfit"))
    some = dropouts("partial")
    assert any(some)
    assert not all(some)


def test_dropout_of_an_adapter_is_off_at_prediction(texts, fit, tmp_path):
    predictor = fit(texts, {"id": "lora", "dropout": 0.5})
    first, second = (_proba(predictor, texts.frame) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_megabytes_instead_of_tens(texts, fit, size, tmp_path):
    predictor = fit(texts, "lora")
    assert size(predictor.save(tmp_path / "whole")) > 80
    assert size(predictor.save(tmp_path / "small", standalone=False)) < 3
