"""Components inside components: a one-file plugin whose heads hold other heads."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import (
    ArtifactError,
    Config,
    ConfigError,
    FusionHeadSpec,
    RecipeError,
    Slot,
    UnknownComponentError,
    slot,
)
from mm_core.artifact.manifest import FILE
from mm_core.cli.app import app
from mm_core.plugins import Registry
from mm_core.plugins.slots import Filler
from mm_core.recipe.json_schema import json_schema
from mm_core.recipe.overrides import read_overrides
from mm_core.recipe.recipe import Recipe
from mm_core.testing.kit import cases

TOY = Path(__file__).parents[1] / "plugins" / "files" / "toy.py"

WRAP = """
import torch
from mm_core.api import Config, FusionHeadSpec, PluginInfo, PresetSpec, Slot, hookimpl, slot
from mm_core.api.nn import Fused, FusionHead
from pydantic import Field
from torch import nn


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Heads around heads.")


@hookimpl
def mm_fusion_heads():
    return [
        FusionHeadSpec(
            name="drop", summary="x", target="wrap:Drop", config="wrap:DropConfig"
        ),
        FusionHeadSpec(
            name="vote", summary="x", target="wrap:Vote", config="wrap:VoteConfig"
        ),
    ]


@hookimpl
def mm_presets():
    values = {"head": {"id": "core:mean", "dim": 24}, "rate": 0.4}
    tiny = PresetSpec(name="tiny", summary="x", components=("wrap:drop",), values=values)
    heads = PresetSpec(
        name="tiny", summary="x", components=("core:concat_mlp",), values={"hidden": 17}
    )
    return [tiny, heads]


class DropConfig(Config):
    head: Slot[FusionHeadSpec] = slot("core:concat_mlp", description="the head inside")
    rate: float = Field(default=0.2, ge=0, lt=1, description="share of inputs dropped")


class Drop(FusionHead):
    def __init__(self, config, inputs, output_dim):
        super().__init__(config, inputs, output_dim)
        self.inner = config.head.build(inputs, output_dim)
        self.auxiliary_weight = self.inner.auxiliary_weight
        if hasattr(self.inner, "dim"):
            self.dim = self.inner.dim

    def forward(self, features, present):
        if self.training:
            names = list(present)
            there = torch.stack([present[name] for name in names])
            kept = there & (torch.rand(there.shape, device=there.device) >= self.config.rate)
            kept = torch.where(kept.any(dim=0), kept, there)
            present = dict(zip(names, kept))
        return self.inner(features, present)


class VoteConfig(Config):
    heads: tuple[Slot[FusionHeadSpec], ...] = slot(["core:mean"], description="heads in a row")
    named: dict[str, Slot[FusionHeadSpec]] = slot({}, description="more of them, by name")
    last: Slot[FusionHeadSpec] | None = slot(None, description="one more")


class Vote(FusionHead):
    def __init__(self, config, inputs, output_dim):
        super().__init__(config, inputs, output_dim)
        slots = [*config.heads, *config.named.values(), *filter(None, [config.last])]
        self.all = nn.ModuleList([one.build(inputs, output_dim) for one in slots])
        self.dim = sum(head.dim for head in self.all)

    def forward(self, features, present):
        given = [head(features, present).pooled for head in self.all]
        return Fused(pooled=torch.cat(given, dim=1))
"""


@pytest.fixture
def wrap(tmp_path: Path) -> Path:
    (tmp_path / "wrap.py").write_text(WRAP)
    return tmp_path / "wrap.py"


@pytest.fixture
def both(small_table: pd.DataFrame) -> pd.DataFrame:
    """Two inputs, so that there is something to fuse."""
    return small_table.assign(spot=[f"{i},{i + 1}" for i in range(len(small_table))])


@pytest.fixture
def plan(wrap: Path, both: pd.DataFrame) -> Any:
    def planned(presets: str | None = None, **fusion: Any) -> Recipe:
        settings = {key.replace("__", "."): value for key, value in fusion.items()}
        predictor = MultiModalPredictor(
            "kind", presets=presets, hyperparameters=settings, verbosity=0, plugins=[TOY, wrap]
        )
        return predictor.plan(both)

    return planned


def test_a_wrapper_is_fitted_saved_and_loaded_with_the_head_inside(
    wrap: Path, both: pd.DataFrame, tmp_path: Path
) -> None:
    settings = {
        "fusion": "drop",
        "fusion.head": "mean",
        "fusion.head.dim": 20,
        "training.epochs": 2,
    }
    fitted = MultiModalPredictor(
        "kind", hyperparameters=settings, verbosity=0, plugins=[TOY, wrap]
    ).fit(both)
    head = fitted._fitted.model.topology.fusion
    assert type(head).__name__ == "Drop"
    assert (type(head.inner).__name__, head.inner.config.dim, head.dim) == ("Mean", 20, 20)
    saved = fitted.save(tmp_path / "model")
    loaded = MultiModalPredictor.load(saved, verbosity=0, plugins=[TOY, wrap])
    pd.testing.assert_frame_equal(loaded.predict_proba(both), fitted.predict_proba(both))
    followed = MultiModalPredictor(verbosity=0, plugins=[TOY, wrap])
    followed.fit(both, recipe=fitted.recipe)
    assert np.allclose(followed.predict_proba(both), fitted.predict_proba(both))


@pytest.mark.parametrize(
    "settings",
    [
        {"fusion": "drop", "fusion__head": "mean", "fusion__head__dim": 20},
        {"fusion": {"id": "drop", "head": {"id": "mean", "dim": 20}}},
        {"fusion": {"id": "wrap:drop", "head.dim": 20, "head": "core:mean"}},
        {"fusion__id": "drop", "fusion__head__id": "mean", "fusion": {"head": {"dim": 20}}},
        {"fusion__id": "drop", "fusion__head": {"dim": 20}, "fusion__head__id": "mean"},
    ],
    ids=str,
)
def test_settings_inside_are_nested_or_dotted(plan: Any, settings: dict[str, Any]) -> None:
    recipe = plan(**settings)
    assert recipe.fusion.config["head"] == {
        "id": "core:mean",
        "dim": 20,
        "auxiliary_weight": 0.1,
        "dropout": 0.1,
    }
    origins = {key: said for key, said in recipe.origins.items() if key.startswith("fusion.head")}
    assert origins == {
        "fusion.head.id": "user",
        "fusion.head.dim": "user",
        "fusion.head.auxiliary_weight": "default",
        "fusion.head.dropout": "default",
    }
    assert recipe.flat()["fusion.head.dim"] == 20
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_any_depth(plan: Any) -> None:
    recipe = plan(
        fusion="drop",
        fusion__head="drop",
        fusion__head__rate=0.3,
        fusion__head__head="drop",
        fusion__head__head__head__hidden=33,
    )
    inner = recipe.fusion.config["head"]["head"]
    assert (recipe.fusion.config["head"]["rate"], inner["id"]) == (0.3, "wrap:drop")
    assert inner["head"]["id"] == "core:concat_mlp"
    assert inner["head"]["hidden"] == 33
    assert recipe.origin("fusion.head.head.head.hidden") == "user"
    assert recipe.origin("fusion.head.head.head.id") == "default"


def test_presets_reach_components_inside_and_yield_to_the_user(plan: Any) -> None:
    recipe = plan("tiny", fusion="drop", fusion__head__dropout=0.3)
    assert recipe.fusion.config["head"] == {
        "id": "core:mean",
        "dim": 24,
        "auxiliary_weight": 0.1,
        "dropout": 0.3,
    }
    assert recipe.origin("fusion.head.id") == recipe.origin("fusion.head.dim") == "preset tiny"
    assert recipe.origin("fusion.head.dropout") == "user"
    other = plan("tiny", fusion="drop", fusion__head="concat_mlp")
    head = other.fusion.config["head"]  # nothing of the replaced head's settings
    assert (head["id"], head["hidden"], head["dim"]) == ("core:concat_mlp", 17, 256)
    assert other.origin("fusion.head.hidden") == "preset tiny"


def test_lists_dicts_and_none(plan: Any) -> None:
    recipe = plan(
        fusion={
            "id": "vote",
            "heads": ["mean", {"id": "drop", "head": {"id": "mean", "dim": 9}}],
            "named": {"a": "concat_mlp"},
        },
        fusion__named__a__hidden=5,
        fusion__named__b="mean",
    )
    config = recipe.fusion.config
    assert [one["id"] for one in config["heads"]] == ["core:mean", "wrap:drop"]
    assert config["heads"][1]["head"]["dim"] == 9
    assert config["last"] is None
    assert config["named"]["a"]["hidden"] == 5
    assert config["named"]["b"]["id"] == "core:mean"
    assert recipe.origin("fusion.heads.1.head.dim") == "user"
    assert recipe.origin("fusion.named.a.dim") == "default"
    assert recipe.origin("fusion.last") == "default"


def test_lists_and_dicts_are_built(wrap: Path, both: pd.DataFrame, tmp_path: Path) -> None:
    heads = ["mean", {"id": "mean", "dim": 9}]
    settings = {"fusion": "vote", "fusion.heads": heads, "fusion.named.a.id": "mean"}
    fitted = MultiModalPredictor(
        "kind",
        hyperparameters={**settings, "training.epochs": 1},
        verbosity=0,
        plugins=[TOY, wrap],
    ).fit(both)
    assert [head.dim for head in fitted._fitted.model.topology.fusion.all] == [128, 9, 128]
    loaded = MultiModalPredictor.load(fitted.save(tmp_path / "m"), 0, plugins=[TOY, wrap])
    assert loaded.predict(both).equals(fitted.predict(both))


@pytest.mark.parametrize(
    ("settings", "said", "remedy"),
    [
        ({"fusion__head__hiden": 3}, "fusion.head.hiden", "did you mean fusion.head.hidden?"),
        (
            {"fusion__head": "drop", "fusion__head__head__layrs": 3},
            "fusion.head.head.layrs",
            "did you mean fusion.head.head.layers?",
        ),
        ({"fusion__head__hidden": "wide"}, r"fusion\.head\.hidden = 'wide'", "width"),
        ({"fusion__head": None}, "fusion.head = None", "the head inside"),
        ({"fusion__head": 3}, "fusion.head = 3", "the head inside"),
        ({"fusion__head__id": 3}, "fusion.head.id = 3", "name it"),
        ({"fusion__hed": "mean"}, "fusion.hed", "did you mean fusion.head?"),
        (
            {"fusion": "vote", "fusion__heads": ["mean", {"id": "mean", "dm": 1}]},
            "heads.1.dm",
            "dim",
        ),
        ({"fusion": "vote", "fusion__heads": "mean"}, "fusion.heads = 'mean'", "heads in a row"),
        ({"fusion": "vote", "fusion__heads": [None]}, "fusion.heads", "heads in a row"),
        ({"fusion": "vote", "fusion__named": ["mean"]}, "fusion.named", "by name"),
        ({"fusion": "vote", "fusion__last__dim": 3}, "fusion.last.dim is set", "core:mean"),
        ({"fusion__head": {"id": "drop", "head.dim": 1, "head": {"dim": 2}}}, "set twice", "keep"),
    ],
    ids=str,
)
def test_what_is_wrong_inside_is_told_with_its_place(
    plan: Any, settings: dict[str, Any], said: str, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        plan(**{"fusion": "drop", **settings})
    assert remedy in (caught.value.remedy or "")


def test_a_component_that_is_not_there_is_named_with_its_place(plan: Any) -> None:
    with pytest.raises(
        UnknownComponentError, match=r"fusion\.head: no fusion head.*'maen'"
    ) as caught:
        plan(fusion="drop", fusion__head="maen")
    assert "core:mean" in (caught.value.remedy or "")


def test_a_model_names_the_plugins_of_components_inside(
    both: pd.DataFrame, wrap: Path, tmp_path: Path
) -> None:
    (tmp_path / "inner.py").write_text(WRAP.replace("wrap:", "inner:"))
    plugins = [TOY, wrap, tmp_path / "inner.py"]
    settings = {"fusion": "wrap:drop", "fusion.head": "inner:drop", "training.epochs": 1}
    fitted = MultiModalPredictor(
        "kind", hyperparameters=settings, verbosity=0, plugins=plugins
    ).fit(both)
    folder = fitted.save(tmp_path / "model")
    recorded = [one["name"] for one in json.loads((folder / FILE).read_text())["plugins"]]
    assert "inner" in recorded
    with pytest.raises(ArtifactError, match="inner:drop") as caught:
        MultiModalPredictor.load(folder, verbosity=0, plugins=[TOY, wrap])
    assert caught.value.value == ["inner:drop"]
    assert "inner.py" in (caught.value.remedy or "")


def test_features_that_a_head_inside_needs_are_asked_for_by_the_plan(
    both: pd.DataFrame, tmp_path: Path
) -> None:
    text = WRAP.replace("wrap:", "deep:").replace('name="vote",', 'name="vote", needs=("tokens",),')
    (tmp_path / "deep.py").write_text(text)
    settings = {"fusion": "deep:drop", "fusion.head": "deep:vote"}
    predictor = MultiModalPredictor(
        "kind", hyperparameters=settings, verbosity=0, plugins=[TOY, tmp_path / "deep.py"]
    )
    with pytest.raises(RecipeError, match="deep:vote needs tokens"):
        predictor.plan(both)


def test_the_kit_tries_a_wrapper_around_each_of_the_cores_heads(wrap: Path) -> None:
    rule = "fusion_head-drop-gives_a_vector_or_logits"
    assert next(case for case in cases("wrap", [wrap]) if case.id == rule).outcome().good
    wrap.write_text(
        WRAP.replace('if hasattr(self.inner, "dim"):', "if True:")
    )  # core:logit has none
    outcome = next(case for case in cases("wrap", [wrap]) if case.id == rule).outcome()
    assert not outcome.good
    assert "dim" in outcome.message


def test_a_config_with_slots_is_copied_and_goes_to_other_processes(wrap: Path) -> None:
    component = Registry(local=[wrap]).get(FusionHeadSpec, "wrap:drop")
    config = component.read({"head": "mean", "rate": 0.5}, where="fusion")
    copied = copy.deepcopy(config)
    assert copied == config
    assert copied.head.build({"a": {"pooled": 3}}, 2).dim == 128
    assert pickle.loads(pickle.dumps(config.head)) == config.head  # noqa: S301


def test_the_catalogue_says_what_a_slot_holds(wrap: Path) -> None:
    result = CliRunner().invoke(app, ["plugins", "show", "wrap", "--plugin", str(wrap)])
    assert "(Slot[FusionHeadSpec])" in result.output


# ---- the schema --------------------------------------------------------------------------------

GOOD: list[dict[str, Any]] = [
    {"fusion": {"id": "wrap:drop", "head": "mean"}},
    {"fusion": {"id": "drop", "head": {"id": "drop", "head": {"id": "core:mean", "dim": 3}}}},
    {"fusion": {"id": "drop", "head": {"dim": 3}}},
    {"fusion.head": "mean", "fusion.head.dim": 3},
    {"fusion.head.head.head.dim": 3, "fusion.last": None},
    {"fusion.heads": ["mean", {"id": "drop", "rate": 0.1}], "fusion.named.a.dim": 3},
    {"fusion.named": {"a": {"id": "mean"}}},
]
BAD: list[dict[str, Any]] = [
    {"fusion": {"id": "wrap:drop", "head": "maen"}},
    {"fusion": {"id": "drop", "head": {"id": "drop", "head": {"id": "mean", "hidden": 3}}}},
    {"fusion": {"id": "drop", "head": 3}},
    {"fusion.head.dm": 3},
    {"fusion.head.head.head.dim": "wide"},
    {"fusion.heads": "mean"},
    {"fusion.rate.dim": 3},
]


@pytest.fixture
def schema(wrap: Path) -> jsonschema.Draft202012Validator:
    found = json_schema(Registry(local=[TOY, wrap]))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_the_schema_knows_what_stands_inside(
    schema: jsonschema.Draft202012Validator, plan: Any
) -> None:
    for settings in GOOD:
        read_overrides(settings)
        schema.validate(settings)
    for settings in BAD:
        assert not schema.is_valid(settings), settings
    recipe = json.loads(plan(fusion="drop", fusion__head="drop").to_json())
    schema.validate(recipe)
    recipe["fusion"]["head"]["head"]["hiden"] = 3
    assert not schema.is_valid(recipe)


# ---- as a plugin's author meets them -----------------------------------------------------------


def test_a_slot_where_none_can_be_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match=r"Nested\.deep: a slot stands in the config itself"):

        class Nested(Config):
            deep: list[list[Slot[FusionHeadSpec]]]

    with pytest.raises(TypeError, match="say what a slot holds"):

        class Bare(Config):
            head: Slot  # type: ignore[type-arg]

    with pytest.raises(TypeError, match=r"Plain\.head: write = slot\("):

        class Plain(Config):
            head: Slot[FusionHeadSpec] = "core:mean"  # type: ignore[assignment]


def test_a_config_built_by_hand_says_why_nothing_can_be_built() -> None:
    class Holder(Config):
        head: Slot[FusionHeadSpec] = slot("core:mean", description="x")

    assert Holder().model_dump(mode="json") == {"head": {"id": "core:mean"}}
    with pytest.raises(ConfigError, match="not looked up"):
        Holder().head.build({}, 2)


def test_what_a_recipe_left_out_of_a_default_stays_out(wrap: Path) -> None:
    """A recipe is complete: what it does not name is not there, whatever the default is."""
    text = WRAP.replace("slot({}, description=", 'slot({"first": "core:mean"}, description=')
    wrap.write_text(text)
    registry = Registry(local=[wrap])
    vote = registry.get(FusionHeadSpec, "wrap:vote")
    given = {"named": {"first": None, "second": "core:mean"}}
    planned = Filler(registry).config(vote.config_class(), [("user", given)], "fusion")
    assert list(planned.named) == ["second"]
    assert list(vote.read(planned.model_dump(mode="json"), where="fusion").named) == ["second"]
    assert list(Filler(registry).config(vote.config_class(), [], "fusion").named) == ["first"]
