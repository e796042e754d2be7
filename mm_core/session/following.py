"""Which recipe a fit follows: a new plan, one given, the model's own, or a cut-off fit's."""

from __future__ import annotations

import warnings
from pathlib import Path

from mm_core.api.errors import ConfigError, MMWarning
from mm_core.api.processors import Table
from mm_core.api.specs import FitterSpec, TaskSpec
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.model import NETWORK
from mm_core.recipe.continued import continued
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.request import Request
from mm_core.recipe.resolve import resolve
from mm_core.session.session import Session


def recipe_to_follow(
    session: Session,
    given: Recipe | str | Path | None,
    table: Table,
    own: Request,
    call: Request,
    finder: CheckpointFinder,
) -> Recipe:
    """That of the fit to be taken up, the one given, the model's own, or a new plan.

    Args:
        session: of the predictor.
        given: a recipe, or a file of one.
        table: training rows.
        own: what the predictor was made with.
        call: what this call asks for.
        finder: where checkpoints come from.
    """
    if session.cut_off is not None:
        if given is not None:
            raise ConfigError(
                "a fit that was cut off has its recipe: another one would not be used",
                remedy="leave recipe= out, or fit a new predictor",
            )
        return _followed(session, session.cut_off.fit.recipe, own, call)
    if given is not None and session.further is not None:
        raise ConfigError(
            "this predictor has a model, which fit trains further: another recipe would not fit it",
            remedy="leave recipe= out, or fit a new MultiModalPredictor",
        )
    if given is not None:
        return _followed(session, given, own, call)
    if session.further is not None:
        recipe = session.further.model.recipe
        return continued(recipe, call, session.registry, session.metrics)
    return planned(session, table, call.over(own), finder)


def check_further(session: Session) -> None:
    """Refuse to train a model further that is no network: it would be made anew of the new rows
    alone, and what it knows would be lost.

    Raises:
        ConfigError: the predictor has such a model.
    """
    if session.further is None:
        return
    model = session.further.model
    fitter = model.recipe.fit.id
    if (
        model.runtime == NETWORK
        and session.registry.get(FitterSpec, fitter).spec.reads == "network"
    ):
        return
    raise ConfigError(
        f"this predictor has a model of {fitter} that runs on {model.runtime}, and is not trained "
        "further: only networks are",
        plugin=fitter,
        value=model.runtime,
        remedy="fit a new MultiModalPredictor on all rows, the old and the new ones; on the "
        "command line: mm fit without --from",
    )


def planned(session: Session, table: Table, asked: Request, finder: CheckpointFinder) -> Recipe:
    """A new plan; plugins that cannot be used are told of."""
    for problem in session.registry.problems:  # what it would read is planned otherwise
        warnings.warn(f"not used: {problem.error.message}", MMWarning, stacklevel=4)
    return resolve(table, asked, session.registry, finder, session.metrics)


def check_metrics(session: Session, recipe: Recipe, own: Request) -> None:
    """Refuse metrics that were given and are not those of the recipe.

    Raises:
        ConfigError, UnknownComponentError: one is not.
    """
    given = {"eval_metric": own.eval_metric, "validation_metric": own.validation_metric}
    for argument, metric in given.items():
        right = getattr(recipe.data, argument)
        if metric is None:
            continue
        task = session.registry.get(TaskSpec, recipe.task.id)
        if session.metrics.resolve(metric, task) != right:
            raise ConfigError(
                f"the {argument} of the recipe is {right}, not {metric}",
                value=metric,
                remedy=f"leave {argument} out, or plan and fit anew with it; "
                "evaluate(data, metrics=...) takes any metric",
            )


def _followed(session: Session, recipe: Recipe | str | Path, own: Request, call: Request) -> Recipe:
    if set(call.over(own).given) - {"label", "eval_metric", "validation_metric"}:
        raise ConfigError(
            "a recipe is complete: other settings beside it would not be used",
            remedy="leave them out, or change the recipe and leave recipe= out",
        )
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.read(recipe)
    check_metrics(session, recipe, own)
    if own.label not in ((), recipe.data.label):
        raise ConfigError(
            f"the recipe is for the label {', '.join(recipe.data.label)}",
            value=own.label,
            remedy="leave the label out, or plan again",
        )
    return recipe
