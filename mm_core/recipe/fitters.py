"""What the fitter leaves to be planned."""

from __future__ import annotations

import warnings

from mm_core.api.errors import ConfigError, EmptyDataError, MMWarning
from mm_core.api.specs import FitterSpec
from mm_core.plugins.registry import Component
from mm_core.recipe.overrides import Overrides
from mm_core.recipe.roles import without
from mm_core.schema.schema import Schema

UNREAD = {
    "network": (),
    "inputs": ("backbones", "fusion", "topology"),
    "rows": ("backbones", "fusion", "topology", "inputs"),
}
"""Sections that models of a fitter do not have, by what it reads."""


def readable(schema: Schema, fitter: Component[FitterSpec]) -> Schema:
    """The schema in which columns that the fitter cannot read are not used, which is said.

    Raises:
        EmptyDataError: it can read none.
    """
    reads = set(fitter.spec.modalities)
    if not reads:
        return schema
    idle = [
        plan.name
        for plan in schema.columns
        if plan.modality is not None and not {plan.modality, plan.modality.split(":")[1]} & reads
    ]
    found = without(schema, idle, f"fitter {fitter.id}", f"{fitter.id} reads {_listed(reads)} only")
    if not found.by_modality():
        raise EmptyDataError(
            f"{fitter.id} reads {_listed(reads)}, and no column holds that",
            remedy="choose another fitter: fit=core:finetune",
        )
    return found


def refuse_unread(user: Overrides, fitter: Component[FitterSpec]) -> None:
    """Refuse settings of sections that the fitter's models do not have; warn of those of training
    that it does not read.

    Raises:
        ConfigError: names the section.
    """
    for section in UNREAD[fitter.spec.reads]:
        if section in user.model_fields_set:
            raise ConfigError(
                f"{section}.* is set, and models of {fitter.id} have no {section}",
                plugin=fitter.id,
                value=section,
                remedy="leave it out, or choose another fitter: fit=core:finetune",
            )
    idle = [key for key in user.training if key in fitter.spec.unread]
    if idle:
        warnings.warn(
            f"{', '.join(f'training.{key}' for key in idle)}: set, and not read by {fitter.id}; "
            "its own settings are fit.*",
            MMWarning,
            stacklevel=2,
        )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
