"""MM_TRACE_PLUGINS=1: each hook call, with plugin and result, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy


def trace(manager: pluggy.PluginManager, plugin: str) -> None:
    """Print every hook call of ``manager``, which holds one plugin."""

    def before(hook: str, impls: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]) -> None:
        """Nothing to say before the call."""

    def after(
        outcome: pluggy.Result[Any],
        hook: str,
        impls: Sequence[pluggy.HookImpl],
        kwargs: Mapping[str, Any],
    ) -> None:
        result = outcome.exception or outcome.get_result()
        print(f"[mm plugins] {plugin}: {hook}() -> {result!r}", file=sys.stderr)

    manager.add_hookcall_monitoring(before, after)
