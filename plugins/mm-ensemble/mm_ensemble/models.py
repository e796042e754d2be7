"""Models inside a model. Imports no torch but what the members do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mm_core.api import Batch, Engine, EngineContext, Fitted, RunSettings, Table
from mm_core.api.tools import load_model, save_model
from mm_ensemble.columns import beside
from mm_ensemble.stacking import Said
from mm_ensemble.votes import Votes, mean, votes_of


@dataclass(frozen=True)
class Member:
    """Models that count as one.

    Attributes:
        models: one, or one a fold, each with what came of its fit.
        weight: of their mean, >= 0.
    """

    models: Sequence[Fitted]
    weight: float


@dataclass(frozen=True)
class Second:
    """A second layer: members that read a row's columns, and what the first layer says of it.

    Attributes:
        members: by name.
        said: the columns that the first layer's answers become.
    """

    members: Mapping[str, Member] = field(default_factory=dict)
    said: Said = field(default_factory=Said)


class Models(Engine):
    """The weighted mean of what several models say.

    Args:
        members: by name; of a weight that may be 0.
        second: members that read what these say.
        anew: models of all rows, which take the place of a member's own when the engine is ready:
            until then, while the task is calibrated, those answer that have not seen the rows.
    """

    reads_rows = True

    def __init__(
        self,
        members: Mapping[str, Member],
        second: Second | None = None,
        anew: Mapping[str, Fitted] | None = None,
    ) -> None:
        self.members = dict(members)
        self.second = second or Second()
        self._anew = dict(anew or {})

    def ready(self) -> None:
        """From now on the models of all rows answer, where there are any."""
        for name, fitted in self._anew.items():
            self.members[name] = Member([fitted], self.members[name].weight)
        self._anew = {}

    @property
    def all_members(self) -> dict[str, Member]:
        """Of both layers."""
        return {**self.members, **self.second.members}

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """``logits`` float32 [B, D]; each model encodes the rows by its own processors."""
        assert batch.table is not None
        inside = RunSettings(device=settings.device, precision=settings.precision)
        asked = {name for name, member in self.members.items() if member.weight}
        stacked = {name: one for name, one in self.second.members.items() if one.weight}
        if stacked:
            asked |= set(self.second.said.members)
        votes = {
            name: self._ask(member, batch.table, batch, inside)
            for name, member in self.members.items()
            if name in asked
        }
        if stacked:
            table = beside(batch.table, [self.second.said.columns(votes)])
            votes |= {n: self._ask(one, table, batch, inside) for n, one in stacked.items()}
        weights = {name: one.weight for name, one in self.all_members.items() if one.weight}
        return {"logits": mean([votes[name] for name in weights], list(weights.values())).logits}

    def _ask(self, member: Member, table: Table, batch: Batch, settings: RunSettings) -> Votes:
        """The mean of a member's models; cells that they cannot read are noted in the batch."""
        votes = []
        for fitted in member.models:
            vote, bad = votes_of(fitted.model, table, settings)
            votes.append(vote)
            batch.bad += [cell for cell in bad if cell not in batch.bad]
        return mean(votes)

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Each model as the core writes it, in a folder of its own."""
        for name, member in self.all_members.items():
            for fold, fitted in enumerate(member.models):
                place = folder / folder_of(name, fold)
                save_model(
                    fitted.model, fitted.result, context.registry, place, standalone=standalone
                )
        values = {"members": _values(self.members)}
        if self.second.members:
            values["second"] = _values(self.second.members)
            values["said"] = self.second.said.values()
        return values

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """Each model as the core reads it.

        Raises:
            ArtifactError: one is damaged, or needs plugins.
        """

        def members(of: Mapping[str, Any]) -> dict[str, Member]:
            return {
                name: Member(
                    [
                        Fitted(*load_model(folder / folder_of(name, fold), context.registry))
                        for fold in range(int(said["models"]))
                    ],
                    float(said["weight"]),
                )
                for name, said in of.items()
            }

        if "second" not in values:
            return cls(members(values["members"]))
        said = Said.of_values(values["said"])
        return cls(members(values["members"]), Second(members(values["second"]), said))


def _values(members: Mapping[str, Member]) -> dict[str, Any]:
    return {
        name: {"models": len(member.models), "weight": member.weight}
        for name, member in members.items()
    }


def folder_of(member: str, fold: int) -> str:
    """Where a model lies in the folder of the engine."""
    return f"{member}-{fold}"
