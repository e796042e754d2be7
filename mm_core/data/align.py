"""Bring a frame into the shape known from fit: by name, never by position."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Sequence

import pandas as pd

from mm_core.api.errors import ColumnError, LabelError, MMWarning
from mm_core.api.processors import Table
from mm_core.plugins.registry import Registry
from mm_core.schema.sample import sample_column
from mm_core.schema.schema import ColumnPlan, Schema, detect

SIMILAR_NAME = 0.7


def align(table: Table, schema: Schema, known: Sequence[str], registry: Registry) -> Table:
    """A table with exactly the columns used at fit, missing ones filled with missing cells.

    Args:
        table: what the caller gave.
        schema: the columns known from fit.
        known: other names that may stand in the frame (label, weight).

    Raises:
        ColumnError: no known column at all, or a column that seems to have been renamed.
    """
    frame = table.frame
    used = [plan for plan in schema.columns if plan.modality is not None]
    missing = [plan for plan in used if plan.name not in frame.columns]
    if len(missing) == len(used):
        raise ColumnError(
            f"none of the model's columns is in the data (it has {_list(list(frame.columns))})",
            remedy=f"columns the model reads: {_list([plan.name for plan in used])}",
        )
    seen = {plan.name for plan in schema.columns} | set(known)
    strangers = [name for name in frame.columns if name not in seen]
    for plan in missing:
        _refuse_renamed(plan, strangers, table, registry)
    if missing:
        names = [plan.name for plan in missing]
        warnings.warn(
            f"column(s) {_list(names)} not in the data: taken as missing in every row",
            MMWarning,
            stacklevel=2,
        )
        frame = frame.assign(**dict.fromkeys(names))
    return Table(frame[[plan.name for plan in used]], table.folder, table.positions)


def align_labelled(
    table: Table, schema: Schema, label: Sequence[str], weight: str | None, registry: Registry
) -> Table:
    """As :func:`align`, with the label columns, and the weight column if it is there, beside.

    Raises:
        LabelError: a label column is not in the data.
    """
    check_labelled(table, label)
    extra = [*label, *filter(None, [weight])]
    inputs = align(table, schema, extra, registry).frame
    there = [name for name in extra if name in table.frame.columns]
    return Table(pd.concat([inputs, table.frame[there]], axis=1), table.folder, table.positions)


def check_labelled(table: Table, label: Sequence[str]) -> None:
    """Rows that are to have the label have its columns.

    Raises:
        LabelError: one is not there.
    """
    for name in label:
        if name not in table.frame.columns:
            raise LabelError(
                f"label column {name!r} is not in the data",
                column=name,
                remedy=f"columns: {', '.join(table.frame.columns[:20])}",
            )


def check_complete(table: Table, columns: Sequence[str]) -> None:
    """Training rows have every column that the recipe reads.

    Raises:
        ColumnError: one is not there.
    """
    for name in columns:
        if name not in table.frame.columns:
            raise ColumnError(
                f"the recipe reads column {name!r}, which the training data lack",
                column=name,
                remedy="add it, or plan again for these data",
            )


def _refuse_renamed(
    plan: ColumnPlan, strangers: Sequence[str], table: Table, registry: Registry
) -> None:
    for name in strangers:
        if _similar(plan.name, name):
            why = "its name is similar"
        elif _same_content(plan, name, table, registry):
            why = f"it holds the same kind of values ({plan.kind})"
        else:
            continue
        raise ColumnError(
            f"column {plan.name!r} is missing, and {name!r} seems to be it, renamed: {why}",
            column=plan.name,
            value=name,
            remedy=f"df.rename(columns={{{name!r}: {plan.name!r}}}), or drop {name!r} to predict "
            f"with {plan.name!r} missing",
        )


def _similar(known: str, given: str) -> bool:
    a, b = (re.sub(r"[\W_]+", "", name.casefold()) for name in (known, given))
    return a == b or difflib.SequenceMatcher(None, a, b).ratio() >= SIMILAR_NAME


def _same_content(plan: ColumnPlan, name: str, table: Table, registry: Registry) -> bool:
    sample = sample_column(table.frame[name], name, table.folder)
    claims = detect(sample, registry) if sample.n_unique else []
    return bool(claims) and (claims[0][0].id, claims[0][1].kind) == (plan.modality, plan.kind)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return shown if len(names) <= 20 else f"{shown}, ... ({len(names)} in all)"
