"""One fit of a predictor, from the user's data to a saved model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mm_core.api.fitting import FitResult
from mm_core.api.specs import FitEndSpec, FitterSpec, RecipeReadySpec
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.align import check_complete
from mm_core.data.rows import read_rows
from mm_core.lifecycle import tell
from mm_core.processes import one_fit_at_a_time
from mm_core.recipe.fitters import refuse_unread_loop
from mm_core.recipe.notes import noted
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.request import Request
from mm_core.session.folders import check_path, forget_state, save, state_folder
from mm_core.session.following import check_further, recipe_to_follow
from mm_core.session.session import Held, Session
from mm_core.summary import plan_is_read, print_fit_summary, print_plan


@dataclass(frozen=True)
class Wanted:
    """What a call of ``fit`` asks for.

    Attributes:
        own: what the predictor was made with.
        call: what this call says beside it.
        recipe: to follow, or a file of one; None: planned.
        path: folder to save to, or None.
        time_limit: seconds, or None.
        callbacks: of Lightning.
        loggers: of Lightning.
        on_error: what is done about cells that cannot be read.
        verbosity: 0 silent .. 3 chatty.
    """

    own: Request
    call: Request
    recipe: Recipe | str | Path | None
    path: Path | None
    time_limit: float | None
    callbacks: Sequence[Any]
    loggers: Sequence[Any]
    on_error: str
    verbosity: int


def plan(session: Session, data: Any, own: Request, call: Request) -> Recipe:
    """The recipe that a fit would follow; see :meth:`mm_core.MultiModalPredictor.plan`."""
    from mm_core.training.labels import check_labels

    check_further(session)
    table = read_rows(data, session.registry).table
    finder = CheckpointFinder(session.registry)
    recipe = recipe_to_follow(session, None, table, own, call, finder)
    session.planned_rows = len(table)
    learned = None if session.further is None else session.further.model.task
    check_labels(recipe, session.labelled(table, recipe), learned, session.registry)
    return recipe if session.follows else noted(recipe, len(table), session.registry)


def fit(session: Session, data: Any, tuning_data: Any, wanted: Wanted) -> FitResult:
    """Plan, then train, then save; see :meth:`mm_core.MultiModalPredictor.fit`."""
    with one_fit_at_a_time():
        return _fit(session, data, tuning_data, wanted)


def _fit(session: Session, data: Any, tuning_data: Any, wanted: Wanted) -> FitResult:
    from mm_core.training.context import FitContext
    from mm_core.training.fit import fit_model
    from mm_core.training.start import unfitted_model

    started = time.monotonic()
    check_further(session)
    check_path(session, wanted.path)
    registry = session.registry
    rows = read_rows(data, registry).table
    tuning = None if tuning_data is None else read_rows(tuning_data, registry).table
    finder = CheckpointFinder(registry)
    recipe = recipe_to_follow(session, wanted.recipe, rows, wanted.own, wanted.call, finder)
    fitter = registry.get(FitterSpec, recipe.fit.id)
    refuse_unread_loop(fitter, callbacks=wanted.callbacks, loggers=wanted.loggers)
    if plan_is_read(wanted.verbosity):
        fresh = wanted.recipe is None and not session.follows
        told = noted(recipe, len(rows), registry) if fresh else recipe
        print_plan(told, len(rows), registry, wanted.verbosity)
    check_complete(rows, [column for part in recipe.inputs.values() for column in part.columns])
    train = session.labelled(rows, recipe)
    tuning = None if tuning is None else session.labelled(tuning, recipe)
    context = FitContext(
        registry=registry,
        finder=finder,
        metrics=session.metrics,
        model=None if session.further is None else session.further.model,
        on_error=wanted.on_error,
        callbacks=wanted.callbacks,
        loggers=wanted.loggers,
        verbosity=wanted.verbosity,
        deadline=None if wanted.time_limit is None else started + wanted.time_limit,
        unfinished=state_folder(session, wanted.path, recipe, train, tuning),
        resume=session.cut_off is not None,
    )
    tell(registry, RecipeReadySpec, recipe)
    try:
        if recipe.training.epochs:
            model, result = fit_model(recipe, train, tuning, context)
        else:
            model, result = unfitted_model(recipe, train, context)
    except Exception:
        if session.cut_off is None:
            forget_state(context.unfinished)
        raise
    if context.model is not None and tuning is None:
        result = replace(result, known_rows=True)
    session.held, session.cut_off = Held(model, result), None
    tell(registry, FitEndSpec, model, result)
    if wanted.path is not None:
        save(session, wanted.path, checked=True)
    seconds = time.monotonic() - started
    print_fit_summary(recipe, result, seconds, wanted.path, wanted.verbosity)
    return result
