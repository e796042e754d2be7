"""Sizes that a network cannot take are refused before the first step, with those that it can."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from mm_image import sizes
from mm_image.sizes import model_of_size

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("model", "size", "nearest"),
    [
        ("test_vit", 100, ("=96 ", "=112")),
        ("test_convnext", 16, ("=32;",)),
    ],
)
def test_a_fit_refuses_it_and_says_the_nearest(
    model: str, size: int, nearest: tuple[str, ...]
) -> None:
    images = [np.full((20, 20, 3), n * 10, dtype="uint8") for n in range(8)]
    frame = pd.DataFrame({"img": images, "y": ["a", "b"] * 4})
    settings = {
        "training.epochs": 1,
        "backbones.image.checkpoint": "random",
        "backbones.image.random_model": model,
        "inputs.image.processor.image_size": size,
    }
    with pytest.raises(ConfigError, match=f"image_size = {size}: {model} does not") as caught:
        MultiModalPredictor("y", verbosity=0).fit(frame, hyperparameters=settings)
    assert caught.value.plugin == "image:timm"
    for side in nearest:
        assert f"inputs.image.processor.image_size{side}" in (caught.value.remedy or "")


def test_a_network_is_not_tried_at_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_fault", lambda *_: pytest.fail("it was tried"))
    model_of_size("test_vit", {}, (160, 160), (160, 160), "image_size")


def test_trying_draws_no_number_and_leaves_the_mode() -> None:
    torch.manual_seed(0)
    model_of_size("test_efficientnet", {}, (160, 160), (160, 160), "image_size")
    alone = torch.rand(1)
    torch.manual_seed(0)
    tried = model_of_size("test_efficientnet", {}, (64, 64), (160, 160), "image_size")
    assert torch.equal(torch.rand(1), alone)
    assert tried.training


def test_an_unknown_argument_is_no_matter_of_size() -> None:
    with pytest.raises(CheckpointError):
        model_of_size("test_efficientnet", {"nothing": 1}, (64, 64), (160, 160), "image_size")
