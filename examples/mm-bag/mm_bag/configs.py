"""Settings of the bag; pydantic only. Each is what users type after --set fit."""

from __future__ import annotations

import re
from typing import Any, Self

from mm_core.api import Config, FitterSpec, Slot, slot
from pydantic import Field, model_validator


class BagConfig(Config):
    """Settings of the fitter ``bag``."""

    members: dict[str, Slot[FitterSpec]] = slot(
        {}, description="name of a member -> how it is fitted; none: one network"
    )
    settings: dict[str, dict[str, Any]] = Field(
        default={}, description="name of a member -> settings of its recipe, as hyperparameters"
    )
    folds: int = Field(default=3, ge=2, description="parts of the rows; models of each member")

    @model_validator(mode="after")
    def _of_members(self) -> Self:
        for name in self.members:
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"a member is called {name!r}: use a-z, 0-9 and _")
        for name in self.settings:
            if name not in self.members:
                raise ValueError(
                    f"settings of {name!r}, which is no member: {', '.join(self.members)}"
                )
        return self

    @property
    def recipes(self) -> dict[str, dict[str, Any]]:
        """Name of a member -> settings of its recipe, its fitter among them."""
        if not self.members:
            return {"network": {"fit": "core:finetune"}}
        return {
            name: {**self.settings.get(name, {}), "fit": member.dump()}
            for name, member in self.members.items()
        }
