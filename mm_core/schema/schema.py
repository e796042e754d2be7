"""Schema: which column holds what, and why."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from mm_core.api.columns import ColumnSample, Detection
from mm_core.api.config import suggest
from mm_core.api.errors import ColumnError, ConfigError, EmptyDataError, MMWarning
from mm_core.api.processors import Table
from mm_core.api.specs import ModalitySpec
from mm_core.plugins.known import missing_for
from mm_core.plugins.registry import Component, Registry
from mm_core.schema.row_numbers import counts_rows, row_number
from mm_core.schema.sample import is_container, sample_column

IGNORE = "ignore"

Modality = Component[ModalitySpec]


class ColumnPlan(BaseModel):
    """What was decided for one column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="the column's name")
    modality: str | None = Field(description="modality id, or null: the column is not used")
    kind: str | None = Field(description="form of its cells within the modality")
    score: float = Field(description="the detector's score, 1 where the user decided")
    reason: str = Field(description="why")
    origin: str = Field(description="'detector <id>', 'user' or 'core'")
    settings: dict[str, Any] = Field(
        default_factory=dict,
        exclude=True,  # in a recipe they stand with the processor
        description="of the processor, for this column",
    )
    warning: str = Field(default="", exclude=True, description="what the user is told")


class Schema(BaseModel):
    """One plan per column, in the frame's order; label and weight columns are not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[ColumnPlan, ...]

    def by_modality(self) -> dict[str, list[ColumnPlan]]:
        """Used columns by modality id, sorted: the order of columns does not matter."""
        found: dict[str, list[ColumnPlan]] = {}
        for plan in self.columns:
            if plan.modality is not None:
                found.setdefault(plan.modality, []).append(plan)
        return dict(sorted(found.items()))

    def settings(self, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What was found out about these columns: setting of a processor -> column -> value."""
        found: dict[str, dict[str, Any]] = {}
        for plan in self.columns:
            if plan.name in columns:
                for key, value in plan.settings.items():
                    found.setdefault(key, {})[plan.name] = value
        return found

    def settled(self) -> Schema:
        """The schema once the processors have these settings."""
        plans = (plan.model_copy(update={"settings": {}, "warning": ""}) for plan in self.columns)
        return Schema(columns=tuple(plans))

    @property
    def types(self) -> dict[str, str | None]:
        """Column -> ``"modality:kind"``, or None where it is not used."""
        return {
            plan.name: plan.modality and f"{plan.modality.split(':')[1]}:{plan.kind}"
            for plan in self.columns
        }

    def plan(self, name: str) -> ColumnPlan | None:
        """The plan of one column."""
        return next((plan for plan in self.columns if plan.name == name), None)


def infer_schema(
    table: Table,
    exclude: Sequence[str],
    registry: Registry,
    column_types: Mapping[str, str | None] | None = None,
    *,
    constant: bool = False,
    strangers: bool = False,
    told: Collection[str] = (),
) -> Schema:
    """Ask every detector about every column; the best score wins.

    Args:
        table: all rows given for training.
        exclude: label, weight and other columns that are not inputs.
        column_types: the user's decisions: column -> modality, kind, ``"modality:kind"``, or
            ``"ignore"``.
        constant: whether columns of one value are inputs, as where nothing is learned.
        strangers: whether list cells that no plugin reads are let be, as where a task says which
            columns it reads.
        told: columns that the user has settled: how they are read is no news.

    Raises:
        ColumnError: an unknown column in ``column_types``, or list cells that no plugin reads.
        ConfigError: an unknown type in ``column_types``.
        EmptyDataError: no usable column is left.
    """
    wanted = {str(name): kind for name, kind in (column_types or {}).items()}
    _check_known(wanted, table.frame.columns)
    names = [name for name in table.frame.columns if name not in exclude]
    plans = [
        _decide(
            sample_column(table.frame[name], name, table.folder),
            registry,
            wanted,
            constant,
            strangers,
        )
        for name in names
    ]
    if not any(plan.modality for plan in plans):
        reasons = "; ".join(f"{plan.name!r}: {plan.reason}" for plan in plans) or "no columns"
        raise EmptyDataError(
            f"no column can be used as input ({reasons})",
            remedy="add a column, install a plugin, or say what they hold: column_types={...} "
            "(--column-type COLUMN=TYPE)",
        )
    _warn_unused(plans)
    for plan in plans:
        if plan.warning and plan.name not in told:
            warnings.warn(f"column {plan.name!r}: {plan.warning}", MMWarning, stacklevel=2)
    return Schema(columns=tuple(plans))


def detect(
    sample: ColumnSample, registry: Registry
) -> list[tuple[Component[ModalitySpec], Detection]]:
    """Claims on a column, best first; equal scores in the order of ids."""
    claims: list[tuple[Component[ModalitySpec], Detection]] = []
    for component in registry.all(ModalitySpec):
        detection = component.load("detector")(sample)
        if detection is not None and detection.score > 0:
            claims.append((component, detection))
    return sorted(claims, key=lambda claim: (-claim[1].score, claim[0].id))


def _explained(sample: ColumnSample, registry: Registry) -> str | None:
    """What a detector knows of a column that it cannot claim."""
    for component in registry.all(ModalitySpec):
        detection = component.load("detector")(sample)
        if detection is not None:
            return f"{component.id} knows it, and cannot read it: {detection.reason}"
    return None


def _decide(
    sample: ColumnSample,
    registry: Registry,
    wanted: Mapping[str, str | None],
    constant: bool,
    strangers: bool,
) -> ColumnPlan:
    if sample.name in wanted:
        return _decided_by_user(sample, wanted[sample.name], registry)
    if sample.n_unique == 0:
        return _ignored(sample, "every cell is missing")
    if any(is_container(value) for value in sample.values):
        return _claimed(sample, registry, strangers)
    if sample.n_unique == 1 and sample.null_share == 0 and not constant:
        return _ignored(sample, f"constant: every cell is {_short(sample.values[0])}")
    if reason := row_number(sample):
        return _ignored(sample, reason)
    return _claimed(sample, registry)


def _claimed(sample: ColumnSample, registry: Registry, strangers: bool = False) -> ColumnPlan:
    claims = detect(sample, registry)
    if not claims:
        return _unclaimed(sample, registry, strangers)
    component, best = claims[0]
    others = [other.id for other, claim in claims[1:] if claim.score == best.score]
    tie = f" (equal score: {', '.join(others)})" if others else ""
    if others:
        warnings.warn(
            f"column {sample.name!r}: {component.id} and {', '.join(others)} claim it with the "
            f"same score {best.score:g}; taken as {component.id}. "
            f"Decide with column_types={{{sample.name!r}: ...}} (--column-type {sample.name}=TYPE)",
            MMWarning,
            stacklevel=2,
        )
    return ColumnPlan(
        name=sample.name,
        modality=component.id,
        kind=best.kind,
        score=best.score,
        reason=best.reason + tie,
        origin=f"detector {component.id}",
        settings=dict(best.settings),
        warning=best.warning or counts_rows(sample),
    )


def _decided_by_user(sample: ColumnSample, wanted: str | None, registry: Registry) -> ColumnPlan:
    if wanted is None or wanted == IGNORE:
        return ColumnPlan(
            name=sample.name,
            modality=None,
            kind=None,
            score=1.0,
            reason="column_types says so",
            origin="user",
        )
    component, kind = find_kind(wanted, sample.name, registry)
    detection = component.load("detector")(sample)
    if kind is None:
        kind = detection.kind if detection is not None else component.spec.kinds[0]
    found = detection if detection is not None and detection.kind == kind else None
    return ColumnPlan(
        name=sample.name,
        modality=component.id,
        kind=kind,
        score=1.0,
        reason="column_types says so",
        origin="user",
        settings={} if found is None else dict(found.settings),
        warning="" if found is None else found.warning,
    )


def find_kind(
    wanted: str, column: str, registry: Registry
) -> tuple[Component[ModalitySpec], str | None]:
    """The modality (and kind) a user means by ``"text"``, ``"categorical"`` or ``"image:path"``."""
    modalities = registry.all(ModalitySpec)
    found = [
        (component, kind)
        for component in modalities
        for kind, names in _names_of(component).items()
        if wanted in names
    ]
    if len(found) == 1 or (found and found[0][1] is None):
        return found[0]
    known = sorted({name for c in modalities for names in _names_of(c).values() for name in names})
    if found:
        raise ConfigError(
            f"column_types[{column!r}] = {wanted!r} fits several: "
            + ", ".join(f"{component.spec.name}:{kind}" for component, kind in found),
            column=column,
            value=wanted,
            remedy="write modality:kind",
        )
    near = suggest(wanted, known)
    raise ConfigError(
        f"column_types[{column!r}] = {wanted!r} is no known type",
        column=column,
        value=wanted,
        remedy=f"did you mean {near!r}?" if near else f"known: {', '.join([*known, IGNORE])}",
    )


def _names_of(component: Modality) -> dict[str | None, list[str]]:
    spec = component.spec
    names: dict[str | None, list[str]] = {None: [component.id, spec.name]}
    for kind in spec.kinds:
        names[kind] = [kind, f"{spec.name}:{kind}"] if kind != spec.name else [f"{kind}:{kind}"]
        names[kind] += [name for name, meant in spec.also.items() if meant == kind]
    return names


def _ignored(sample: ColumnSample, reason: str) -> ColumnPlan:
    return ColumnPlan(
        name=sample.name, modality=None, kind=None, score=0.0, reason=reason, origin="core"
    )


def _unclaimed(sample: ColumnSample, registry: Registry, strangers: bool) -> ColumnPlan:
    missing = missing_for("modality", {c.spec.name for c in registry.all(ModalitySpec)})
    containers = sum(is_container(value) for value in sample.values)
    if containers and not strangers:
        raise ColumnError(
            f"column {sample.name!r} holds lists, dicts or arrays, and no installed plugin claims "
            f"them (first: {_short(sample.values[0])})",
            column=sample.name,
            value=sample.values[0],
            remedy=f"spread them over columns, or column_types={{{sample.name!r}: 'ignore'}} "
            f"(--column-type {sample.name}=ignore)",
        )
    known = _explained(sample, registry)
    if known is not None:
        return _ignored(sample, known)
    hint = f"; to read more kinds: {' or '.join(missing)}" if missing else ""
    holds = type(sample.values[0]).__name__
    return _ignored(sample, f"no installed plugin claims it (cells of type {holds}){hint}")


def _check_known(wanted: Mapping[str, str | None], columns: pd.Index) -> None:
    for name in wanted:
        if name not in columns:
            near = suggest(name, list(columns))
            raise ColumnError(
                f"column_types names {name!r}, which is not in the data",
                column=name,
                remedy=f"did you mean {near!r}?" if near else f"columns: {', '.join(columns)}",
            )


def _warn_unused(plans: Sequence[ColumnPlan]) -> None:
    unused = [plan for plan in plans if plan.modality is None and plan.origin != "user"]
    if unused:
        said = "; ".join(f"{plan.name!r} ({plan.reason})" for plan in unused)
        warnings.warn(f"columns not used: {said}", MMWarning, stacklevel=3)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
