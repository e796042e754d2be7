"""The recipe by which a trained model is trained further."""

from __future__ import annotations

from mm_core.api.errors import ConfigError
from mm_core.api.specs import TaskSpec
from mm_core.plugins.registry import Registry
from mm_core.plugins.slots import USER, Filler
from mm_core.recipe.losses import choose_loss, default_validation, refuse_settings
from mm_core.recipe.overrides import PartOverride
from mm_core.recipe.parts import Part
from mm_core.recipe.recipe import DataConfig, Recipe
from mm_core.recipe.request import Request
from mm_core.recipe.training import TrainingConfig
from mm_core.scoring import Metrics

DATA_KEYS = ("holdout_frac", "sample_weight", "validation_metric")
"""What may be set of the recipe's section ``data``. Label and eval metric stay. A validation metric
that nobody asked for goes with the loss."""


def continued(recipe: Recipe, request: Request, registry: Registry, metrics: Metrics) -> Recipe:
    """``recipe`` with other values for training; see :meth:`mm_core.MultiModalPredictor.fit`.

    Args:
        recipe: of the model.
        request: of the call of ``fit`` alone.
        registry: installed components.
        metrics: to look names up.

    Raises:
        ConfigError: a setting that a trained model cannot change, or a loss that does not fit.
    """
    overrides = request.overrides
    _refuse_fixed(request)
    if overrides.training.get("epochs") == 0:
        raise ConfigError(
            "training.epochs=0 changes nothing of a model",
            value=0,
            remedy="training.epochs=1, or more",
        )
    if "loss" in overrides.training:
        recipe = _with_loss(recipe, overrides.loss, registry, metrics)
    training = {key: value for key, value in overrides.training.items() if key != "loss"}
    changed = {"training": training, "data": dict(overrides.data)}
    if "validation_metric" in overrides.data:
        task = registry.get(TaskSpec, recipe.task.id)
        wanted = overrides.data["validation_metric"]
        changed["data"]["validation_metric"] = metrics.resolve(wanted, task)
    origins = {f"{name}.{key}": "user" for name, values in changed.items() for key in values}
    return recipe.model_copy(
        update={
            "training": TrainingConfig.read(
                recipe.training.model_dump() | training, where="training"
            ),
            "data": DataConfig.read(recipe.data.model_dump() | changed["data"], where="data"),
            "origins": recipe.origins | origins,
        }
    )


def _refuse_fixed(request: Request) -> None:
    overrides = request.overrides
    fixed = [name for name in overrides.model_fields_set if name not in ("training", "data")]
    fixed += [f"data.{name}" for name in overrides.data if name not in DATA_KEYS]
    fixed += [name for name in request.given if name in ("presets", "column_types")]
    if fixed:
        raise ConfigError(
            f"this predictor has a model, which fit trains further: {', '.join(sorted(fixed))} "
            "cannot change",
            value=sorted(fixed),
            remedy="leave it out, or fit a new MultiModalPredictor",
        )


def _with_loss(recipe: Recipe, user: PartOverride, registry: Registry, metrics: Metrics) -> Recipe:
    """``recipe`` with the loss that the user names, or its own with other settings."""
    task, old = registry.get(TaskSpec, recipe.task.id), recipe.training.loss
    named = "id" in user.model_fields_set  # null names the task's default
    loss = choose_loss(user.id if named or old is None else old.id, task, registry)
    if loss is None:
        refuse_settings(user.own, task)
        return recipe
    source = f"task {task.id}" if named else recipe.origin("training.loss.id")
    before = old.config if old is not None and old.id == loss.id else {}
    kept = [(recipe.origin(f"training.loss.{key}"), {key: before[key]}) for key in before]
    origins = {"training.loss.id": USER if user.id is not None else source}
    filler = Filler(registry, origins=origins)
    slot = filler.settle(loss, [*kept, (USER, user.own)], "training.loss")
    part = Part(**slot.dump())
    data = recipe.data
    if not _metric_was_asked_for(recipe):
        metric, origins["data.validation_metric"] = default_validation(
            task, loss, data.eval_metric, metrics
        )
        data = data.model_copy(update={"validation_metric": metric})
    others = {k: said for k, said in recipe.origins.items() if not k.startswith("training.loss.")}
    return recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update={"loss": part}),
            "data": data,
            "origins": others | origins,
        }
    )


def _metric_was_asked_for(recipe: Recipe) -> bool:
    """Whether the user chose what chooses the best epoch; so did who wrote no origin."""
    names = ("data.eval_metric", "data.validation_metric")
    return "user" in {recipe.origins.get(name, "user") for name in names}
