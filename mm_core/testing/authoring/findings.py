"""What the doctor says of a plugin."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["wrong", "advice"]


@dataclass(frozen=True)
class Finding:
    """One thing that should be otherwise.

    Attributes:
        code: what kind of thing, for programs: ``"import"``, ``"heavy-import"``, ``"target"``, ...
        message: what it is, with the place where that is known.
        remedy: what to type or change.
        severity: ``"wrong"`` breaks the contract; ``"advice"`` works, and could be better.
    """

    code: str
    message: str
    remedy: str
    severity: Severity = "wrong"


@dataclass
class Diagnosis:
    """One plugin as its own process found it.

    Attributes:
        name: of the plugin.
        distribution: that it came with; None for a one-file plugin.
        version: of the distribution.
        origin: distribution and version, or the file, in words.
        api: the plugin API it was written for; None where it could not be asked.
        import_ms: processor milliseconds that the import of its light module took, or None.
        heavy: heavy modules that its light modules import.
        components: ids by kind.
        findings: the wrong ones first.
    """

    name: str
    distribution: str | None
    version: str | None
    origin: str
    api: list[int] | None = None
    import_ms: float | None = None
    heavy: list[str] = field(default_factory=list)
    components: dict[str, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """How many findings break the contract."""
        return sum(finding.severity == "wrong" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "wrong": self.wrong}
