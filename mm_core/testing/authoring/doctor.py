"""The doctor: looks at each plugin in a process of its own, however broken it is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import UnknownComponentError
from mm_core.api.hookspecs import ENTRY_POINT_GROUP
from mm_core.builtin.commands import COMMANDS, GROUP
from mm_core.plugins import discovery
from mm_core.plugins.discovery import CORE, Source
from mm_core.plugins.known import install_line
from mm_core.plugins.registry import core_source
from mm_core.testing.authoring.findings import Diagnosis, Finding

TIME_LIMIT = 30.0
"""Seconds that one plugin may take."""

_PROBE = (
    "import json, sys; order = json.loads(sys.argv[1]); sys.path[:] = order.pop('path'); "
    "from mm_core.testing.authoring.probe import main; main(order)"
)
_SHARED_BY_DESIGN = (
    "checkpoint_format",
    "checkpoint_source",
    "preset",
    "reader",
    "note",
    "recipe_ready",
    "fit_end",
    "artifact_saved",
)
"""Kinds that nobody looks up by name, or whose names several plugins are meant to share."""


def examine(
    name: str | None = None, files: Sequence[Path] = (), time_limit: float = TIME_LIMIT
) -> list[Diagnosis]:
    """Look at every plugin, or at the ones of one name; sorted by name.

    Args:
        name: a plugin; None: all that ``MM_PLUGINS`` and ``MM_DISABLE_PLUGINS`` let through.
        files: one-file plugins, besides.
        time_limit: seconds for each plugin.

    Raises:
        UnknownComponentError: no plugin is called ``name``.
    """
    sources, absent = _sources(files) if name is None else (_named(name, files), [])
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        found = list(pool.map(lambda source: _examine_one(source, time_limit), sources))
    _, refused = discovery.refuse_unusable_names([s for s in sources if s != core_source()])
    for problem in absent:
        found.append(Diagnosis(problem.name, None, None, "not installed"))
    for problem in [*absent, *refused]:
        finding = Finding("name", problem.error.message, problem.error.remedy or "rename it")
        for one in found:
            if one.name == problem.name and one.distribution != core_source().distribution:
                one.findings.insert(0, finding)
    _note_shared_names(found)
    _note_taken_commands(found)
    for one in found:
        one.findings.sort(key=lambda finding: finding.severity != "wrong")
    return sorted(found, key=lambda one: (one.name, one.origin))


def _sources(files: Sequence[Path]) -> tuple[list[Source], list[discovery.PluginProblem]]:
    installed, absent = discovery.installed()
    return [core_source(), *installed, *discovery.from_files(files)], absent


def _named(name: str, files: Sequence[Path]) -> list[Source]:
    """Plugins of that name, even where the switches turn them off."""
    installed = discovery.from_entry_points(entry_points(group=ENTRY_POINT_GROUP))
    everything = [core_source(), *installed, *discovery.from_files(files)]
    found = [source for source in everything if source.name == name]
    if not found:
        names = sorted({source.name for source in everything})
        near = suggest(name, names)
        raise UnknownComponentError(
            f"no plugin is called {name!r}",
            value=name,
            remedy=f"did you mean {near!r}?"
            if near
            else install_line(name) or f"plugins: {', '.join(names)}",
        )
    return found


# ---- one plugin --------------------------------------------------------------------------------


def _examine_one(source: Source, time_limit: float) -> Diagnosis:
    with tempfile.TemporaryDirectory(prefix="mm-doctor-", ignore_cleanup_errors=True) as folder:
        report, errors = Path(folder, "report.jsonl"), Path(folder, "errors.txt")
        report.touch()
        order = {
            "path": sys.path,
            "report": str(report),
            "seconds": 0.6 * time_limit,  # of a process that has yet to start
            "source": {**asdict(source), "file": None if source.file is None else str(source.file)},
        }
        # Files, not pipes: a process that the plugin left behind would keep a pipe open.
        with errors.open("wb") as stderr:
            code = _run([sys.executable, "-c", _PROBE, json.dumps(order)], stderr, time_limit)
        lines = [json.loads(line) for line in _complete_lines(report)]
        said = errors.read_text(encoding="utf-8", errors="replace")
    return _diagnosis(source, lines, _end(source, lines, code, said, time_limit))


def _run(command: list[str], stderr: Any, time_limit: float) -> int | None:
    """Exit code, or None where it was stopped after the time limit."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        return process.wait(time_limit)
    except subprocess.TimeoutExpired:
        _stop(process)
        return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, and on POSIX those it started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _complete_lines(report: Path) -> list[str]:
    lines = report.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]


def _diagnosis(source: Source, lines: list[dict[str, Any]], end: Finding | None) -> Diagnosis:
    found = Diagnosis(source.name, source.distribution, source.version, source.origin)
    for line in lines:
        for key, value in line.get("fact", {}).items():
            setattr(found, key, value)
        if "finding" in line:
            found.findings.append(Finding(**line["finding"]))
    if end is not None:
        found.findings.append(end)
    return found


def _end(
    source: Source, lines: list[dict[str, Any]], code: int | None, said: str, time_limit: float
) -> Finding | None:
    """A finding where the process did not come to its end."""
    if lines and "done" in lines[-1]:
        return None
    stage = next((line["stage"] for line in reversed(lines) if "stage" in line), "starting")
    place = _place(said)
    if code is None:
        message = f"not done after {time_limit:g} s of {stage}{place}"
        return Finding("timeout", message, _without(source))
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return Finding("crash", f"it ended the process {how} while {stage}{place}", _without(source))


def _place(stderr: str) -> str:
    """The place that a traceback of faulthandler, or else of Python, ends in, less libraries."""
    _, dumped, frames = stderr.partition("most recent call first):")
    places = re.findall(r'  File "(.+?)", line (\d+)', frames or stderr)
    library = sysconfig.get_path("stdlib")
    theirs = [(f, n) for f, n in places if not f.startswith(("<", library)) or "-packages" in f]
    if not theirs:
        return ""
    file, line = theirs[0] if dumped else theirs[-1]
    return f" ({file}, line {line})"


def _without(source: Source) -> str:
    if source.file is not None or source.name == CORE:
        return f"correct {source.file or source.module}"
    return (
        f"go on without it: MM_DISABLE_PLUGINS={source.name}; or "
        f"pip uninstall {source.distribution or source.name}"
    )


# ---- several plugins ---------------------------------------------------------------------------


def _note_shared_names(found: Sequence[Diagnosis]) -> None:
    """Short names that several plugins offer: only the full id works there."""
    offers: dict[tuple[str, str], list[tuple[Diagnosis, str]]] = defaultdict(list)
    for one in found:
        for kind, ids in one.components.items():
            for id_ in ids if kind not in _SHARED_BY_DESIGN else ():
                offers[kind, id_.partition(":")[2]].append((one, id_))
    for (kind, short), several in offers.items():
        ids = sorted({id_ for _, id_ in several})
        for one, id_ in several if len(ids) > 1 else ():
            one.findings.append(
                Finding(
                    "shared-name",
                    f"the {kind.replace('_', ' ')} {short!r} is offered by several plugins: "
                    f"{', '.join(ids)}",
                    f"write {id_!r} in full",
                    severity="advice",
                )
            )


def _note_taken_commands(found: Sequence[Diagnosis]) -> None:
    """Commands that are called like one of the core's, which comes first."""
    for one in found:
        for id_ in one.components.get("command", ()) if one.name != CORE else ():
            name = id_.partition(":")[2]
            if name in COMMANDS or name == GROUP:
                one.findings.append(
                    Finding(
                        "command-name",
                        f"the command {name!r} is the core's: that of this plugin is `mm {id_}`",
                        f"call it something else than {name!r}",
                    )
                )
