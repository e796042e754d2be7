"""Which weights a backbone starts from: candidates in order, sources in order, every miss said.

Planning asks (:meth:`CheckpointFinder.find`) and downloads nothing; building fetches
(:meth:`CheckpointFinder.fetch`), so that plugins are only given what lies on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mm_core.api.checkpoints import (
    Checkpoint,
    CheckpointFormat,
    CheckpointFormatSpec,
    CheckpointMiss,
    CheckpointSourceSpec,
)
from mm_core.api.errors import CheckpointError
from mm_core.api.specs import BackboneSpec
from mm_core.plugins.registry import Component, Registry

RANDOM = "random"
"""The checkpoint name that means: no weights, start from random ones."""

_SHOWN = 12
"""Characters of a commit in plans."""


@dataclass(frozen=True)
class Found:
    """A checkpoint and why it was taken; ``checkpoint`` is None for ``random``.

    Attributes:
        name: the candidate.
        checkpoint: what a source said; perhaps not on this machine yet.
        reason: where it comes from, in words.
        source: that gave it.
        format: that it has.
    """

    name: str
    checkpoint: Checkpoint | None
    reason: str
    source: Component[CheckpointSourceSpec] | None = None
    format: CheckpointFormat | None = None


@dataclass
class _Tried:
    """What could not be had, and what could be done about it."""

    names: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)

    def add(self, name: str, source: str, miss: CheckpointMiss) -> None:
        line = f"{name} from {source}: {miss.reason}"
        self.names += [name] if name not in self.names else []
        self.lines += [line] if line not in self.lines else []
        if miss.remedy and miss.remedy not in self.remedies:
            self.remedies.append(miss.remedy)


class CheckpointFinder:
    """Asks the installed sources; remembers what it found, and which sources are out of reach."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._formats: dict[str, CheckpointFormat] = {}
        self._unreachable: dict[str, CheckpointMiss] = {}
        self._answers: dict[tuple[str, str, str], Checkpoint | CheckpointMiss] = {}
        self._fetched: dict[tuple[str, str, str], Checkpoint] = {}

    def find(self, backbone: str, candidates: Sequence[str]) -> Found:
        """The first candidate that some source can give; nothing is downloaded.

        Args:
            backbone: id of the backbone, which says what formats it reads.
            candidates: names in order of preference.

        Raises:
            CheckpointError: none can be had; lists what was tried and what could be installed.
            UnknownComponentError: the backbone reads a format that no plugin has.
        """
        tried = _Tried()
        formats = self.formats(backbone)
        for name in candidates:
            if name == RANDOM:
                return Found(RANDOM, None, "random weights were asked for")
            for source in self._sources():
                for id, format in formats.items():
                    if not _serves(source.spec, id, format):
                        continue
                    answer = self._ask(source, name, id, format)
                    if isinstance(answer, Checkpoint):
                        reason = _reason(answer, [one for one in tried.names if one != name])
                        return Found(name, answer, reason, source, format)
                    tried.add(name, source.id, answer)
        raise _nothing(backbone, list(candidates), list(formats), tried)

    def fetch(self, backbone: str, name: str | None) -> Checkpoint | None:
        """The checkpoint of that name on this machine, fetched once; None for ``random`` or None.

        Raises:
            CheckpointError: as :meth:`find`; or it cannot be fetched, or is not what its source
                said.
        """
        if name is None:
            return None
        found = self.find(backbone, [name])
        checkpoint, source, format = found.checkpoint, found.source, found.format
        if checkpoint is None or checkpoint.local or source is None or format is None:
            return checkpoint
        key = (source.id, checkpoint.format, checkpoint.name)
        if key not in self._fetched:
            answer = source.load("fetch")(checkpoint, format)
            if isinstance(answer, CheckpointMiss) or not answer.local:
                reason = answer.reason if isinstance(answer, CheckpointMiss) else "it is not there"
                raise CheckpointError(
                    f"{name!r} was fetched from {checkpoint.source}, but cannot be read: {reason}",
                    plugin=source.id,
                    value=name,
                    remedy="name another checkpoint",
                )
            self._fetched[key] = answer
        return self._fetched[key]

    def formats(self, backbone: str) -> dict[str, CheckpointFormat]:
        """Id -> format, of all that a backbone reads, in its order.

        Raises:
            UnknownComponentError: no plugin has one of them.
        """
        component = self._registry.get(BackboneSpec, backbone)
        ids = {format.id for format in self._registry.all(CheckpointFormatSpec)}
        found = {}
        for name in component.spec.formats:
            own = f"{component.plugin.name}:{name}"
            chosen = self._registry.get(CheckpointFormatSpec, own if own in ids else name)
            if chosen.id not in self._formats:
                self._formats[chosen.id] = chosen.load()(chosen.spec)
            found[chosen.id] = self._formats[chosen.id]
        return found

    def _sources(self) -> list[Component[CheckpointSourceSpec]]:
        sources = self._registry.all(CheckpointSourceSpec)
        return sorted(sources, key=lambda source: (source.spec.order, source.id))

    def _ask(
        self,
        source: Component[CheckpointSourceSpec],
        name: str,
        format_id: str,
        format: CheckpointFormat,
    ) -> Checkpoint | CheckpointMiss:
        if source.id in self._unreachable:
            return self._unreachable[source.id]
        key = (source.id, format_id, name)
        if key not in self._answers:
            self._answers[key] = source.load()(name, format)
        answer = self._answers[key]
        if isinstance(answer, CheckpointMiss) and answer.unreachable:
            self._unreachable[source.id] = answer
        return answer


def _serves(source: CheckpointSourceSpec, id: str, format: CheckpointFormat) -> bool:
    return not source.formats or bool({id, format.name} & set(source.formats))


def _reason(found: Checkpoint, passed: Sequence[str]) -> str:
    where = found.source
    if not found.local:
        commit = f" at {found.revision[:_SHOWN]}" if found.revision else ""
        where = f"{where}: {found.location}{commit}, fetched when the model is built"
    return where + (f"; not to be had before it: {', '.join(passed)}" if passed else "")


def _nothing(
    backbone: str, candidates: list[str], formats: list[str], tried: _Tried
) -> CheckpointError:
    if not formats:
        return CheckpointError(
            f"{backbone} starts from no checkpoint: it names no format that it reads",
            plugin=backbone,
            value=candidates,
            remedy="checkpoint=random",
        )
    return CheckpointError(
        f"no checkpoint for {backbone} can be had; tried:\n    " + "\n    ".join(tried.lines),
        plugin=backbone,
        value=candidates,
        remedy="; or ".join(
            [*tried.remedies, "give a folder: checkpoint=./weights", "checkpoint=random"]
        ),
    )
