"""Do part of a check again in a new process, which knows only what was saved."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from packaging.requirements import Requirement

from mm_core.plugins.discovery import CORE
from mm_core.testing import forked
from mm_core.testing.outcome import CheckError
from mm_core.testing.subject import Subject

Arrays = dict[str, np.ndarray]

_JOB, _GIVEN, _FOUND = "job.json", "given.safetensors", "found.safetensors"
_SHOWN_LINES = 6


def run(
    subject: Subject[Any],
    target: str,
    given: Mapping[str, np.ndarray],
    without: tuple[str, ...] = (),
) -> Arrays:
    """What ``target``, ``"module:function"`` of (subject, arrays), gives in a new process.

    Args:
        subject: found again there, by its key.
        target: the function; it gives arrays too.
        given: handed over in a file.
        without: modules that cannot be imported there.

    Raises:
        CheckError: the process failed; with the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        folder = Path(name)
        job = {
            "files": [str(file) for file in subject.files],
            "key": subject.key,
            "target": target,
            "without": without,
        }
        (folder / _JOB).write_text(json.dumps(job))
        _write(given, folder / _GIVEN)
        command = ["-m", "mm_core.testing.fresh", name]
        if without:  # what is forked may have imported them
            done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        else:
            done = forked.python(command, libraries=libraries(subject))
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
            raise CheckError(f"in a new process it failed:\n{said}")
        return safetensors.numpy.load_file(folder / _FOUND)


def libraries(subject: Subject[Any]) -> list[str]:
    """Modules imported here of what the plugin requires, itself or through plugins it stands on."""
    plugins = {one.distribution: one.name for one in subject.registry.plugins}
    waiting, seen, tops = [subject.component.plugin.distribution], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name is None or name in seen or plugins.get(name) == CORE:
            continue
        seen.add(name)
        if name in plugins:
            waiting += [Requirement(text).name for text in requires(name) or ()]
        else:
            tops.add(name.replace("-", "_"))
    return [name for name in sys.modules if name.partition(".")[0] in tops]


def as_bytes(text: str) -> np.ndarray:
    """A text as an array, to be handed over."""
    return np.frombuffer(text.encode(), dtype=np.uint8)


def as_text(array: np.ndarray) -> str:
    """The text of :func:`as_bytes`."""
    return array.tobytes().decode()


def main(folder: Path) -> None:
    """The new process."""
    job = json.loads((folder / _JOB).read_text())
    for name in job["without"]:
        sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
    from mm_core.testing.kit import subject_of

    subject = subject_of(job["key"], [Path(file) for file in job["files"]])
    module, _, function = job["target"].partition(":")
    found = getattr(importlib.import_module(module), function)(
        subject, safetensors.numpy.load_file(folder / _GIVEN)
    )
    _write(found, folder / _FOUND)


def _write(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Row by row: of an array in another order safetensors writes the numbers as they lie."""
    safetensors.numpy.save_file({key: np.ascontiguousarray(a) for key, a in arrays.items()}, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
