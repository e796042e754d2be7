"""Settings and recipes that do not fit together are refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, DataError, MetricError, RecipeError, UnknownComponentError
from mm_core.recipe.recipe import Recipe

NETWORK = {"fit": "core:finetune"}
"""A plugin may have another fitter for tables alone."""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backbones.tabular.learning_rate": -1}, "greater than 0"),
        ({"backbones.tabular.learning_rate": "x"}, "number"),
        ({"backbones.x.inputs": 3}, "tuple"),
        ({"backbones.x.inputs": []}, "at least 1"),
        ({"backbones.x.id": 3}, "string"),
        ({"backbones.tabular.inputs": "tabular"}, "tuple"),
        ({"inputs.tabular.columns": ["height", "height"]}, "twice"),
        ({"inputs.tabular.columns": "height"}, "tuple"),
        ({"inputs.tabular.columns": []}, "at least 1"),
        (
            {"inputs.t2.columns": ["height"], "backbones.tabular.inputs": ["t2"]},
            "no backbone",
        ),
        ({"inputs.t2.columns": ["nowhere"]}, "not a usable column"),
        ({"inputs.../evil.columns": ["height"]}, "inputs"),
        (
            {"inputs.keys.columns": ["height", "weight", "place"], "fit": "core:finetune"},
            "name of torch",
        ),
        ({"inputs.tabular.scaling": "robust"}, "unknown key"),
        ({"training.epochs": True}, "a number is wanted"),
        ({"data.label": "height"}, "label"),
        ({"training.seed": 3, "training": {"seed": 4}}, "set twice"),
    ],
)
def test_settings_that_cannot_be(small_table, settings, said):
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0)
    with pytest.raises(ConfigError, match=said) as caught:
        predictor.fit(small_table)
    assert caught.value.remedy


def test_a_setting_of_what_has_none_is_said_to_be_one(small_table):
    with pytest.raises(ConfigError, match="unknown key") as caught:
        MultiModalPredictor("kind", hyperparameters=NETWORK | {"fit.rounds": 3}).fit(small_table)
    assert caught.value.remedy == "leave it out, or choose another fit: this one has no settings"


@pytest.mark.parametrize(
    "change",
    [
        lambda recipe: recipe["inputs"]["tabular"].update(columns=["nowhere"]),
        lambda recipe: recipe["inputs"]["tabular"].update(columns=["height", "height"]),
        lambda recipe: recipe["backbones"]["tabular"].update(inputs=["other"]),
        lambda recipe: recipe.update(backbones={}),
        lambda recipe: recipe.update(inputs={}),
        lambda recipe: recipe["backbones"]["tabular"].update(share_with="other"),
        lambda recipe: recipe["schema"]["columns"][0].update(kind="bogus"),
        lambda recipe: recipe["schema"]["columns"][0].update(modality=None),
        lambda recipe: recipe["inputs"].update({"../../evil": recipe["inputs"].pop("tabular")}),
        lambda recipe: recipe.update(format=2),
    ],
)
def test_recipes_that_cannot_be(small_table, tmp_path, change):
    planned = MultiModalPredictor("kind", hyperparameters=NETWORK).plan(small_table)
    recipe = json.loads(planned.to_json())
    change(recipe)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe))
    with pytest.raises(RecipeError) as caught:
        MultiModalPredictor(verbosity=0, path=tmp_path / "a" / "b").fit(small_table, recipe=path)
    assert caught.value.remedy
    assert not list(tmp_path.glob("**/*evil*"))


def test_keys_of_values_are_not_split(small_table):
    settings = {"inputs": {"tabular": {"processor": {"date_formats": {"my.date": "%d/%m/%Y"}}}}}
    recipe = MultiModalPredictor("kind", hyperparameters=settings).plan(small_table)
    assert recipe.inputs["tabular"].processor.config["date_formats"] == {"my.date": "%d/%m/%Y"}


def test_origins_of_metrics(small_table):
    for settings, evaluated, validated in [
        ({}, "task core:binary", "data.eval_metric"),
        ({"data.eval_metric": "accuracy"}, "user", "data.eval_metric"),
        ({"data.validation_metric": "accuracy"}, "task core:binary", "user"),
    ]:
        recipe = MultiModalPredictor("kind", hyperparameters=settings).plan(small_table)
        assert recipe.origin("data.eval_metric") == evaluated
        assert recipe.origin("data.validation_metric") == validated


def test_presets_in_conflict_unless_the_user_decides(small_table):
    predictor = MultiModalPredictor("kind", presets=["medium_quality", "best_quality"])
    with pytest.raises(ConfigError, match="two presets set") as caught:
        predictor.plan(small_table)
    key = caught.value.value
    assert isinstance(key, str)
    recipe = MultiModalPredictor("kind", presets=["high_quality"]).plan(small_table)
    assert isinstance(recipe, Recipe)


def test_tuning_data_and_holdout_exclude_each_other(small_table):
    with pytest.raises(ConfigError, match="tuning_data"):
        MultiModalPredictor("kind", verbosity=0).fit(small_table, small_table, holdout_frac=0.2)


def test_recipe_on_data_that_lack_a_column(small_table):
    recipe = MultiModalPredictor("kind").plan(small_table)
    with pytest.raises(DataError, match="weight"):
        MultiModalPredictor(verbosity=0).fit(small_table.drop(columns="weight"), recipe=recipe)


def wrong_share_error(truth, answer):
    return float(np.mean(truth != answer))


def test_a_custom_metric_does_not_take_a_column_of_the_history():
    def loss(truth, answer):
        return 0.0

    with pytest.raises(ConfigError, match="'loss'") as caught:
        MultiModalPredictor("kind", eval_metric=loss)
    assert caught.value.remedy == "rename the function"


def test_custom_metrics_direction_names_and_recipes(small_table):
    settings = {"training.epochs": 6}
    predictor = MultiModalPredictor(
        "kind", eval_metric=wrong_share_error, hyperparameters=settings, verbosity=0
    ).fit(small_table)
    scores = predictor.history["wrong_share_error"]
    assert predictor._fitted.result.best_score == scores.min()
    again = MultiModalPredictor(eval_metric=wrong_share_error, verbosity=0)
    again.fit(small_table, recipe=predictor.recipe)
    assert again.predict(small_table).equals(predictor.predict(small_table))
    with pytest.raises(MetricError, match="not at hand"):
        MultiModalPredictor(verbosity=0).fit(small_table, recipe=predictor.recipe)

    def accuracy(truth, answer):
        return -7.0

    with pytest.raises(ConfigError, match="two metrics"):
        predictor.evaluate(small_table, metrics=["accuracy", accuracy])
    with pytest.raises(ConfigError, match="two metrics"):
        predictor.evaluate(small_table, metrics=[lambda t, a: 1.0, lambda t, a: 2.0])
    with pytest.raises(MetricError, match="nan"):
        predictor.evaluate(small_table, metrics=[lambda t, a: float("nan")])


def test_new_networks_get_their_many_epochs_together(small_table):
    toy = Path(__file__).parents[1] / "plugins" / "files" / "toy.py"
    both = small_table.assign(spot=[f"{i},{i + 1}" for i in range(len(small_table))])
    recipe = MultiModalPredictor("kind", plugins=[toy]).plan(both)
    assert set(recipe.backbones) == {"points", "tabular"}
    assert recipe.training.epochs == 100  # of 3 and 100
    assert "toy:linear" in recipe.origin("training.epochs")
    assert "tabular:mlp" in recipe.origin("training.epochs")
    assert recipe.training.batch_size == 32  # only one of them says another
    reviews = [f"a review of some length, number {i}, by somebody" for i in range(len(both))]
    with_text = MultiModalPredictor(
        "kind", plugins=[toy], hyperparameters={"backbones.text.checkpoint": "random"}
    ).plan(both.assign(review=reviews))
    assert with_text.training.epochs == 10  # a network that asks for nothing is one of them


TASK = """
from mm_core.api import MetricSpec, PluginInfo, TaskSpec, hookimpl
from mm_core.builtin.tasks.binary import Binary


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A task with metrics of its own.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="own",
            summary="Two classes.",
            target="own:Own",
            config="mm_core.builtin.configs:BinaryConfig",
            metrics=("accuracy",),
            default_metric="accuracy",
            validation_metric="log_loss",
        )
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="accuracy",
            summary="Of its own.",
            target="mm_core.builtin.metrics.classification:accuracy",
            needs="labels",
            higher_is_better=True,
        )
    ]


class Own(Binary):
    pass
"""


def test_a_task_has_its_own_metrics_first_and_may_choose_by_another(small_table, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(TASK)

    def plan(**metrics):
        return MultiModalPredictor("kind", problem_type="own:own", plugins=[file], **metrics).plan(
            small_table
        )

    by_default = plan()
    assert by_default.data.eval_metric == "own:accuracy"
    assert by_default.data.validation_metric == "core:log_loss"
    assert by_default.origin("data.validation_metric") == "task own:own"
    assert plan(eval_metric="accuracy").data.validation_metric == "own:accuracy"
    assert plan(validation_metric="mcc").data.validation_metric == "core:mcc"


LOSS = """
from mm_core.api import Config, Loss, LossSpec, MetricSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A loss with a metric of its own.")


@hookimpl
def mm_losses():
    return [
        LossSpec(
            name=name,
            summary="Squares.",
            target="told:Squares",
            config="told:SquaresConfig",
            needs="value",
            validation_metric=metric,
        )
        for name, metric in (("squares", "mae"), ("lost", "nowhere"))
    ]


@hookimpl
def mm_metrics():
    return [
        MetricSpec(
            name="mae",
            summary="What it was told.",
            target="told:Told",
            needs="values",
            higher_is_better=False,
            loss_settings=("scale", "another"),
        )
    ]


class SquaresConfig(Config):
    scale: float = 1.0
    other: float = 5.0


class Squares(Loss):
    def __call__(self, logits, target):
        return self.config.scale * (logits[:, 0] - target) ** 2


class Told:
    def __init__(self, scale=-1.0, another=-2.0):
        self.told = scale + another

    def update(self, truth, answer):
        pass

    def reset(self):
        pass

    def compute(self):
        return self.told
"""


def test_a_loss_has_its_own_metrics_first_and_tells_them_its_settings(small_table, tmp_path):
    file = tmp_path / "told.py"
    file.write_text(LOSS)
    frame = small_table.drop(columns="kind")

    def predictor(loss, **settings):
        given = {"training.loss": {"id": loss, **settings}, "training.epochs": 1}
        return MultiModalPredictor("weight", plugins=[file], hyperparameters=given, verbosity=0)

    fitted = predictor("squares", scale=7.0).fit(frame)
    assert fitted.recipe.data.validation_metric == "told:mae"
    assert fitted.recipe.origin("data.validation_metric") == "loss told:squares"
    assert fitted.history["mae"].tolist() == [5.0]
    loaded = MultiModalPredictor.load(fitted.save(tmp_path / "m"), verbosity=0, plugins=[file])
    assert loaded.evaluate(frame, "told:mae") == {"mae": 5.0}
    other = predictor("mse").fit(frame)  # a loss without a scale
    assert other.evaluate(frame, "told:mae") == {"mae": -3.0}
    with pytest.raises(UnknownComponentError, match="nowhere"):
        predictor("lost").plan(frame)
