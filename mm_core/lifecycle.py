"""Plugins are told of what happens to models; what fails in them disturbs nothing."""

from __future__ import annotations

import warnings
from typing import Any

from mm_core.api.errors import MMWarning
from mm_core.api.specs import ListenerSpec
from mm_core.plugins.registry import Registry
from mm_core.processes import is_first


def tell(registry: Registry, event: type[ListenerSpec], *facts: Any) -> None:
    """Call each listener of an event, in the order of ids, in the first process only.

    Args:
        registry: installed components.
        event: the listeners' spec, such as ``FitEndSpec``.
        facts: what its hook says they are called with.
    """
    for listener in registry.all(event) if is_first() else ():
        try:
            listener.load()(*facts)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's code; it is told
            warnings.warn(
                f"{listener.id} failed when it was told of {event.kind.replace('_', ' ')}, which "
                f"changes nothing: {type(error).__name__}: {error}",
                MMWarning,
                stacklevel=2,
            )
