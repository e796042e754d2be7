"""Models inside a model. Imports no torch but what the members do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mm_core.api import Batch, Engine, EngineContext, Fitted, RunSettings
from mm_core.api.tools import load_model, save_model
from mm_ensemble.votes import mean, votes_of


@dataclass(frozen=True)
class Member:
    """Models that count as one.

    Attributes:
        models: one, or one a fold, each with what came of its fit.
        weight: of their mean, >= 0.
    """

    models: Sequence[Fitted]
    weight: float


class Models(Engine):
    """The weighted mean of what several models say.

    Args:
        members: by name.
    """

    reads_rows = True

    def __init__(self, members: Mapping[str, Member]) -> None:
        self.members = dict(members)

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """``logits`` float32 [B, D]; each model encodes the rows by its own processors."""
        assert batch.table is not None
        inside = RunSettings(device=settings.device, precision=settings.precision)
        votes, weights = [], []
        for member in self.members.values():
            for fitted in member.models if member.weight else ():
                vote, bad = votes_of(fitted.model, batch.table, inside)
                votes.append(vote)
                weights.append(member.weight / len(member.models))
                batch.bad += [cell for cell in bad if cell not in batch.bad]
        return {"logits": mean(votes, weights).logits}

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Each model as the core writes it, in a folder of its own."""
        for name, member in self.members.items():
            for fold, fitted in enumerate(member.models):
                place = folder / folder_of(name, fold)
                save_model(
                    fitted.model, fitted.result, context.registry, place, standalone=standalone
                )
        return {
            "members": {
                name: {"models": len(member.models), "weight": member.weight}
                for name, member in self.members.items()
            }
        }

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """Each model as the core reads it.

        Raises:
            ArtifactError: one is damaged, or needs plugins.
        """
        return cls(
            {
                name: Member(
                    [
                        Fitted(*load_model(folder / folder_of(name, fold), context.registry))
                        for fold in range(int(said["models"]))
                    ],
                    float(said["weight"]),
                )
                for name, said in values["members"].items()
            }
        )


def folder_of(member: str, fold: int) -> str:
    """Where a model lies in the folder of the engine."""
    return f"{member}-{fold}"
