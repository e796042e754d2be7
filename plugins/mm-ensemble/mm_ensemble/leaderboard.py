"""``predictor.leaderboard(rows)``, ``mm leaderboard``: the ensemble beside its members."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, TaskSpec
from mm_core.api.tools import (
    aligned,
    check_labelled,
    model_of,
    read_rows,
    registry_of,
    result_of,
    save_model,
    short_name,
    stream,
)
from mm_core.api.tools import metrics as metrics_of
from mm_ensemble.models import Member, Models, Second

if TYPE_CHECKING:
    from mm_core.api.tools import Answers, Model, MultiModalPredictor, Registry, Rows

WHOLE = "ensemble"
WARM = 16
"""Rows that a model answers before the clock runs: libraries are imported then."""


def leaderboard(
    predictor: MultiModalPredictor, data: Any, metrics: str | list[str] | None = None
) -> pd.DataFrame:
    """The ensemble and its members, scored on rows, the best first.

    Args:
        predictor: whose model was fitted by ``ensemble:greedy`` or ``ensemble:bagged``.
        data: rows with the label.
        metrics: names; the first one orders; None: the eval metric, unless that is a function,
            which is not known here.

    Returns:
        ``member``, its ``weight`` in the ensemble, a column for each metric, ``validation`` (the
        score that weights were chosen by; on rows that no member learned from, but which chose),
        ``fit_seconds``, ``ms_per_row`` of these answers, and ``megabytes`` when saved. A member of
        weight 0 is in no model: only what the fit said of it is there.

    Raises:
        ConfigError: no metric is named.
        LabelError: the label is not in the data.
    """
    model, registry = model_of(predictor), registry_of(predictor)
    assert isinstance(model.engine, Models)  # ModelMethodSpec.runtimes
    rows = read_rows(data, registry)
    check_labelled(model, rows.table)
    (said,) = result_of(predictor).history
    validation = short_name(model.recipe.data.validation_metric)
    known = metrics_of(registry)
    task = registry.get(TaskSpec, model.recipe.task.id)
    asked = known.asked(metrics, task, default=model.recipe.data.eval_metric)
    if not asked:
        raise ConfigError(
            "members are ordered by a metric, and none is named",
            plugin="ensemble",
            value=metrics,
            remedy="name one, or leave metrics out: the eval metric",
        )
    first, metric = next(iter(asked.items()))
    truth = model.pipeline.encode_with_targets(aligned(model, rows.table, registry))
    found: list[dict[str, Any]] = []
    for name, member in {**model.engine.all_members, WHOLE: None}.items():
        alone = model if member is None else _as_model(model, name, member)
        line: dict[str, Any] = {"member": name, "weight": None if member is None else member.weight}
        scorer = known.scorer(asked.values(), model.task, model.recipe.loss_settings)
        seconds = 0.0
        for answers, took in _timed(alone, rows, registry):
            scorer.update(truth, answers.rows, answers.decoded)
            seconds += took
        scores = scorer.compute()
        line |= {short: scores[of] for short, of in asked.items()}
        line["ms_per_row"] = 1e3 * seconds / max(1, len(rows.table))
        line["megabytes"] = (
            sum(one["megabytes"] for one in found)
            if member is None
            else _megabytes(member, registry)
        )
        found.append(line | _of_fit(said, name, validation))
    table = pd.DataFrame(found).sort_values(
        first, ascending=not known.higher_is_better(metric), kind="stable", ignore_index=True
    )
    idle = [key.removesuffix(".weight") for key, weight in said.items() if key.endswith(".weight")]
    missing = [name for name in idle if name not in model.engine.all_members]
    rest = pd.DataFrame(
        [{"member": name, "weight": 0.0} | _of_fit(said, name, validation) for name in missing]
    )
    order = [name for name in table if name not in _LAST] + list(_LAST)
    return pd.concat([table, rest], ignore_index=True)[order]


_LAST = ("validation", "fit_seconds", "ms_per_row", "megabytes")


def _as_model(whole: Model, name: str, member: Member) -> Model:
    """A member by itself: its model, or the mean of those of its folds."""
    if len(member.models) == 1:
        found: Model = member.models[0].model
        return found
    alone = Member(member.models, 1.0)
    engine = whole.engine
    assert isinstance(engine, Models)
    if name in engine.members:
        return replace(whole, engine=Models({name: alone}))
    first = {one: Member(of.models, 0.0) for one, of in engine.members.items()}
    return replace(whole, engine=Models(first, Second({name: alone}, engine.second.said)))


def _timed(model: Model, rows: Rows, registry: Registry) -> Iterator[tuple[Answers, float]]:
    """Answers to rows, and the seconds that these took, of a model that has answered before."""
    for _ in stream(model, rows.table.take(np.arange(min(WARM, len(rows.table)))), registry):
        pass
    answers = stream(model, rows.table, registry)
    while True:
        began = time.monotonic()
        some = next(answers, None)
        if some is None:
            return
        yield some, time.monotonic() - began


def _of_fit(said: Mapping[str, float], name: str, metric: str) -> dict[str, float | None]:
    """What the fit said of a member, or of all."""
    if name == WHOLE:
        return {"validation": said.get(metric), "fit_seconds": said.get("seconds")}
    return {
        "validation": said.get(f"{name}.{metric}"),
        "fit_seconds": said.get(f"{name}.fit_seconds"),
    }


def _megabytes(member: Member, registry: Registry) -> float:
    """What a member's models take on disk."""
    with tempfile.TemporaryDirectory(prefix="mm-ensemble-") as name:
        for fold, one in enumerate(member.models):
            save_model(one.model, one.result, registry, Path(name) / str(fold))
        files = [file for file in Path(name).rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files) / 1e6
