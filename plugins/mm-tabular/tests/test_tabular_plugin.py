"""What the plugin says of itself, and that saying it costs nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from mm_tabular import plugin

from mm_core import MultiModalPredictor
from mm_core.api import Config


def test_every_target_exists_and_every_field_is_described() -> None:
    specs = [*plugin.mm_processors(), *plugin.mm_backbones()]
    for spec in specs:
        for target in (spec.target, spec.config):
            module, name = target.split(":")
            assert hasattr(importlib.import_module(module), name)
        module, name = spec.config.split(":")
        config = getattr(importlib.import_module(module), name)
        assert issubclass(config, Config)
        config()
        assert all(field.description for field in config.model_fields.values())


def test_the_modality_names_components_of_this_plugin() -> None:
    (modality,) = plugin.mm_modalities()
    assert modality.processor in {f"tabular:{spec.name}" for spec in plugin.mm_processors()}
    assert modality.backbone in {f"tabular:{spec.name}" for spec in plugin.mm_backbones()}


@pytest.mark.parametrize("preset", ["medium_quality", "high_quality", "best_quality"])
def test_presets_fit_the_configs(preset: str) -> None:
    configs = {f"tabular:{spec.name}": spec.config for spec in plugin.mm_backbones()}
    found = {spec.components[0]: spec for spec in plugin.mm_presets() if spec.name == preset}
    assert set(found) == set(configs)
    for component, spec in found.items():
        module, name = configs[component].split(":")
        getattr(importlib.import_module(module), name).read(spec.values, where=component)


def test_training_values_alone_are_known_keys() -> None:
    known = {
        *("epochs", "max_steps", "batch_size", "accumulate", "learning_rate", "patience"),
        *("head_learning_rate", "layer_decay", "weight_decay", "schedule", "warmup"),
        *("clip_norm", "val_every", "average", "ema_decay"),
    }
    for spec in plugin.mm_backbones():
        assert spec.alone
        assert set(spec.alone) <= known


def test_a_table_alone_keeps_a_moving_average_of_its_weights() -> None:
    data = {"x": [0.5 * i for i in range(40)], "y": ["a", "b"] * 20}
    network = {"fit": "core:finetune"}  # boosted trees may be installed
    recipe = MultiModalPredictor("y", hyperparameters=network, verbosity=0).plan(data)
    assert (recipe.training.average, recipe.training.schedule) == ("ema", "constant")
    assert "tabular:mlp" in recipe.origin("training.average")


def imported(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_plugin_and_its_detector_are_light() -> None:
    loaded = imported(
        "from mm_tabular import plugin, detect, configs\n"
        "plugin.mm_modalities(), plugin.mm_processors(), plugin.mm_backbones(), plugin.mm_presets()"
    )
    assert not loaded & {"torch", "pandas", "sklearn", "numpy"}


def test_evaluation_needs_no_torch() -> None:
    loaded = imported(
        "from pathlib import Path\n"
        "import numpy as np, pandas as pd\n"
        "from mm_core.api import Field, Table\n"
        "from mm_tabular.configs import TableConfig\n"
        "from mm_tabular.table import TableProcessor\n"
        "frame = pd.DataFrame({'a': [1.0, 2.0], 'b': ['x', None], 'c': ['2020-01-01'] * 2})\n"
        "fields = [Field('a', 'numerical'), Field('b', 'categorical'), Field('c', 'datetime')]\n"
        "processor = TableProcessor(TableConfig(), fields)\n"
        "processor.fit(Table(frame, Path()))\n"
        "processor = TableProcessor.from_state(TableConfig(), fields, processor.state())\n"
        "processor.batch(processor.encode(Table(frame, Path())), np.arange(2))"
    )
    assert "pandas" in loaded
    assert not loaded & {"torch", "sklearn", "scipy"}
