"""Settings of the fitters; pydantic only. Each is what users type after --set fit."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import Field, model_validator

from mm_core.api import Config, FitterSpec, Slot, slot

PORTFOLIO = {
    "trees": "trees:catboost",
    "leafwise": "trees:lightgbm",
    "features": "ensemble:features",
    "network": "core:finetune",
}
"""Cheap ones first: where time ends, the last are left out."""


class EnsembleConfig(Config):
    """Settings of the fitter ``greedy``."""

    members: dict[str, Slot[FitterSpec]] = slot(
        PORTFOLIO,
        description="name of a member -> how it is fitted; null leaves one out. Of those that are "
        "here unasked, the ones that read no column of the data are left out, which is said",
    )
    settings: dict[str, dict[str, Any]] = Field(
        default={}, description="name of a member -> settings of its recipe, as hyperparameters"
    )
    alone: bool = Field(
        default=True,
        description="where columns are of several modalities: also a network of each modality by "
        "itself that no member reads alone, called `text_alone`, ...",
    )
    steps: int = Field(
        default=40, ge=1, description="of the choice of weights; a weight is a multiple of 1/steps"
    )
    refit: bool = Field(
        default=False,
        description="members that weigh something are fitted once more, on all rows, those that "
        "were held out too, for as long as it took them at first",
    )
    keep: bool = Field(
        default=False,
        description="members of weight 0 stay in the model, for the leaderboard: they cost space, "
        "and no time",
    )

    @model_validator(mode="after")
    def _of_members(self) -> Self:
        if not self.members:
            raise ValueError("there is no member")
        for name in self.members:
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"a member is called {name!r}: use a-z, 0-9 and _")
        for name in self.settings:
            if name not in self.members and not name.endswith("_alone"):
                raise ValueError(
                    f"settings of {name!r}, which is no member: {', '.join(self.members)}"
                )
        return self


class BaggedConfig(EnsembleConfig):
    """Settings of the fitter ``bagged``."""

    folds: int = Field(default=5, ge=2, description="parts of the rows; models of each member")
    second: dict[str, Slot[FitterSpec]] = slot(
        {},
        description="members of a second layer, name -> how it is fitted: they read the table's "
        "columns, and what each member of the first says of a row that it has not seen",
    )

    @model_validator(mode="after")
    def _names_of_its_own(self) -> Self:
        for name in self.second:
            if not re.fullmatch(r"[a-z0-9_]+", name) or name in self.members:
                raise ValueError(
                    f"a member of the second layer is called {name!r}: use a-z, 0-9 and _, and a "
                    "name that no other member has"
                )
        return self


class DistilledConfig(Config):
    """Settings of the fitter ``distilled``."""

    teacher: str | None = Field(
        default=None,
        description="folder of a saved model of the same label; null: the one whose "
        "predictor.distill runs",
    )
    share: float = Field(
        default=0.7, ge=0, le=1, description="of the teacher's answers in the loss, beside labels"
    )
    temperature: float = Field(
        default=2.0, gt=0, description="above 1, what the teacher finds unlikely counts for more"
    )


class FeaturesConfig(Config):
    """Settings of the fitter ``features``."""

    settings: dict[str, Any] = Field(
        default={}, description="settings of the encoders' recipes, as hyperparameters"
    )
    learner: Slot[FitterSpec] = slot(
        "trees:catboost", description="what reads their columns beside the table's own"
    )
    components: int = Field(
        default=64, ge=1, description="principal components of each modality, at most"
    )
    tuned: Slot[FitterSpec] | None = slot(
        None,
        description="how a network of each modality is fitted on the label (core:finetune), whose "
        "answers are columns too: of a training row, those of a network that has not seen it",
    )
    tuned_settings: dict[str, Any] = Field(
        default={}, description="settings of its recipe, such as an adapter"
    )
    folds: int = Field(default=3, ge=2, description="such networks of each modality")
