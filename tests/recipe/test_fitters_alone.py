"""A fitter that says it is for some columns alone is taken for them, unless something speaks
against it, which the plan tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError
from mm_core.api.specs import FitterSpec
from mm_core.plugins import Registry
from mm_core.recipe.json_schema import json_schema
from mm_core.testing.kit import KIT

FILES = Path(__file__).parent / "files"
MEANS = (FILES.parents[1] / "testing" / "files" / "means.py").read_text()
SIDES = FILES / "sides.py"
ALONE = 'modalities=("tabular",), alone=True, training=("seed", "loss"),\n            '
ALONE += 'losses=("core:cross_entropy",),'


@pytest.fixture(autouse=True)
def _only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other plugin has a fitter for tables alone."""
    monkeypatch.setenv("MM_DISABLE_PLUGINS", "trees,ensemble")


@pytest.fixture
def means(tmp_path: Path) -> Path:
    """The plugin of one file whose fitter is for tables alone."""
    file = tmp_path / "means.py"
    file.write_text(MEANS.replace('modalities=("tabular",),', ALONE))
    return file


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60)).round(3)
    return pd.DataFrame({"x": x, "y": y, "kind": np.where(x > 0, "a", "b")})


def predictor(plugins: list[Path], settings: Any = None, **more: Any) -> MultiModalPredictor:
    return MultiModalPredictor(
        "kind", hyperparameters=settings, plugins=plugins, verbosity=0, **more
    )


PRESET = """

@hookimpl
def mm_presets():
    values = {"fit.id": "means:means"}
    return [
        PresetSpec(name="plain", summary="x", components=("core:binary",), values=values),
        PresetSpec(name="wrong", summary="x", components=("core:hybrid",), values=values),
    ]
"""


@pytest.fixture
def choosing(tmp_path: Path) -> Path:
    """The plugin of one file whose preset chooses its fitter, which nobody takes unasked."""
    file = tmp_path / "means.py"
    reads = 'modalities=("tabular",), training=("seed", "loss"),'
    text = MEANS.replace('modalities=("tabular",),', reads)
    file.write_text(text.replace("    PluginInfo,", "    PluginInfo,\n    PresetSpec,") + PRESET)
    return file


def test_a_preset_may_choose_the_fitter(choosing, rows):
    found = predictor([choosing], presets="plain").plan(rows)
    assert (found.fit.id, found.origin("fit.id")) == ("means:means", "preset plain")
    assert predictor([choosing]).plan(rows).fit.id == "core:finetune"
    named = predictor([choosing], {"fit": "core:finetune"}, presets="plain").plan(rows)
    assert (named.fit.id, named.origin("fit.id")) == ("core:finetune", "user")


@pytest.mark.parametrize("unread", ["training.epochs", "backbones.tabular.width"])
def test_the_fitter_of_a_preset_steps_back_where_something_is_set_that_it_does_not_read(
    choosing, rows, unread
):
    found = predictor([choosing], {unread: 3}, presets="plain").plan(rows)
    assert found.fit.id == "core:finetune"
    assert "means:means reads no" in found.origin("fit.id")


TASK = """

@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="own",
            summary="x",
            target="mm_core.builtin.tasks.binary:Binary",
            config="mm_core.builtin.configs:BinaryConfig",
            topology="means:Own",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
            default_metric="accuracy",
        )
    ]
"""


def test_also_that_of_a_task_with_a_topology_of_its_own(choosing, rows):
    """Which no fitter is taken for unasked."""
    text = choosing.read_text().replace('("core:binary",)', '("core:binary", "means:own")')
    choosing.write_text(text.replace("    PluginInfo,", "    PluginInfo,\n    TaskSpec,", 1) + TASK)
    found = predictor([choosing], presets="plain", problem_type="means:own").plan(rows)
    assert (found.fit.id, found.origin("fit.id")) == ("means:means", "preset plain")
    assert predictor([choosing], problem_type="means:own").plan(rows).fit.id == "core:finetune"


def test_only_the_preset_of_a_task_may(choosing, rows):
    two = rows.assign(z=[f"left {x} {y}" for x, y in zip(rows.x, rows.y, strict=True)])
    with pytest.raises(ConfigError, match="only a task's may"):
        predictor([choosing, KIT], presets="wrong").plan(two)


@pytest.mark.parametrize("preset", [None, "medium_quality", "best_quality"])
def test_it_is_taken_for_its_columns_alone(means, rows, preset):
    trained = predictor([means], presets=preset).fit(rows)
    recipe = trained.recipe
    assert (recipe.fit.id, recipe.backbones, recipe.fusion) == ("means:means", {}, None)
    assert recipe.origin("fit.id") == "no column is other than tabular"
    assert recipe.origin("training.epochs") == "default"  # presets' would not be used
    assert trained.evaluate(rows, "accuracy")["accuracy"] > 0.8


def test_its_recipe_fits_the_schema_and_a_network_without_backbones_does_not(means, rows):
    valid = jsonschema.Draft202012Validator(json_schema(Registry(local=[means])))
    recipe = json.loads(predictor([means]).plan(rows).to_json())
    valid.validate(recipe)
    assert not valid.is_valid({**recipe, "fit": {"id": "core:finetune"}})


OWN = """
from mm_core.api import PluginInfo, TaskSpec, hookimpl
from mm_core.topologies.late_fusion import LateFusion


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Another network.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="sharp",
            summary="Two classes.",
            target="mm_core.builtin.tasks.binary:Binary",
            config="mm_core.builtin.configs:BinaryConfig",
            topology="own:Own",
            default_metric="core:roc_auc",
            metrics=("core:roc_auc",),
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
    ]


class Own(LateFusion):
    pass
"""


def test_a_task_with_a_topology_of_its_own_keeps_it(means, rows, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    recipe = predictor([means, own], problem_type="own:sharp").plan(rows)
    assert (recipe.fit.id, recipe.origin("fit.id")) == ("core:finetune", "default")


def test_with_another_column_it_is_a_network(means, rows):
    mixed = rows.assign(place=[f"{a},{b}" for a, b in zip(rows.x, rows.y, strict=True)])
    recipe = predictor([means, SIDES], problem_type="binary").plan(mixed)
    assert recipe.fit.id == "core:finetune"
    assert len(recipe.backbones) == 2


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"training.epochs": 2}, "default; means:means reads no training.epochs"),
        ({"backbones.tabular.width": 8}, "default; means:means reads no backbones"),
        ({"fusion": "mean"}, "default; means:means reads no fusion"),
        ({"training.loss": "focal"}, "default"),
    ],
)
def test_what_a_user_sets_of_a_network_asks_for_one(means, rows, settings, reason):
    recipe = predictor([means], settings).plan(rows)
    assert (recipe.fit.id, recipe.origin("fit.id")) == ("core:finetune", reason)


def test_what_it_reads_may_be_set(means, rows):
    recipe = predictor([means], {"training.loss": "cross_entropy"}, eval_metric="f1").plan(
        rows, seed=3
    )
    assert (recipe.fit.id, recipe.training.seed) == ("means:means", 3)


def test_the_user_chooses_either(means, rows):
    for name in ("core:finetune", "means:means"):
        recipe = predictor([means], {"fit": name}).plan(rows)
        assert (recipe.fit.id, recipe.origin("fit.id")) == (name, "user")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"training.epochs": 2}, "training.epochs is set"),
        ({"training.loss": "focal"}, "training.loss is core:focal"),
    ],
)
def test_named_with_what_it_does_not_read_it_is_refused(means, rows, settings, said):
    with pytest.raises(ConfigError, match=said) as caught:
        predictor([means], {"fit": "means:means", **settings}).plan(rows)
    assert "fit=core:finetune" in caught.value.remedy


def test_of_two_one_is_to_be_named(means, rows, tmp_path):
    other = tmp_path / "others.py"
    other.write_text(means.read_text().replace("means:", "others:"))
    with pytest.raises(ConfigError, match="means:means, others:means") as caught:
        predictor([means, other]).plan(rows)
    assert caught.value.remedy == "name one: fit=means:means"
    recipe = predictor([means, other], {"fit": "others:means"}).plan(rows)
    assert recipe.fit.id == "others:means"


def test_callbacks_of_the_loop_are_refused(means, rows):
    for name in ("callbacks", "loggers"):
        with pytest.raises(ConfigError, match=f"{name} are those of a network") as caught:
            predictor([means]).fit(rows, **{name: [object()]})
        assert "core:finetune" in caught.value.remedy


def test_a_spec_says_what_it_reads():
    with pytest.raises(ValueError, match="alone"):
        FitterSpec(name="x", summary="x", target="a:B", alone=True, modalities=("tabular",))


def test_inside_a_model_it_is_given_what_it_reads_of_the_users_settings(means, rows):
    """A member that is a network takes the epochs, beside it one that has none."""
    inner = FILES.parents[1] / "training" / "files" / "inner.py"
    settings = {"fit": "inner:inner", "training.epochs": 2, "training.seed": 5}
    for member, epochs in (("means:means", None), ("core:finetune", 2)):
        asked = settings | {"fit.settings": {"fit": member}}
        fitted = predictor([means, inner], asked).fit(rows)
        recipe = fitted._model.engine.inner.model.recipe
        assert recipe.fit.id == member
        assert recipe.training.seed == 5
        assert epochs in (None, recipe.training.epochs)
    asked = settings | {"fit.settings": {"fit": "means:means", "training.epochs": 2}}
    with pytest.raises(ConfigError, match=r"training\.epochs"):
        predictor([means, inner], asked).fit(rows)
