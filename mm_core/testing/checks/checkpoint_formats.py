"""What every checkpoint format keeps."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from mm_core.api.checkpoints import (
    Checkpoint,
    CheckpointFormat,
    CheckpointFormatSpec,
    CheckpointMiss,
)
from mm_core.api.samples import SampleCheckpoint
from mm_core.checkpoints.sources import weight_package
from mm_core.testing.offline import no_network
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject

Format = Subject[CheckpointFormatSpec]

_NAMES = ("no-such-checkpoint-0", "some/model", "./no/such/folder", "", "../..", "a b", "a" * 5000)


def check_recognises_its_own(subject: Format) -> None:
    """The sample is recognised by its folder; what its reader is told goes through JSON."""
    for sample in _samples(subject):
        with _written(sample.files) as folder:
            found = _format(subject).checkpoint(folder, sample.name, "the kit")
        said = found.reason if isinstance(found, CheckpointMiss) else ""
        expect(isinstance(found, Checkpoint), f"the sample is no checkpoint: {said}")
        assert isinstance(found, Checkpoint)
        expect(
            json.loads(json.dumps(found.details)) == found.details,
            "the details of the sample become something else in JSON",
        )


def check_says_what_is_missing(subject: Format) -> None:
    """Without any one of its files the sample is a miss with a reason; so are mere notes."""
    for sample in _samples(subject):
        for left_out in sample.files:
            rest = {name: data for name, data in sample.files.items() if name != left_out}
            with _written(rest) as folder:
                _misses(subject, folder, sample.name, f"the sample without {left_out}")
    with _written({"notes": b"nothing", "config.json": b"\xff\x00"}) as folder:
        for path in (folder, folder / "notes", folder / "config.json"):
            _misses(subject, path, str(path), f"a folder of notes ({path.name})")


def check_names_what_it_needs_of_the_hub(subject: Format) -> None:
    """Of a repository like the sample every file is asked for; of one of notes, none."""
    format = _format(subject)
    with no_network():
        for name in _NAMES:
            repository = format.repository(name)
            expect(
                isinstance(repository, (str, CheckpointMiss)),
                f"{name!r} means {repository!r}, neither a repository nor a CheckpointMiss",
            )
        needed = format.files("some/model", ["README.md", ".gitattributes"])
    expect(isinstance(needed, CheckpointMiss), f"of a repository of notes it needs {needed!r}")
    for sample in _samples(subject):
        asked = format.files("some/model", [*sample.files, "README.md"])
        if isinstance(asked, CheckpointMiss):
            raise NotTried(f"it is not taken from the hub: {asked.reason}")
        lost = [f for f in sample.files if not any(fnmatchcase(f, one) for one in asked)]
        expect(not lost, f"{', '.join(lost)} of a repository like the sample is not asked for")


def check_serves_its_weight_packages(subject: Format) -> None:
    """A weight package is recognised by each of its names, or says what to install."""
    packages = subject.spec.packages
    if not packages:
        raise NotTried("it has no weight packages")
    with no_network():
        for package in packages:
            for name in (package.distribution, *package.names):
                found = weight_package(name, _format(subject))
                if isinstance(found, CheckpointMiss):
                    expect("not installed" in found.reason, f"{name!r}: {found.reason}")
                    expect(found.remedy, f"{name!r} is missed without a remedy")


def _misses(subject: Format, path: Path, name: str, what: str) -> None:
    with no_network():
        found = _format(subject).recognise(path, name, {})
    expect(isinstance(found, CheckpointMiss), f"{what} gives {found!r}, no CheckpointMiss")
    assert isinstance(found, CheckpointMiss)
    expect(found.reason, f"{what} is missed without a reason")


def _format(subject: Format) -> CheckpointFormat:
    format: CheckpointFormat = subject.component.load()(subject.spec)
    return format


def _samples(subject: Format) -> list[SampleCheckpoint]:
    found = [s for s in subject.samples.checkpoints if s.format == subject.spec.name]
    if not found:
        raise NotTried("the samples have no checkpoint of this format")
    return found


@contextmanager
def _written(files: Mapping[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        for file, content in files.items():
            path = Path(name, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield Path(name)
