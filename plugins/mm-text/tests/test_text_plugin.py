"""The hooks, and what importing them costs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pluggy
import pytest
from mm_text import plugin

from mm_core.api import API_VERSION, CheckpointFormat, Config, Processor, hookspecs
from mm_core.api.nn import Backbone


@pytest.fixture
def hooks() -> Any:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()  # a misspelt hook name is an error
    return manager.hook


def load(target: str) -> Any:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def test_the_entry_point_names_the_hooks() -> None:
    found = entry_points(group="mm_core.plugins")["text"]
    assert found.value == "mm_text.plugin"
    assert found.load() is plugin


def test_hooks_name_what_exists(hooks: Any) -> None:
    (info,) = hooks.mm_plugin_info()
    assert info.api[0] == API_VERSION[0]
    ((modality,),) = hooks.mm_modalities()
    ((processor,),) = hooks.mm_processors()
    ((backbone,),) = hooks.mm_backbones()
    ((format,),) = hooks.mm_checkpoint_formats()
    assert modality.name == "text"
    assert modality.kinds == ("text",)
    assert modality.processor == f"text:{processor.name}" == backbone.processor
    assert modality.backbone == f"text:{backbone.name}"
    assert issubclass(load(processor.target), Processor)
    assert issubclass(load(backbone.target), Backbone)
    assert all(issubclass(load(spec.config), Config) for spec in (processor, backbone))
    assert callable(load(modality.detector))
    assert backbone.formats == (format.name,)
    assert issubclass(load(format.target), CheckpointFormat)
    assert "learning_rate" not in load(backbone.config).model_fields  # the core's own


def test_every_field_is_described(hooks: Any) -> None:
    specs = [*hooks.mm_processors()[0], *hooks.mm_backbones()[0]]
    for spec in specs:
        for name, field in load(spec.config).model_fields.items():
            assert field.description, name


def test_hooks_configs_and_detector_are_light() -> None:
    code = (
        "import sys, mm_text.plugin as p, mm_text.configs, mm_text.detect\n"
        "[getattr(p, name)() for name in dir(p) if name.startswith('mm_')]\n"
        "heavy = ('torch', 'transformers', 'tokenizers', 'pandas', 'numpy', 'huggingface_hub')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
