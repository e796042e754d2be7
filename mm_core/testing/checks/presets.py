"""What every preset keeps."""

from __future__ import annotations

from mm_core.api.specs import (
    BackboneSpec,
    ConfigurableSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    PresetSpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.plugins.registry import Component
from mm_core.recipe.presets import is_of_task
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject

Preset = Subject[PresetSpec]

_KINDS: tuple[type[ConfigurableSpec], ...] = (
    BackboneSpec,
    ProcessorSpec,
    FusionHeadSpec,
    TaskSpec,
    LossSpec,
    FitterSpec,
)


def check_sets_settings_that_exist(subject: Preset) -> None:
    """Every component it sets or chooses is there and takes its values; training.* is a task's."""
    own = {k: v for k, v in subject.spec.values.items() if not is_of_task(k)}
    training = sorted(set(subject.spec.values) - set(own))
    for name in subject.spec.components:
        component = _component(subject, name)
        if component.spec.kind != TaskSpec.kind:
            expect(not training, f"{name} is no task, and may not set {', '.join(training)}")
        component.read(own, where=name)
    fitter = subject.spec.values.get("fit.id")
    here = [one.id for one in subject.registry.all(FitterSpec)]
    expect(fitter is None or fitter in here, f"fit.id is {fitter}, which is no fitter's id here")


def _component(subject: Preset, name: str) -> Component[ConfigurableSpec]:
    components = [one for kind in _KINDS for one in subject.registry.all(kind)]
    found = [one for one in components if one.id == name]
    expect(found, f"it sets {name}, which is not installed")
    return found[0]
