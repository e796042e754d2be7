"""Find plugins: read entry-point metadata, import nothing."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from mm_core.api.config import suggest
from mm_core.api.errors import MMError, PluginLoadError
from mm_core.api.hookspecs import ENTRY_POINT_GROUP
from mm_core.plugins.known import install_line

CORE = "core"
"""Name of the plugin that the core itself brings; no other may take it."""

_NAME = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True)
class Source:
    """A plugin that was found and not imported.

    Attributes:
        name: the entry point's name, or the stem of a one-file plugin.
        module: what to import; empty for a one-file plugin.
        distribution: the distribution it came with, or None.
        version: that distribution's version, or None.
        file: the file of a one-file plugin, or None.
    """

    name: str
    module: str
    distribution: str | None = None
    version: str | None = None
    file: Path | None = None

    @property
    def origin(self) -> str:
        """Where it came from, in words for an error."""
        if self.file is not None:
            return f"file {self.file}"
        return f"{self.distribution or 'unknown distribution'} {self.version or ''}".strip()


@dataclass(frozen=True)
class PluginProblem:
    """A plugin that is there but not used, and why.

    Attributes:
        name: name of the plugin.
        distribution: the distribution it came with (several, joined, where names clash), or None.
        version: the version of that distribution, or None.
        error: the cause, with a remedy.
    """

    name: str
    distribution: str | None
    version: str | None
    error: MMError


def installed(environ: Mapping[str, str] = os.environ) -> tuple[list[Source], list[PluginProblem]]:
    """The installed plugins that ``MM_PLUGINS`` and ``MM_DISABLE_PLUGINS`` let through."""
    sources = from_entry_points(entry_points(group=ENTRY_POINT_GROUP))
    names = {source.name for source in sources}
    disabled = _names(environ.get("MM_DISABLE_PLUGINS", ""))
    if "MM_PLUGINS" not in environ:
        return [source for source in sources if source.name not in disabled], []
    wanted = _names(environ["MM_PLUGINS"]) - {CORE}
    absent = [_not_installed(name, sorted(names)) for name in sorted(wanted - names)]
    return [source for source in sources if source.name in wanted - disabled], absent


def from_entry_points(found: Iterable[EntryPoint]) -> list[Source]:
    """Sources of entry points, sorted by name."""
    return sorted((_source(entry) for entry in found), key=lambda source: source.name)


def from_files(files: Sequence[Path]) -> list[Source]:
    """Sources of one-file plugins, in the order given; the same file twice counts once."""
    unique = dict.fromkeys(Path(file).expanduser().resolve() for file in files)
    return [Source(name=file.stem, module="", file=file) for file in unique]


def refuse_unusable_names(
    sources: Sequence[Source],
) -> tuple[list[Source], list[PluginProblem]]:
    """Take out plugins whose name is reserved, malformed, or used more than once."""
    by_name: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_name[source.name].append(source)
    usable: list[Source] = []
    problems: list[PluginProblem] = []
    for name, group in sorted(by_name.items()):
        error = _name_error(name, group)
        if error is None:
            usable.extend(group)
        else:
            problems.append(
                PluginProblem(
                    name,
                    ", ".join(sorted(s.distribution for s in group if s.distribution)) or None,
                    group[0].version if len(group) == 1 else None,
                    error,
                )
            )
    return usable, problems


def _source(entry: EntryPoint) -> Source:
    distribution = entry.dist
    if distribution is None:
        return Source(name=entry.name, module=entry.value)
    return Source(entry.name, entry.value, distribution.name, distribution.version)


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def _not_installed(name: str, known: list[str]) -> PluginProblem:
    near = suggest(name, known)
    remedy = (
        f"did you mean {near!r}?"
        if near
        else install_line(name) or f"installed: {', '.join(known) or 'none'}"
    )
    error = PluginLoadError(
        f"MM_PLUGINS names the plugin {name!r}, which is not installed",
        plugin=name,
        value=name,
        remedy=remedy,
    )
    return PluginProblem(name, None, None, error)


def _name_error(name: str, group: Sequence[Source]) -> PluginLoadError | None:
    if len(group) > 1:
        origins = sorted(source.origin for source in group)
        return PluginLoadError(
            f"the plugin name {name!r} is used by {' and by '.join(origins)}; none of them is used",
            plugin=name,
            value=origins,
            remedy="uninstall or rename all but one of them",
        )
    if name == CORE:
        return PluginLoadError(
            f"{group[0].origin} calls its plugin {CORE!r}, a name kept for mm-core itself",
            plugin=name,
            remedy="give the entry point another name",
        )
    if not _NAME.fullmatch(name) or (group[0].file is not None and not name.isidentifier()):
        return PluginLoadError(
            f"{name!r} ({group[0].origin}) cannot be the name of a plugin",
            plugin=name,
            value=name,
            remedy="use lower-case letters, digits and '_'",
        )
    return None
