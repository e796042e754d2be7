"""What every runtime keeps, on the engine that its plugin gives as a sample."""

from __future__ import annotations

import json
import pickletools
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api.engine import Engine, EngineContext, RunSettings
from mm_core.api.samples import SampleEngine
from mm_core.api.specs import RuntimeSpec
from mm_core.testing import fresh
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.subject import Subject

Runtime = Subject[RuntimeSpec]

_TOLERANCE = 1e-6


def check_answers_each_row(subject: Runtime) -> None:
    """It gives numpy arrays or lists, one entry a row, and the same the second time."""
    for sample in _samples(subject):
        engine, batch = sample.engine(), sample.batch()
        expect(
            isinstance(engine, subject.component.load()),
            f"the sample is {type(engine).__name__}, and the target of the spec is another class",
        )
        found = _run(engine, sample)
        for name, output in found.items():
            expect(
                isinstance(output, np.ndarray | list),
                f"output {name!r} is {type(output).__name__}, no numpy array and no list",
            )
            expect(len(output) == len(batch), f"{name!r}: {len(output)} for {len(batch)} rows")
        _expect_same(found, _run(engine, sample), "asked a second time, it gives other outputs")


def check_writes_no_pickle(subject: Runtime) -> None:
    """What it writes is JSON values and files that are no pickle, links or programs."""
    for sample in _samples(subject):
        with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
            values = _write(subject, sample, sample.engine(), Path(name))
            try:
                same = json.loads(json.dumps(values)) == values
            except (TypeError, ValueError) as error:
                raise CheckError(f"write gives values that are no JSON: {error}") from None
            expect(same, f"written as JSON and read again the values are others: {values!r}")
            for path in sorted(Path(name).rglob("*")):
                expect(not path.is_symlink(), f"{path.name} is a link")
                if path.is_file():
                    _expect_data(path)


def check_reads_back_the_same(subject: Runtime) -> None:
    """Read in a new process from what it wrote, and written again, it gives the same outputs."""
    for number, sample in enumerate(_samples(subject)):
        with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
            engine = sample.engine()
            values = _write(subject, sample, engine, Path(name))
            wanted = _run(engine, sample)
            read = type(engine).read(Path(name), values, _context(subject, sample))
            _expect_same(wanted, _run(read, sample), "read back, it gives other outputs")
            given = {
                "folder": fresh.as_bytes(name),
                "values": fresh.as_bytes(json.dumps(values)),
                "number": np.array([number]),
            }
            found = fresh.run(subject, "mm_core.testing.checks.runtimes:again", given)
            arrays = {key: one for key, one in wanted.items() if isinstance(one, np.ndarray)}
            _expect_same(arrays, found, "read back in a new process, it gives other outputs")


def check_does_not_need_more_than_its_files(subject: Runtime) -> None:
    """Without one of the files that it wrote it cannot be read: it keeps nothing elsewhere."""
    for sample in _samples(subject):
        with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
            engine = sample.engine()
            values = _write(subject, sample, engine, Path(name))
            files = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
            for path in files:
                content = path.read_bytes()
                path.unlink()
                try:
                    type(engine).read(Path(name), values, _context(subject, sample))
                except Exception:  # noqa: BLE001  # the core, which hashes each file, says it better
                    path.write_bytes(content)
                    continue
                raise CheckError(f"{path.name} is gone, and it is read all the same")


def again(subject: Runtime, given: fresh.Arrays) -> fresh.Arrays:
    """In the new process: read the engine, run it, and write it into another folder."""
    sample = _samples(subject)[int(given["number"][0])]
    folder = Path(fresh.as_text(given["folder"]))
    values = json.loads(fresh.as_text(given["values"]))
    engine = subject.component.load().read(folder, values, _context(subject, sample))
    (folder / "again").mkdir()
    _write(subject, sample, engine, folder / "again")
    found = _run(engine, sample)
    return {key: output for key, output in found.items() if isinstance(output, np.ndarray)}


def _samples(subject: Runtime) -> list[SampleEngine]:
    if subject.spec.network:
        raise NotTried("every fit of a task, a backbone or a fusion head tries it")
    found = [one for one in subject.samples.engines if one.runtime == subject.spec.name]
    expect(found, f"the samples have no engine of {subject.spec.name}: give a SampleEngine")
    return found


def _context(subject: Runtime, sample: SampleEngine) -> EngineContext:
    if sample.context is not None:
        return sample.context()
    nothing: Any = None
    return EngineContext(None, {}, nothing, subject.registry)


def _write(subject: Runtime, sample: SampleEngine, engine: Engine, folder: Path) -> dict[str, Any]:
    return engine.write(folder, _context(subject, sample), True)


def _run(engine: Engine, sample: SampleEngine) -> dict[str, Any]:
    with engine.running(RunSettings()):
        return engine.run(sample.batch(), None, RunSettings())


def _expect_same(wanted: dict[str, Any], found: dict[str, Any], message: str) -> None:
    expect(wanted.keys() == found.keys(), f"{message}: {sorted(found)}, not {sorted(wanted)}")
    for name, output in wanted.items():
        same = (
            np.allclose(output, found[name], atol=_TOLERANCE, equal_nan=True)
            if isinstance(output, np.ndarray) and np.issubdtype(output.dtype, np.number)
            else str(output) == str(found[name])
        )
        expect(same, f"{message}: {name!r}")


def _expect_data(path: Path) -> None:
    """A file that Python or a shell would not execute."""
    expect(path.suffix not in (".py", ".so", ".sh", ".pkl", ".joblib"), f"it writes {path.name}")
    content = path.read_bytes()
    expect(not _is_pickle(content), f"{path.name} is a pickle")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                expect(not _is_pickle(archive.read(name)), f"{path.name} holds the pickle {name}")


def _is_pickle(content: bytes) -> bool:
    """Whether the whole of it is a pickle; protocols from 2 on begin with their number."""
    if content[:1] != b"\x80":
        return False
    try:
        for _ in pickletools.genops(content):
            pass
    except (ValueError, IndexError, UnicodeDecodeError):
        return False
    return True
