"""Whether a setting can be all that a search may try of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mm_core.api import ConfigError, Search, Table
from mm_core.api.tools import Recipe
from mm_tune.objective import Arguments


def check_settable(
    arguments: Arguments, table: Table, space: Mapping[str, Search], plan: Recipe
) -> None:
    """Plan with each end of a range and each choice, beside the settings as they are.

    Args:
        arguments: of all trials.
        table: training rows.
        space: setting -> what it may be.
        plan: with the settings as they are.

    Raises:
        ConfigError: there is no such setting, or it cannot be that.
    """
    for key, search in space.items():
        for value in search.some:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the plan before has said it
                    arguments.plan(table, {key: value})
            except ConfigError as error:
                other = _other_fitter(arguments, table, {key: value}, plan.fit.id)
                because = f"; a plan in which {key} is set is of {other}, not of {plan.fit.id}"
                raise ConfigError(
                    f"{key}={search}: {error.message}{because if other else ''}",
                    plugin=error.plugin,
                    value=value,
                    remedy=f"leave {key} out, or say --set fit={other} and leave out what it does "
                    "not have"
                    if other
                    else error.remedy,
                ) from error


def _other_fitter(
    arguments: Arguments, table: Table, settings: Mapping[str, Any], fitter: str
) -> str | None:
    """The fitter that settings bring, where it is another; None: the same, or none."""
    of_none = {key: one for key, one in arguments.fixed.items() if not key.startswith("fit.")}
    with suppress(ConfigError):
        found = replace(arguments, fixed=of_none).plan(table, settings).fit.id
        return None if found == fitter else found
    return None
