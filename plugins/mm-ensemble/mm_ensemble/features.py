"""Encoders as features: what they say of texts and pictures stands beside the table's columns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, FitJob, FitResult, Fitted, Fitter, RunSettings, Table
from mm_ensemble.columns import (
    EncodedColumns,
    Encoder,
    answers_of,
    beside,
    vectors_of,
    with_columns,
)
from mm_ensemble.configs import FeaturesConfig
from mm_ensemble.modalities import encoded, of_columns, only
from mm_ensemble.pca import PCA, Array
from mm_ensemble.turns import folds, share
from mm_ensemble.votes import check_has_mean

AS_FOUND = RunSettings()
FROZEN = "ensemble:frozen"
LEAST = 0.1


class Features(Fitter):
    """An encoder for each modality that the learner does not read, then the learner.

    Components are those of the training rows; validation rows only stop the learner.
    """

    config: FeaturesConfig

    def fit(self, job: FitJob) -> FitResult:
        """Encoders as they came, their components, then the learner on all columns."""
        recipe = job.model.recipe
        wanted = encoded(self.config, of_columns(recipe))
        if not wanted:
            raise ConfigError(
                f"{self.config.learner.id} reads all of these columns: there is nothing to encode",
                plugin=recipe.fit.id,
                remedy=f"fit it by itself: fit={self.config.learner.id}",
            )
        began = time.monotonic()
        job.plan(self._encoding)
        if self._tuning is not None:
            check_has_mean(job)
            job.plan(self._tuning)
        made = {
            modality.split(":")[1]: self._encoder(job, modality.split(":")[1], columns)
            for modality, columns in wanted.items()
        }
        encoders = {name: encoder for name, (encoder, _) in made.items()}
        read = {name for columns in wanted.values() for name in columns}
        own = {name for columns in of_columns(recipe).values() for name in columns} - read
        assert job.validation is not None  # FitterSpec.holds_out
        train = beside(job.train.table, [columns for _, columns in made.values()])
        held, _ = with_columns(encoders, job.validation.table, AS_FOUND)
        learner = job.submodel(
            {"fit": self.config.learner.dump()},
            only(recipe, train, own),
            only(recipe, held, own),
            _deadline(job, began),
        )
        said = ", ".join(
            f"{name} in {len(one.names)} of {len(one.pca.mean)} dimensions "
            f"({one.pca.share:.0%} of the variance)"
            + (f" and the answers of {len(one.tuned)} networks" if one.tuned else "")
            for name, one in encoders.items()
        )
        return replace(
            learner.result,
            stopped=f"{learner.result.stopped}; {said}",
            engine=EncodedColumns(encoders, learner),
            calibrated_score=None,
        )

    @property
    def _encoding(self) -> dict[str, object]:
        return {**self.config.settings, "fit": FROZEN}

    @property
    def _tuning(self) -> dict[str, object] | None:
        fitter = self.config.tuned
        return None if fitter is None else {**self.config.tuned_settings, "fit": fitter.dump()}

    def _encoder(
        self, job: FitJob, name: str, columns: Sequence[str]
    ) -> tuple[Encoder, pd.DataFrame]:
        """An encoder of some columns, by the components of what it says of the training rows; and
        what these are."""
        assert job.validation is not None
        train, held = (
            only(job.model.recipe, rows.table, columns) for rows in (job.train, job.validation)
        )
        fitted = job.submodel(self._encoding, train, held)
        vectors, _ = vectors_of(fitted.model, train, AS_FOUND)
        pca = PCA.fit(vectors, self.config.components)
        tuned, said = self._tuned(job, train, held)
        width = len(pca.components) + (0 if said is None else said.shape[1])
        taken = set(job.train.table.frame.columns)
        while any(f"{name}_{n}" in taken for n in range(width)):
            name += "_"
        encoder = Encoder(fitted, pca, tuple(f"{name}_{n}" for n in range(width)), tuned)
        return encoder, encoder.named(vectors, said)

    def _tuned(
        self, job: FitJob, train: Table, held: Table
    ) -> tuple[tuple[Fitted, ...], Array | None]:
        """Networks fitted on the label, and what they say of the training rows: each says only
        something of rows that it has not seen. None where they are not asked for."""
        settings = self._tuning
        if settings is None:
            return (), None
        fold_of = folds(job, self.config.folds)
        models: list[Fitted] = []
        said: Array | None = None
        for fold in range(self.config.folds):
            unseen, rest = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            deadline = share(job.deadline, self.config.folds - fold + 1)  # the learner's turn too
            models.append(job.submodel(settings, train.take(rest), held, deadline))
            part = answers_of(models[-1].model, train.take(unseen), AS_FOUND)
            said = np.zeros((len(train), part.shape[1]), np.float32) if said is None else said
            said[unseen] = part
        return tuple(models), said


def _deadline(job: FitJob, began: float) -> float | None:
    """When the learner is to stop: at least a tenth of what the encoders took is left to it, for
    all of that would be lost without."""
    now = time.monotonic()
    return None if job.deadline is None else max(job.deadline, now + LEAST * (now - began))
