"""Which weights a backbone starts from: candidates in order, sources in order, every miss said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mm_core.api.errors import CheckpointError
from mm_core.api.specs import Checkpoint, CheckpointMiss, CheckpointSourceSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.parts import BackbonePart

RANDOM = "random"
"""The checkpoint name that means: no weights, start from random ones."""


@dataclass(frozen=True)
class Found:
    """A checkpoint and why it was taken; ``checkpoint`` is None for ``random``."""

    name: str
    checkpoint: Checkpoint | None
    reason: str


class CheckpointFinder:
    """Asks the installed sources; remembers what it found, and which sources are out of reach."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._unreachable: dict[str, CheckpointMiss] = {}
        self._answers: dict[tuple[str, str], Checkpoint | CheckpointMiss] = {}

    def find(self, backbone: str, candidates: Sequence[str]) -> Found:
        """The first candidate that some source can give.

        Raises:
            CheckpointError: none can be had; lists what was tried and what could be installed.
        """
        tried: list[str] = []
        remedies: list[str] = []
        for name in candidates:
            if name == RANDOM:
                return Found(RANDOM, None, "random weights were asked for")
            for source in self._sources(backbone):
                answer = self._ask(source, name)
                if isinstance(answer, Checkpoint):
                    return Found(name, answer, _reason(answer, tried))
                tried.append(f"{name} from {source.id}: {answer.reason}")
                if answer.remedy and answer.remedy not in remedies:
                    remedies.append(answer.remedy)
        raise CheckpointError(
            f"no checkpoint for {backbone} can be had; tried:\n    " + "\n    ".join(tried),
            plugin=backbone,
            value=list(candidates),
            remedy="; or ".join(
                [*remedies, "give a folder: checkpoint=./weights", "checkpoint=random"]
            ),
        )

    def of(self, part: BackbonePart) -> Checkpoint | None:
        """What a backbone of a recipe starts from; None: random weights, or it knows no other.

        Raises:
            CheckpointError: it cannot be had.
        """
        name = part.config.get("checkpoint")
        return None if name is None else self.find(part.id, [name]).checkpoint

    def _sources(self, backbone: str) -> list[Component[CheckpointSourceSpec]]:
        sources = self._registry.all(CheckpointSourceSpec)
        serving = [source for source in sources if backbone in source.spec.backbones]
        return sorted(serving, key=lambda source: (source.spec.order, source.id))

    def _ask(
        self, source: Component[CheckpointSourceSpec], name: str
    ) -> Checkpoint | CheckpointMiss:
        if source.id in self._unreachable:
            return self._unreachable[source.id]
        key = (source.id, name)
        if key not in self._answers:
            self._answers[key] = source.load()(name)
        answer = self._answers[key]
        if isinstance(answer, CheckpointMiss) and answer.unreachable:
            self._unreachable[source.id] = answer
        return answer


def _reason(found: Checkpoint, tried: Sequence[str]) -> str:
    passed = list(dict.fromkeys(line.split(" from ")[0] for line in tried))
    passed = [name for name in passed if name != found.name]
    before = f"; not to be had before it: {', '.join(passed)}" if passed else ""
    return f"{found.source}{before}"
