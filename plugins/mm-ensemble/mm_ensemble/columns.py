"""What encoders say of rows, as columns of a table. Imports no torch but what the encoders do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from mm_core.api import BadCell, Batch, Engine, EngineContext, Fitted, RunSettings, Table
from mm_core.api.tools import Model, load_model, outputs, save_model
from mm_ensemble.pca import PCA, Array
from mm_ensemble.votes import votes_of

LEARNER = "learner"


@dataclass(frozen=True)
class Encoder:
    """A network, and what of its vectors becomes columns.

    Attributes:
        fitted: reads the columns of one modality.
        pca: of its vectors for the training rows.
        names: of the columns, one a component, then one an answer.
        tuned: networks that were fitted on the label, whose mean answer is columns too.
    """

    fitted: Fitted
    pca: PCA
    names: tuple[str, ...]
    tuned: tuple[Fitted, ...] = ()

    def columns(self, table: Table, settings: RunSettings) -> tuple[pd.DataFrame, list[BadCell]]:
        """float32 columns, missing where there is nothing to encode; cells that are unreadable."""
        vectors, bad = vectors_of(self.fitted.model, table, settings)
        said = [answers_of(one.model, table, settings) for one in self.tuned]
        return self.named(vectors, np.mean(said, axis=0) if said else None), bad

    def named(self, vectors: Array, answers: Array | None = None) -> pd.DataFrame:
        """The columns of vectors and answers that are there."""
        parts = [self.pca.apply(vectors)]
        if answers is not None:
            missing = np.isnan(vectors).any(axis=1, keepdims=True)
            parts.append(np.where(missing, np.nan, answers).astype(np.float32))
        return pd.DataFrame(np.concatenate(parts, axis=1), columns=list(self.names))


def vectors_of(model: Model, table: Table, settings: RunSettings) -> tuple[Array, list[BadCell]]:
    """float32 [N, D], what the backbones of a network say of rows, side by side.

    NaN where a row has nothing for a backbone to read.
    """
    engine, backbones = model.engine, model.recipe.backbones
    frame = model.pipeline.encode(table)
    size = engine.batch_size(model.recipe.training.batch_size, settings)
    parts: dict[str, Array] = {}
    bad = list(frame.bad)
    with engine.running(settings):
        for batch, unreadable in model.pipeline.arrays(frame, size):
            bad += [cell for cell in unreadable if cell not in bad]
            for name, part in backbones.items():
                found = engine.embed(batch, name, settings)
                there = np.any([batch.present[one] for one in part.inputs], axis=0)
                whole = parts.setdefault(
                    name, np.full((len(table), found.shape[1]), np.nan, dtype=np.float32)
                )
                whole[batch.row_ids[there]] = found[there]
    return np.concatenate([parts[name] for name in backbones], axis=1), bad


def answers_of(model: Model, table: Table, settings: RunSettings) -> Array:
    """float32 [N, K], what a network says of rows: of two classes the second one's probability."""
    votes, _ = votes_of(model, table, settings)  # what is unreadable the encoder has told
    found: Array = votes.columns.astype(np.float32)
    return found


class EncodedColumns(Engine):
    """A model on a table, of whose columns some are what encoders say of other columns.

    Args:
        encoders: by name of their modality.
        learner: answers.
    """

    reads_rows = True

    def __init__(self, encoders: Mapping[str, Encoder], learner: Fitted) -> None:
        self.encoders, self.learner = dict(encoders), learner

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """The learner's outputs."""
        assert batch.table is not None
        inside = RunSettings(device=settings.device, precision=settings.precision)
        table, bad = with_columns(self.encoders, batch.table, inside)
        found, _, more = outputs(self.learner.model, table, inside, options)
        batch.bad += [cell for cell in dict.fromkeys([*bad, *more]) if cell not in batch.bad]
        return found

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Each model as the core writes it, in a folder of its own, and the components."""
        models = {name: one.fitted for name, one in self.encoders.items()}
        for name, one in self.encoders.items():
            models |= {f"{name}-{fold}": fitted for fold, fitted in enumerate(one.tuned)}
        for name, fitted in {**models, LEARNER: self.learner}.items():
            save_model(
                fitted.model, fitted.result, context.registry, folder / name, standalone=standalone
            )
        for name, one in self.encoders.items():
            arrays = {"mean": one.pca.mean, "components": one.pca.components}
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, _file(folder, name))
        return {
            "encoders": {
                name: {"names": list(one.names), "share": one.pca.share, "tuned": len(one.tuned)}
                for name, one in self.encoders.items()
            }
        }

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """Each model as the core reads it.

        Raises:
            ArtifactError: one is damaged, or needs plugins.
        """
        encoders = {}
        for name, said in values["encoders"].items():
            arrays = load_file(_file(folder, name))
            pca = PCA(arrays["mean"], arrays["components"], float(said["share"]))
            fitted = Fitted(*load_model(folder / name, context.registry))
            tuned = tuple(
                Fitted(*load_model(folder / f"{name}-{fold}", context.registry))
                for fold in range(int(said.get("tuned", 0)))
            )
            encoders[name] = Encoder(fitted, pca, tuple(said["names"]), tuned)
        learner = Fitted(*load_model(folder / LEARNER, context.registry))
        return cls(encoders, learner)


def with_columns(
    encoders: Mapping[str, Encoder], table: Table, settings: RunSettings
) -> tuple[Table, list[BadCell]]:
    """Rows with the encoders' columns beside their own, and cells that are unreadable."""
    frames, bad = [], []
    for one in encoders.values():
        frame, cells = one.columns(table, settings)
        frames.append(frame)
        bad += cells
    return beside(table, frames), bad


def beside(table: Table, columns: Iterable[pd.DataFrame]) -> Table:
    """Rows with more columns."""
    return Table(pd.concat([table.frame, *columns], axis=1), table.folder, table.positions)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"
