"""Looks at one plugin, in a process of its own: run by the doctor.

What is found is written line by line to a file, so that a process that hangs or crashes has told
how far it came. Standard output belongs to the plugin.
"""

from __future__ import annotations

import faulthandler
import json
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from mm_core.api.config import suggest
from mm_core.api.errors import IncompatiblePluginError, PluginLoadError
from mm_core.api.specs import ComponentSpec
from mm_core.plugins.discovery import Source
from mm_core.plugins.loading import component_hooks, import_light, load
from mm_core.testing.authoring.findings import Finding
from mm_core.testing.authoring.heavy import HeavyImport, heavy_imports
from mm_core.testing.authoring.inspection import Inspection

MOST_CPU_MS = 50.0
"""A light module that takes more processor time to import is slow."""

MOST_WAIT_MS = 1000.0
"""A light module that takes longer by the clock is slow too: it waits for something."""

_CORE = str(Path(__file__).parents[2])

_MARK = "mm_core_impl"
"""What ``@hookimpl`` leaves on a function."""


class Report:
    """The lines that the doctor reads: a stage before it begins, facts, findings."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def stage(self, text: str) -> None:
        """What is being done from now on, for "it crashed while ..."."""
        self._write({"stage": text})

    def fact(self, **facts: Any) -> None:
        """Fields of the :class:`~mm_core.testing.authoring.findings.Diagnosis`."""
        self._write({"fact": facts})

    def finding(self, finding: Finding) -> None:
        """Something that should be otherwise."""
        self._write({"finding": asdict(finding)})

    def done(self) -> None:
        """The process came to its end."""
        self._write({"done": True})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def main(order: dict[str, Any]) -> None:
    """Examine the plugin that ``order`` describes, see :func:`.doctor.examine`."""
    faulthandler.enable()
    faulthandler.dump_traceback_later(order["seconds"])  # says where it hangs
    file = order["source"].pop("file")
    source = Source(**order["source"], file=None if file is None else Path(file))
    with Path(order["report"]).open("a", encoding="utf-8") as lines:
        report = Report(lines)
        _examine(source, report)
        report.done()
    faulthandler.cancel_dump_traceback_later()


def _examine(source: Source, report: Report) -> None:
    with heavy_imports() as heavy:
        report.stage(f"importing its light module {source.module or source.file}")
        cpu, clock = time.process_time(), time.perf_counter()
        try:
            module, _ = import_light(source)
        except PluginLoadError as error:
            report.finding(_finding("import", error))
            return
        cpu_ms = 1000 * (time.process_time() - cpu)
        clock_ms = 1000 * (time.perf_counter() - clock)
        report.fact(import_ms=round(cpu_ms, 1))
        specs = _loaded(source, module, report)
        inspection = Inspection(source, module, specs, report.stage, report.finding)
        inspection.light()
    light = [one for one in heavy.values() if one.direct] if source.file is None else []
    report.fact(heavy=sorted(heavy) if light else [])
    for one in light:
        report.finding(_heavy(one, sorted(set(heavy) - {each.name for each in light})))
    if not light and source.file is None and (cpu_ms > MOST_CPU_MS or clock_ms > MOST_WAIT_MS):
        report.finding(_slow(source, cpu_ms, clock_ms))
    inspection.heavy()


def _loaded(source: Source, module: ModuleType, report: Report) -> list[ComponentSpec]:
    """What its hooks return; nothing where they are not as they should be."""
    report.stage("calling its hooks")
    try:
        plugin, specs = load(source)
    except IncompatiblePluginError as error:  # hooks of another API are not misspelt
        report.fact(api=list(error.value))
        report.finding(_finding("api", error))
        return []
    except PluginLoadError as error:
        misspelt = [*_misspelt(module), *_unmarked(module)]
        for finding in misspelt or [_finding("hook", error)]:
            report.finding(finding)
        return []
    for finding in _unmarked(module):
        report.finding(finding)
    components: dict[str, list[str]] = {}
    for spec in specs:
        components.setdefault(spec.kind, []).append(f"{source.name}:{spec.name}")
    report.fact(api=list(plugin.info.api), components=components)
    if plugin.info.samples is None:
        report.finding(_no_samples(source))
    return specs


def _misspelt(module: ModuleType) -> list[Finding]:
    known = ["mm_plugin_info", *component_hooks()]
    found = []
    for name, value in vars(module).items():
        options = getattr(value, _MARK, None)
        if isinstance(options, dict) and (options.get("specname") or name) not in known:
            near = suggest(name, known)
            found.append(
                Finding(
                    "misspelt-hook",
                    f"there is no hook {name!r} ({_line(value)})",
                    f"rename it to {near}" if near else f"hooks are: {', '.join(known)}",
                )
            )
    return found


def _unmarked(module: ModuleType) -> list[Finding]:
    return [
        Finding(
            "unmarked-hook",
            f"{name} has no @hookimpl, so nobody calls it ({_line(value)})",
            f"write @hookimpl (from mm_core.api) above {name}",
        )
        for name, value in vars(module).items()
        if name in ("mm_plugin_info", *component_hooks())
        and callable(value)
        and not hasattr(value, _MARK)
    ]


def _line(function: Any) -> str:
    code = getattr(function, "__code__", None)
    return "?" if code is None else f"{code.co_filename}, line {code.co_firstlineno}"


def _finding(code: str, error: PluginLoadError) -> Finding:
    """A loading error, with the line of the plugin that it came from."""
    cause = error.__cause__
    frames = [] if cause is None else traceback.extract_tb(cause.__traceback__)
    theirs = [f for f in frames if not f.filename.startswith(("<", _CORE))]
    place = f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""
    message = error.value if isinstance(error.value, str) else error.message
    return Finding(code, f"{message}{place}", error.remedy or "correct the plugin")


def _heavy(one: HeavyImport, others: list[str]) -> Finding:
    also = f" and with it {', '.join(others)}" if others else ""
    return Finding(
        "heavy-import",
        f"its light modules import {one.name}{also} ({one.place})",
        f"import {one.name} in the modules that targets name, or inside functions: every mm "
        "command pays for it",
    )


def _slow(source: Source, cpu_ms: float, clock_ms: float) -> Finding:
    return Finding(
        "slow-import",
        f"its light module takes {cpu_ms:.0f} ms of processor time and {clock_ms:.0f} ms by the "
        "clock to import",
        f"see what: python -X importtime -c 'import {source.module}'; every mm command pays for it",
        severity="advice",
    )


def _no_samples(source: Source) -> Finding:
    package = source.module.partition(".")[0] or source.name
    return Finding(
        "samples",
        "it names no samples, so its components cannot be tried on cells of its own",
        f'PluginInfo(..., samples="{package}.samples:SAMPLES")',
        severity="advice",
    )
