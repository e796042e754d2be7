"""What every source of checkpoints keeps."""

from __future__ import annotations

from mm_core.api.specs import BackboneSpec, CheckpointMiss, CheckpointSourceSpec
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject

Source = Subject[CheckpointSourceSpec]

_ABSENT = ("no-such-checkpoint-0", "./no/such/folder", "", "../..")


def check_serves_backbones_that_exist(subject: Source) -> None:
    """Every backbone it serves is there."""
    ids = {component.id for component in subject.registry.all(BackboneSpec)}
    lost = sorted(set(subject.spec.backbones) - ids)
    expect(not lost, f"it serves {', '.join(lost)}, and there is no such backbone")


def check_misses_what_it_has_not(subject: Source) -> None:
    """A name that nobody has is a CheckpointMiss with a reason, and raises nothing."""
    for name in _ABSENT:
        found = subject.component.load()(name)
        expect(isinstance(found, CheckpointMiss), f"{name!r} gives {found!r}, no CheckpointMiss")
        expect(found.reason, f"{name!r} is missed without a reason")
