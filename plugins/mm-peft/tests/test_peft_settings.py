"""Adapters in recipes, and settings of theirs that are wrong."""

from __future__ import annotations

import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, UnknownComponentError
from mm_core.recipe.recipe import Recipe


def _plan(rows, **settings) -> Recipe:
    predictor = MultiModalPredictor("y", hyperparameters={**rows.settings, **settings})
    return predictor.plan(rows.frame)


@pytest.mark.parametrize(
    "settings",
    [
        {"backbones.text.adapter": "lora", "backbones.text.adapter.r": 16},
        {"backbones.text.adapter": {"id": "peft:lora", "r": 16}},
        {"backbones": {"text": {"adapter": {"id": "lora"}}}, "backbones.text.adapter.r": 16},
        {"inputs.text.backbone.adapter": "lora", "inputs.text.backbone.adapter.r": 16},
        {"inputs": {"text": {"backbone": {"adapter": {"id": "lora", "r": 16}}}}},
    ],
)
def test_an_adapter_is_a_part_with_origins(texts, settings):
    recipe = _plan(texts, **settings)
    part = recipe.backbones["text"].adapter
    assert part.id == "peft:lora"
    assert part.config == {"r": 16, "alpha": 16, "dropout": 0.0, "targets": None}
    assert recipe.origin("backbones.text.adapter.r") == "user"
    assert recipe.origin("backbones.text.adapter.id") == "user"
    assert recipe.origin("backbones.text.adapter.alpha") == "default"
    assert recipe.flat()["backbones.text.adapter.r"] == 16
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_null_takes_it_away_again(texts):
    predictor = MultiModalPredictor(
        "y", hyperparameters={**texts.settings, "backbones.text.adapter": "frozen"}
    )
    assert predictor.plan(texts.frame).backbones["text"].adapter.id == "peft:frozen"
    without = predictor.plan(texts.frame, hyperparameters={"backbones.text.adapter": None})
    assert without.backbones["text"].adapter is None
    assert without.origin("backbones.text.adapter") == "user"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backbones.text.adapter": {"id": "lora", "rank": 3}}, "backbones.text.adapter.rank"),
        ({"backbones.text.adapter.r": 3}, "no adapter is chosen"),
        ({"backbones.text.adapter": {"id": "lora", "r": 0}}, "backbones.text.adapter.r"),
        ({"backbones.text.adapter": {"id": "lora", "targets": "("}}, "no regular expression"),
        (
            {"backbones.text.adapter": {"id": "partial", "train_last": 1, "freeze_share": 0.5}},
            "not both",
        ),
    ],
)
def test_wrong_settings_are_refused(texts, settings, said):
    with pytest.raises(ConfigError, match=said):
        _plan(texts, **settings)


def test_a_misspelt_adapter_is_told_the_nearest(texts):
    with pytest.raises(UnknownComponentError) as caught:
        _plan(texts, **{"backbones.text.adapter": "lorra"})
    assert "lora" in str(caught.value.remedy)


def test_targets_choose_layers(texts, fit, backbone_of):
    predictor = fit(texts, {"id": "lora", "targets": ".*attention.*(query|value)"})
    backbone = backbone_of(predictor)
    own = backbone.adapter.own_weights(backbone)
    assert len(own) == 6 * 2 * 2
    assert all(".query." in name or ".value." in name for name in own)


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ({"id": "lora", "targets": "querry"}, "matches targets='querry'"),
        ({"id": "partial", "train_last": 99}, "none would be frozen"),
    ],
)
def test_what_the_backbone_has_not_is_an_error(texts, adapter, said, fit):
    with pytest.raises(ConfigError, match=said) as caught:
        fit(texts, adapter)
    assert caught.value.remedy


@pytest.mark.parametrize(("last", "share"), [(1, None), (3, None), (None, 0.25), (None, 0.99)])
def test_partial_counts_stages(texts, last, share, fit, backbone_of):
    backbone = backbone_of(fit(texts, {"id": "partial", "train_last": last, "freeze_share": share}))
    trained = [
        all(p.requires_grad for p in stage.parameters())
        for stage in backbone.stages()
        if any(True for _ in stage.parameters())
    ]
    n = last if last is not None else max(1, len(trained) - round(share * len(trained)))
    assert trained == [False] * (len(trained) - n) + [True] * n


def test_the_plan_tells_of_random_weights_that_are_frozen(numbers, texts):
    (note,) = _plan(numbers, **{"backbones.tabular.adapter": "frozen"}).notes
    assert "backbones.tabular has no pretrained weights" in note.text
    assert note.settings == {"backbones.tabular.adapter": None}
    said = _plan(texts, **{"backbones.text.adapter": "lora"}).notes
    assert [one for one in said if one.by.startswith("peft:")] == []
