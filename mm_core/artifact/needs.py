"""What a saved model needs of its surroundings, checked all at once before anything is built."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mm_core.api.errors import ArtifactError, PluginError
from mm_core.api.specs import ComponentSpec
from mm_core.artifact.components import component_ids
from mm_core.artifact.manifest import Manifest, PluginRecord
from mm_core.plugins import Plugin, Registry
from mm_core.plugins.discovery import CORE


@dataclass(frozen=True)
class Need:
    """A plugin that the model needs.

    Attributes:
        plugin: its name.
        record: what was written down of it when the model was saved; None in an altered model.
        components: kind and id of what the model uses of it.
    """

    plugin: str
    record: PluginRecord | None
    components: tuple[tuple[type[ComponentSpec], str], ...]

    @property
    def ids(self) -> list[str]:
        """Ids of its components; its own name where there are none."""
        return list(dict.fromkeys(name for _, name in self.components)) or [self.plugin]


@dataclass(frozen=True)
class Lack:
    """A need that is not met: ``requirement`` is for pip, ``remedy`` is anything else to do."""

    need: Need
    message: str
    requirement: str | None = None
    remedy: str | None = None


def check_needs(manifest: Manifest, registry: Registry) -> None:
    """Refuse a model whose plugins are missing, broken, too old, or not the same files.

    A newer version of a plugin is fine.

    Raises:
        ArtifactError: names everything at once. ``plugin`` is the first plugin concerned, ``value``
            lists the ids of all components that cannot be had, ``remedy`` begins with one line for
            pip that installs all that pip can.
    """
    lacks = [lack for need in needs(manifest, registry) for lack in _lacks(need, registry)]
    if lacks:
        raise ArtifactError(
            "the model needs what is not here:\n    " + "\n    ".join(one.message for one in lacks),
            plugin=lacks[0].need.plugin,
            value=list(dict.fromkeys(name for lack in lacks for name in lack.need.ids)),
            remedy=_remedy(lacks),
        )


def needs(manifest: Manifest, registry: Registry) -> list[Need]:
    """The core, and each plugin that the model's recipe or its records name, sorted by name."""
    records = {record.name: record for record in manifest.plugins}
    records[CORE] = PluginRecord(name=CORE, distribution="mm-core", version=manifest.mm_core)
    components = list(component_ids(manifest.recipe, manifest.engine.id, registry))
    names = {*records, *(_plugin(name) for _, name in components)}
    return [
        Need(name, records.get(name), tuple(one for one in components if _plugin(one[1]) == name))
        for name in sorted(names)
    ]


def _plugin(component: str) -> str:
    return component.partition(":")[0]


def _lacks(need: Need, registry: Registry) -> Iterator[Lack]:
    plugin = next((one for one in registry.plugins if one.name == need.plugin), None)
    lack = _absent(need, registry) if plugin is None else _unfit(need, plugin)
    if lack is not None:
        yield lack
        return
    for kind, name in need.components:
        try:
            registry.get(kind, name)
        except PluginError as error:
            only = Need(need.plugin, need.record, ((kind, name),))
            yield Lack(only, error.message, remedy=error.remedy)


def _absent(need: Need, registry: Registry) -> Lack | None:
    """Why the plugin is not among the loaded ones; None where only a look-up could tell."""
    for problem in registry.problems:
        if problem.name == need.plugin:
            return Lack(need, problem.error.message, remedy=problem.error.remedy)
    record = need.record
    gives = f"plugin {need.plugin!r}, which gives {', '.join(need.ids)},"
    if record is not None and record.sha256 is not None:
        return Lack(need, f"{gives} is a file of its own and was not given", remedy=_file(record))
    if record is None or record.distribution is None:
        return None
    here = _installed(record.distribution)
    if here is None:
        saved = f"the model was saved with {_origin(record)}"
        message = f"{gives} is not installed; {saved}"
        return Lack(need, message, requirement=_requirement(record))
    if _older(here, record.version):
        return _too_old(need, record, here)
    return Lack(
        need,
        f"{gives} is installed ({record.distribution} {here}) and not in use",
        remedy="see MM_PLUGINS and MM_DISABLE_PLUGINS",
    )


def _unfit(need: Need, plugin: Plugin) -> Lack | None:
    """Why the plugin that is loaded under this name is not the one to use."""
    record = need.record
    if record is None:
        return None
    if record.sha256 is not None and plugin.sha256 != record.sha256:
        return Lack(
            need,
            f"the file of {record.name!r} is not the one the model was made with",
            remedy=_file(record),
        )
    if _same(plugin.distribution, record.distribution) and _older(plugin.version, record.version):
        return _too_old(need, record, plugin.version)
    return None


def _too_old(need: Need, record: PluginRecord, here: str | None) -> Lack:
    return Lack(
        need,
        f"{record.distribution} {here} is older than the {record.version} that the model was "
        "saved with",
        requirement=_requirement(record),
    )


def _installed(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _same(distribution: str | None, other: str | None) -> bool:
    if distribution is None or other is None:
        return False
    return canonicalize_name(distribution) == canonicalize_name(other)


def _older(here: str | None, saved: str | None) -> bool:
    """Whether the version here is known to be older; local parts ("+cpu") are nobody's order."""
    ours, theirs = _public(here), _public(saved)
    return ours is not None and theirs is not None and ours < theirs


def _public(version: str | None) -> Version | None:
    try:
        return None if version is None else Version(Version(version).public)
    except InvalidVersion:
        return None


def _origin(record: PluginRecord) -> str:
    return f"{record.distribution} {record.version or ''}".strip()


def _requirement(record: PluginRecord) -> str:
    version = _public(record.version)
    return f"{record.distribution}" if version is None else f"'{record.distribution}>={version}'"


def _file(record: PluginRecord) -> str:
    return (
        f"give the same file, of sha256 {(record.sha256 or '')[:12]}...: "
        f"plugins=['{record.name}.py'] (--plugin {record.name}.py)"
    )


def _remedy(lacks: Sequence[Lack]) -> str:
    required = dict.fromkeys(one.requirement for one in lacks if one.requirement is not None)
    others = dict.fromkeys(one.remedy for one in lacks if one.remedy is not None)
    pip = [f"pip install {' '.join(required)}"] if required else []
    return "; ".join([*pip, *others])
