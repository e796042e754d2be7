"""What every source of checkpoints keeps."""

from __future__ import annotations

from mm_core.api.checkpoints import (
    CheckpointFormat,
    CheckpointFormatSpec,
    CheckpointMiss,
    CheckpointSourceSpec,
    HFFolder,
)
from mm_core.testing.offline import no_network
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject

Source = Subject[CheckpointSourceSpec]

_ABSENT = ("no-such-checkpoint-0", "./no/such/folder", "", "../..", "~nobody-0/x", "a" * 5000)


def check_has_formats_that_exist(subject: Source) -> None:
    """Every format it has is there."""
    formats = subject.registry.all(CheckpointFormatSpec)
    known = {name for format in formats for name in (format.id, format.spec.name)}
    lost = sorted(set(subject.spec.formats) - known)
    expect(not lost, f"it has {', '.join(lost)}, and there is no such format")


def check_misses_what_it_has_not(subject: Source) -> None:
    """A name that nobody has is a CheckpointMiss with a reason, and raises nothing."""
    with no_network():
        for format in _formats(subject):
            for name in _ABSENT:
                found = subject.component.load()(name, format)
                shown = f"{name[:40]!r} as {format.name}"
                expect(isinstance(found, CheckpointMiss), f"{shown} gives {found!r}, no miss")
                expect(found.reason, f"{shown} is missed without a reason")


def check_fetches_what_is_elsewhere(subject: Source) -> None:
    """What it names to fetch checkpoints with is there."""
    if subject.spec.fetch is None:
        raise NotTried("all that it gives is on this machine")
    expect(callable(subject.component.load("fetch")), f"{subject.spec.fetch} is no function")


def _formats(subject: Source) -> list[CheckpointFormat]:
    """Those that it has; where it has any, also one that no plugin need bring."""
    chosen = [
        format.load()(format.spec)
        for format in subject.registry.all(CheckpointFormatSpec)
        if not subject.spec.formats or {format.id, format.spec.name} & set(subject.spec.formats)
    ]
    plain = CheckpointFormatSpec(
        name="hf", summary="Tried.", target="mm_core.api.checkpoints:HFFolder"
    )
    return chosen or [HFFolder(plain)]
