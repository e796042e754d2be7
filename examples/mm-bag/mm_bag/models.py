"""Models inside a model. Imports no torch but what the members do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from mm_core.api import Batch, Engine, EngineContext, Fitted, RunSettings
from mm_core.api.tools import load_model, save_model

from mm_bag.votes import mean, votes_of


class Models(Engine):
    """The mean of what several models say.

    Args:
        members: name -> models of it, one a fold, each with what came of its fit.
    """

    reads_rows = True

    def __init__(self, members: Mapping[str, Sequence[Fitted]]) -> None:
        self.members = {name: list(models) for name, models in members.items()}

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """``logits`` float32 [B, D]; each model encodes the rows by its own processors."""
        assert batch.table is not None
        inside = RunSettings(device=settings.device, precision=settings.precision)
        votes = []
        for models in self.members.values():
            for fitted in models:
                vote, bad = votes_of(fitted.model, batch.table, inside)
                votes.append(vote)
                batch.bad += [cell for cell in bad if cell not in batch.bad]
        return {"logits": mean(votes).logits}

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Each model as the core writes it, in a folder of its own."""
        for name, models in self.members.items():
            for fold, fitted in enumerate(models):
                place = folder / _folder(name, fold)
                save_model(
                    fitted.model, fitted.result, context.registry, place, standalone=standalone
                )
        return {"members": {name: len(models) for name, models in self.members.items()}}

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """Each model as the core reads it.

        Raises:
            ArtifactError: one is damaged, or needs plugins.
        """
        return cls(
            {
                name: [
                    Fitted(*load_model(folder / _folder(name, fold), context.registry))
                    for fold in range(folds)
                ]
                for name, folds in values["members"].items()
            }
        )


def _folder(member: str, fold: int) -> str:
    return f"{member}-{fold}"
