"""Data that is no table yet, as readers of plugins read it."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pandas as pd

from mm_core.api.errors import DataError, MMError, MMWarning, PluginError
from mm_core.api.processors import Table
from mm_core.api.specs import ReaderSpec
from mm_core.plugins.registry import Component, Registry


def read_claimed(data: Any, registry: Registry) -> Table | None:
    """What the first reader that claims ``data`` reads of it; None: nobody claims it.

    A reader that fails where it is only asked is passed over, with a warning: it is not known
    whether the data is for it.

    Raises:
        DataError: the reader fails.
        PluginError: it gives no table.
    """
    reader = claimant(data, registry)
    return None if reader is None else _read(reader, data)


def claimant(data: Any, registry: Registry) -> Component[ReaderSpec] | None:
    """The first reader that claims ``data``, which is not read; None: nobody claims it."""
    readers = sorted(registry.all(ReaderSpec), key=lambda one: (one.spec.order, one.id))
    return next((one for one in readers if _claims(one, data)), None)


def _claims(reader: Component[ReaderSpec], data: Any) -> bool:
    try:
        return bool(reader.load("claims")(data))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a stranger's code may raise
        warnings.warn(
            f"{reader.id} cannot tell whether {shown(data)} is for it, and is not used: "
            f"{type(error).__name__}: {error}",
            MMWarning,
            stacklevel=2,
        )
        return False


def _read(reader: Component[ReaderSpec], data: Any) -> Table:
    try:
        table = reader.load()(data)
    except MMError as error:
        error.plugin = error.plugin or reader.id
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's code may raise
        raise DataError(
            f"{reader.id} cannot read {shown(data)}: {type(error).__name__}: {error}",
            plugin=reader.id,
            value=shown(data),
            remedy="check the data; if it is as it should be, tell the authors of the plugin",
        ) from error
    if isinstance(table, Table) and isinstance(table.frame, pd.DataFrame):
        return table
    raise PluginError(
        f"{reader.id} gives {type(table).__name__} of {shown(data)}, no mm_core.api.Table",
        plugin=reader.id,
        value=shown(data),
        remedy="return Table(frame, folder)",
    )


def shown(data: Any) -> str:
    """The data in a message: a path, or its type."""
    if isinstance(data, str | os.PathLike):
        return repr(os.fspath(data))
    return f"data of type {type(data).__name__}"
