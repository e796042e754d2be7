"""Our evaluation transform against timm's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
from mm_image.formats import _details, _registered
from mm_image.preprocessing import Preprocessing
from PIL import Image
from timm.data import create_transform, resolve_data_config

from mm_core.api import CheckpointError

MODELS = (
    "resnet18.a1_in1k",
    "mobilenetv3_large_100.miil_in21k_ft_in1k",  # bilinear
    "tf_efficientnet_lite0",
    "caformer_s36.sail_in22k_ft_in1k",
    "swin_large_patch4_window7_224",
    "vit_base_patch16_siglip_224.webli",  # squash, bicubic
    "beitv2_base_patch16_224",
    "vit_base_patch14_dinov2.lvd142m",
    "volo_d5_512.sail_in1k",  # crop_pct above 1: padded
    "inception_v3",  # 299 px
)
SHAPES = ((256, 170), (170, 256), (224, 224), (300, 300), (1, 1), (3, 500), (37, 512), (1000, 700))


def settings(config: dict) -> dict:
    return {**config, "input_size": tuple(config["input_size"])}


def grey_levels_apart(image: Image.Image, config: dict) -> float:
    """Largest difference between timm's output and ours, in 8-bit levels."""
    expected = create_transform(**settings(config))(image).numpy()
    ours = Preprocessing.from_data_config(config)
    out = np.empty(expected.shape, np.float32)
    ours.normalise(ours.resize_and_crop(image), out)
    return float(np.abs((out - expected) * np.array(ours.std)[:, None, None]).max() * 255)


@pytest.mark.parametrize("name", MODELS)
def test_models_on_noise_and_smooth_images(name: str, pixels: Callable[..., np.ndarray]) -> None:
    config = resolve_data_config({}, pretrained_cfg=timm.models.get_pretrained_cfg(name).to_dict())
    random = np.random.default_rng(0)
    for height, width in SHAPES:
        noise = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        assert grey_levels_apart(noise, config) < 1e-3, (height, width)
        smooth = Image.fromarray(pixels(1, height, width))
        assert grey_levels_apart(smooth, config) < 1e-3, (height, width)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(3, 64, 64), (3, 48, 80)])
@pytest.mark.parametrize("crop_pct", [1.0, 0.875, 0.9, 1.15])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_every_mode(
    mode: str, size: tuple[int, int, int], crop_pct: float, interpolation: str
) -> None:
    config = {
        "input_size": size,
        "crop_pct": crop_pct,
        "crop_mode": mode,
        "interpolation": interpolation,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }
    random = np.random.default_rng(1)
    for height, width in ((50, 50), (90, 41), (41, 90), (64, 64), (200, 333), (7, 5)):
        noise = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        assert grey_levels_apart(noise, config) < 1e-3, (height, width)


def test_a_very_long_image_is_cut_while_resizing() -> None:
    """Resized as a whole it would have 224 x 11,200,000 pixels."""
    ramp = np.linspace(0, 255, 50_000).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp[:, None, None], (50_000, 1, 3)).copy())
    out = Preprocessing(crop_pct=1.0).resize_and_crop(image)
    assert out.shape == (224, 224, 3)
    assert np.abs(out.astype(int) - 127).max() <= 1


def test_the_window_agrees_with_the_whole_on_a_long_smooth_image() -> None:
    wave = 127 + 120 * np.sin(np.linspace(0, 60, 4000))
    image = Image.fromarray(np.repeat(wave.round().astype(np.uint8), 30).reshape(4000, 10, 3))
    config = resolve_data_config({}, pretrained_cfg={"architecture": "any"})
    assert grey_levels_apart(image, config) <= 1.0 + 1e-3


def test_the_data_config_in_checkpoints_is_the_one_timm_resolves() -> None:
    for name in MODELS:
        registered = timm.models.get_pretrained_cfg(name).to_dict()
        resolved = resolve_data_config({}, pretrained_cfg=registered)
        ours = _details(Path("w"), _registered(name), ordered=False)
        ours = {k: tuple(v) if isinstance(v, list) else v for k, v in ours["data_config"].items()}
        assert ours == resolved


def test_json_round_trip_and_unknown_modes() -> None:
    one = Preprocessing(height=96, crop_mode="squash", mean=(0.1, 0.2, 0.3))
    assert Preprocessing.from_json(one.to_json()) == one
    with pytest.raises(CheckpointError, match="lanczos3"):
        Preprocessing(interpolation="lanczos3")
