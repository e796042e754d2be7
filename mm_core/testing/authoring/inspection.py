"""Are the names in a plugin's specs true? Targets, config classes, detectors, ids of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mm_core.api.config import Config, suggest
from mm_core.api.specs import ComponentSpec, PresetSpec
from mm_core.plugins.discovery import Source
from mm_core.testing.authoring.findings import Finding
from mm_core.testing.authoring.targets import missing_imports, missing_target

LIGHT_TARGETS = ("config", "detector", "claims", "says")
"""Attributes of specs that name something in a light module, which is imported here."""

_FUNCTIONS = {
    "detector": "(sample) -> Detection | None",
    "claims": "(data) -> bool",
    "says": "(planned) -> list[Note]",
}

HEAVY_TARGETS = ("target", "topology")
"""Attributes of specs that name something in a heavy module, whose source is read."""

REFERENCES = {
    "processor": "processor",
    "backbone": "backbone",
    "fusion": "fusion_head",
    "backbones": "backbone",
}
"""Attributes of specs that hold ids -> the kind of component meant."""


@dataclass(frozen=True)
class Inspection:
    """Of the specs of one plugin.

    Attributes:
        source: the plugin.
        module: its light module, in which a one-file plugin's targets are.
        specs: what its hooks returned.
        stage: told what is looked at next.
        report: told each finding.
    """

    source: Source
    module: ModuleType
    specs: Sequence[ComponentSpec]
    stage: Callable[[str], None]
    report: Callable[[Finding], None]

    def light(self) -> None:
        """Import config classes and detectors, and look for ids that lead nowhere."""
        self._targets(LIGHT_TARGETS)
        for finding in _dangling(self.source, self.specs):
            self.report(finding)

    def heavy(self) -> None:
        """Look for classes and topologies, and for what their modules import."""
        self._targets(HEAVY_TARGETS)

    def _targets(self, attributes: Sequence[str]) -> None:
        said: set[str] = set()  # several specs may name one module
        for spec in self.specs:
            for attribute in attributes:
                target = getattr(spec, attribute, None)
                if not isinstance(target, str):
                    continue
                self.stage(f"looking for the {attribute} {target!r} of {_owner(self.source, spec)}")
                for finding in _of_target(self.source, self.module, spec, attribute):
                    if finding.message not in said:
                        said.add(finding.message)
                        self.report(finding)


def _owner(source: Source, spec: ComponentSpec) -> str:
    return f"{spec.kind} {source.name}:{spec.name}"


def _of_target(
    source: Source, module: ModuleType, spec: ComponentSpec, attribute: str
) -> Iterator[Finding]:
    target = getattr(spec, attribute)
    where, _, name = target.partition(":")
    owner = _owner(source, spec)
    in_file = source.file is not None and where == source.name
    if in_file:
        if not hasattr(module, name):
            near = suggest(name, list(vars(module)))
            yield _unresolved(owner, attribute, target, f"{source.file} has no {name!r}", near)
    elif (why := missing_target(where, name)) is not None:
        yield _unresolved(owner, attribute, target, why, None)
        return
    elif attribute in HEAVY_TARGETS:
        yield from _missing(where, source)
        return
    if attribute in LIGHT_TARGETS:
        found = getattr(module if in_file else importlib.import_module(where), name, None)
        yield from _light(owner, attribute, target, found)


def _unresolved(owner: str, attribute: str, target: str, why: str, near: str | None) -> Finding:
    remedy = f"write {near!r}" if near else f"correct {attribute}={target!r} in the spec"
    return Finding("target", f"{owner}: {attribute} {target!r} leads nowhere: {why}", remedy)


def _missing(where: str, source: Source) -> Iterator[Finding]:
    for importer, wanted in missing_imports(where):
        top = wanted.partition(".")[0]
        own = top == where.partition(".")[0]
        yield Finding(
            "missing-import",
            f"{importer} imports {wanted!r}, which is not there",
            f"correct the import in {importer}"
            if own
            else f"install what brings the module {top!r}, and let {source.distribution or 'it'} "
            "depend on that",
        )


def _light(owner: str, attribute: str, target: str, found: Any) -> Iterator[Finding]:
    if attribute in _FUNCTIONS and not callable(found):
        yield Finding(
            "detector",
            f"{owner}: its {attribute} {target!r} is {found!r}, which cannot be called",
            f"name a function {_FUNCTIONS[attribute]}",
        )
    if attribute != "config":
        return
    if not (isinstance(found, type) and issubclass(found, Config)):
        yield Finding(
            "config",
            f"{owner}: its config {target!r} is {found!r}, not a subclass of mm_core.api.Config",
            "derive it from mm_core.api.Config",
        )
        return
    bare = [name for name, field in found.model_fields.items() if not field.description]
    if bare:
        yield Finding(
            "config",
            f"{owner}: settings without a description: {', '.join(bare)}",
            f"Field(..., description='...') in {target.replace(':', '.')}",
        )


def _dangling(source: Source, specs: Sequence[ComponentSpec]) -> Iterator[Finding]:
    """Ids with the plugin's own name that none of its components has."""
    own = {(spec.kind, f"{source.name}:{spec.name}") for spec in specs}
    for spec in specs:
        for kind, wanted in _references(spec):
            known = sorted(id_ for kind_, id_ in own if kind in (None, kind_))
            if wanted.partition(":")[0] != source.name or wanted in known:
                continue
            near = suggest(wanted, known)
            yield Finding(
                "id",
                f"{_owner(source, spec)} names {wanted!r}, and this plugin has no "
                f"such {(kind or 'component').replace('_', ' ')}",
                f"write {near!r}" if near else f"it has: {', '.join(known) or 'none'}",
            )


def _references(spec: ComponentSpec) -> Iterator[tuple[str | None, str]]:
    if isinstance(spec, PresetSpec):
        yield from ((None, component) for component in spec.components)
    for attribute, kind in REFERENCES.items():
        value = getattr(spec, attribute, None)
        for wanted in (value,) if isinstance(value, str) else value or ():
            yield kind, wanted
