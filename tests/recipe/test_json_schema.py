"""The JSON schema for editors says what the core itself says of settings and recipes."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from mm_core.api import ConfigError
from mm_core.plugins import Registry
from mm_core.recipe.json_schema import json_schema
from mm_core.recipe.overrides import read_overrides


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema(Registry())


@pytest.fixture(scope="module")
def valid(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def saved(small_table, fit_table, tmp_path) -> dict[str, Any]:
    """The recipe.json of a table's model."""
    fit_table(small_table).save(tmp_path / "model")
    return json.loads((tmp_path / "model" / "recipe.json").read_text())


def test_recipes_of_real_fits_are_valid(saved, fused, valid):
    valid.validate(saved)
    valid.validate(json.loads(fused.predictor.recipe.to_json()))


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ((), "trainning"),
        (("training",), "epoch"),
        (("task",), "positiv"),
        (("backbones", "tabular"), "widht"),
        (("inputs", "tabular"), "colums"),
        (("inputs", "tabular", "processor"), "scalling"),
        (("data",), "labels"),
        (("fit",), "speed"),
        (("schema",), "rows"),
    ],
)
def test_a_misspelt_key_is_found_wherever_it_stands(saved, valid, place, key):
    inner = saved
    for name in place:
        inner = inner[name]
    inner[key] = 1
    assert not valid.is_valid(saved)


def test_wrong_values_and_unknown_components_are_found(saved, valid):
    for place, key, value in (
        (("training",), "epochs", -1),
        (("backbones", "tabular"), "width", "wide"),
        (("backbones", "tabular"), "id", "tabular:mlpp"),
        (("task",), "id", None),
    ):
        changed = copy.deepcopy(saved)
        inner = changed
        for name in place:
            inner = inner[name]
        inner[key] = value
        assert not valid.is_valid(changed), (place, key)
    del saved["backbones"]["tabular"]["id"]
    assert not valid.is_valid(saved)


GOOD: list[dict[str, Any]] = [
    {},
    {"training.epochs": 3, "fusion": "mean"},
    {"fusion": None},
    {"fusion": {"id": "core:concat_mlp", "hidden": 64}},
    {"training": {"epochs": 3, "max_steps": None}, "task": {"positive": "yes"}},
    {"backbones.tabular": "tabular:ft_transformer", "backbones.tabular.n_heads": 4},
    {"backbones": {"tabular": {"id": "mlp", "width": 32, "learning_rate": 0.01}}},
    {"backbones": {"tabular": {"width": 32}}},
    {"inputs": {"tabular": {"columns": ["x"], "processor": {"scaling": "robust"}}}},
    {"inputs.text.backbone.checkpoint": "random", "inputs.image.processor.image_size": 32},
    {"data.eval_metric": "f1"},
    {"backbones.text.adapter": "lora", "backbones.text.adapter.r": 16},
    {"backbones": {"text": {"adapter": {"id": "peft:partial", "train_last": 2}}}},
    {"inputs.text.backbone.adapter.alpha": 4, "backbones.text.adapter": None},
]
BAD: list[dict[str, Any]] = [
    {"trainig.epochs": 3},
    {"fusion": 3},
    {"backbones": {"tabular": 3}},
    {"backbones": {"Tabular": {"width": 3}}},
    {"inputs": {"tabular": {"column": ["x"]}}},
    {"backbones.tabular.learning_rate": -1},
    {"backbones.text.adapter": 3},
    {"inputs.tabular.columns": []},
]
NEVER_KNOWN: list[dict[str, Any]] = [
    # The core tells these only when it knows which component is meant.
    {"training.epoch": 3},
    {"fusion": {"id": "core:mean", "hidden": 64}},
    {"fusion": "meen"},
    {"backbones.tabular.widht": 32},
    {"backbones": {"tabular": {"id": "tabular:mlp", "n_heads": 4}}},
    {"data.label": ["y"]},
    {"backbones.text.adapter": "lorra"},
    {"backbones.text.adapter": {"id": "ia3", "r": 3}},
    {"backbones.text.adapter.rank": 3},
]


@pytest.mark.parametrize("settings", GOOD, ids=str)
def test_settings_that_the_core_takes_are_valid(valid, settings):
    read_overrides(settings)
    valid.validate(settings)


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_settings_that_the_core_refuses_are_not(valid, settings):
    with pytest.raises(ConfigError):
        read_overrides(settings)
    assert not valid.is_valid(settings)


@pytest.mark.parametrize("settings", NEVER_KNOWN, ids=str)
def test_settings_of_no_component_are_not(valid, settings):
    assert not valid.is_valid(settings)


def test_every_setting_is_described(schema):
    for name, node in schema["$defs"].items():
        kind, _, component = name.partition(".")
        if (
            kind not in ("processor", "backbone", "adapter", "fusion_head", "task", "fitter")
            or not component
        ):
            continue
        for key, setting in node["properties"].items():
            assert key == "id" or setting.get("description"), (name, key)


def test_a_plugin_of_one_file_is_part_of_it_and_a_broken_config_is_told(tmp_path):
    (tmp_path / "odd.py").write_text(
        "from mm_core.api import Config, FusionHeadSpec, PluginInfo, hookimpl\n"
        "from pydantic import Field\n\n\n"
        "class Odd(Config):\n    depth: int = Field(default=1, description='levels')\n\n\n"
        "@hookimpl\ndef mm_plugin_info():\n    return PluginInfo(api=(2, 0), summary='x')\n\n\n"
        "@hookimpl\ndef mm_fusion_heads():\n    return [\n"
        "        FusionHeadSpec(name='odd', summary='x', target='odd:X', config='odd:Odd'),\n"
        "        FusionHeadSpec(name='lost', summary='x', target='odd:X', config='odd:Lost'),\n"
        "    ]\n"
    )
    with pytest.warns(Warning, match="any settings of odd:lost are let through"):
        valid = jsonschema.Draft202012Validator(json_schema(Registry(local=[tmp_path / "odd.py"])))
    assert valid.is_valid({"fusion": {"id": "odd:odd", "depth": 2}})
    assert not valid.is_valid({"fusion": {"id": "odd:odd", "deph": 2}})
    assert valid.is_valid({"fusion": {"id": "odd:lost", "anything": 2}})


def test_a_precision_may_be_a_number(valid):
    for settings in ({"training": {"precision": 32}}, {"training.precision": 32}):
        valid.validate(settings)
        read_overrides(settings)
    with pytest.raises(jsonschema.ValidationError):
        valid.validate({"training": {"precision": 16}})
