"""Which adapter a backbone gets."""

from __future__ import annotations

from mm_core.api.errors import ConfigError
from mm_core.api.specs import AdapterSpec
from mm_core.plugins.known import missing_for
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.overrides import PartOverride


def choose_adapter(
    section: str, user: PartOverride, registry: Registry
) -> Component[AdapterSpec] | None:
    """The adapter that the user names, if any.

    Raises:
        ConfigError: settings of an adapter, and none is named.
        UnknownComponentError: there is no such adapter.
    """
    if user.id is not None:
        return registry.get(AdapterSpec, user.id)
    if not user.own:
        return None
    adapters = [component.id for component in registry.all(AdapterSpec)]
    missing = missing_for(AdapterSpec.kind, set())
    raise ConfigError(
        f"{section}.{next(iter(user.own))} is set, and no adapter is chosen",
        value=user.own,
        remedy=f"choose one, {section}=...: {', '.join(adapters)}"
        if adapters
        else f"set {section}=..., after: {'; or '.join(missing)}",
    )
