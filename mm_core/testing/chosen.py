"""What holds of the components that a fitter or a task chooses for its columns."""

from __future__ import annotations

from collections.abc import Mapping

from mm_core.api.errors import MMError
from mm_core.api.specs import Defaults, ProcessorSpec
from mm_core.plugins.registry import Registry
from mm_core.testing.outcome import CheckError


def expect_settings_exist(defaults: Mapping[str, Defaults], registry: Registry) -> None:
    """The processors that are named have the settings that come with them."""
    for modality, chosen in defaults.items():
        if chosen.processor is None:
            continue
        try:
            processor = registry.get(ProcessorSpec, chosen.processor)
            processor.read(chosen.settings, where="settings")
        except MMError as error:
            raise CheckError(f"defaults[{modality!r}]: {error.message}") from error
