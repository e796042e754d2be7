"""Settings of a task's topology: section ``topology`` of the recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError
from mm_core.plugins import Registry
from mm_core.recipe.json_schema import json_schema
from mm_core.recipe.recipe import Recipe

PLUGIN = """
from mm_core.api import Config, FusionHeadSpec, PluginInfo, Slot, TaskSpec, hookimpl, slot
from mm_core.builtin.tasks.binary import Binary
from mm_core.topologies.late_fusion import LateFusion
from pydantic import Field


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Two classes, with a network that has settings.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="sharp",
            summary="Two classes.",
            target="sharp:Sharp",
            config="mm_core.builtin.configs:BinaryConfig",
            topology="sharp:Scaled",
            topology_config="sharp:ScaledConfig",
            metrics=("core:accuracy",),
            default_metric="core:accuracy",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
    ]


class ScaledConfig(Config):
    scale: float = Field(default=1.0, gt=0, description="of all outputs")
    head: Slot[FusionHeadSpec] | None = slot(None, description="another head")


class Sharp(Binary):
    pass


class Scaled(LateFusion):
    def forward_latents(self, latents, present):
        outputs = super().forward_latents(latents, present)
        return {**outputs, "logits": outputs["logits"] * self.config.scale}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "sharp.py").write_text(PLUGIN)
    return tmp_path / "sharp.py"


@pytest.fixture
def make(file: Path) -> Any:
    def predictor(**settings: Any) -> MultiModalPredictor:
        given = {key.replace("__", "."): value for key, value in settings.items()}
        return MultiModalPredictor(
            "kind", "sharp", hyperparameters=given, verbosity=0, plugins=[file]
        )

    return predictor


def test_the_topology_is_built_with_its_settings(
    make: Any, small_table: pd.DataFrame, file: Path, tmp_path: Path
) -> None:
    fitted = make(topology__scale=4, training__epochs=1).fit(small_table)
    assert fitted._fitted.model.topology.config.scale == 4
    assert fitted.recipe.origin("topology.scale") == "user"
    assert fitted.recipe.origin("topology.head") == "default"
    loaded = MultiModalPredictor.load(fitted.save(tmp_path / "m"), verbosity=0, plugins=[file])
    assert loaded._fitted.model.topology.config.scale == 4
    assert loaded.predict_proba(small_table).equals(fitted.predict_proba(small_table))


@pytest.mark.parametrize(
    ("settings", "said", "remedy"),
    [
        ({"topology__scal": 2}, "topology.scal", "topology.scale"),
        ({"topology__scale": 0}, "topology.scale = 0", "of all outputs"),
        ({"topology__head": "mean", "topology__head__dm": 2}, "topology.head.dm", "dim"),
        ({"topology": 3}, "topology", "put together"),
    ],
    ids=str,
)
def test_wrong_settings_are_told(
    make: Any, small_table: pd.DataFrame, settings: dict[str, Any], said: str, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make(**settings).plan(small_table)
    assert remedy in (caught.value.remedy or "")


def test_settings_of_a_network_that_has_none_are_told(small_table: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"topology\.scale"):
        MultiModalPredictor("kind", hyperparameters={"topology.scale": 3}).plan(small_table)


def test_a_recipe_without_the_section_has_the_defaults(
    make: Any, small_table: pd.DataFrame
) -> None:
    values = json.loads(make(training__epochs=1).plan(small_table).to_json())
    assert values.pop("topology") == {"scale": 1.0, "head": None}
    recipe = Recipe.from_json(json.dumps(values))
    fitted = make()
    fitted.problem_type, fitted.hyperparameters = None, {}
    fitted.fit(small_table, recipe=recipe)
    assert fitted._fitted.model.topology.config.scale == 1.0


def test_the_schema_knows_them(make: Any, small_table: pd.DataFrame, file: Path) -> None:
    valid = jsonschema.Draft202012Validator(json_schema(Registry(local=[file])))
    for settings in (
        {"topology": {"scale": 2, "head": {"id": "mean", "dim": 2}}},
        {"topology.scale": 2, "topology.head": "mean", "topology.head.dim": 3},
        json.loads(make().plan(small_table).to_json()),
    ):
        valid.validate(settings)
    for settings in (
        {"topology.scale": -1},
        {"topology": {"scal": 2}},
        {"topology.head.dm": 3},
    ):
        assert not valid.is_valid(settings), settings
