"""The contract of what plugins say of plans. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from mm_core.api.specs import ComponentSpec, Spec, Target


class NoteSpec(ComponentSpec):
    """Something that has a word on plans (hook ``mm_notes``).

    Asked where a new plan is shown: by ``mm plan``, ``predictor.plan`` and at the start of ``fit``.
    What it raises is a warning that names it, and the plan stands.
    """

    kind: ClassVar[str] = "note"

    says: Target = Field(
        description="light function (mm_core.api.Planned) -> list of mm_core.api.Note; mostly none"
    )


class Note(Spec):
    """A word on a plan: a fact that its reader would want to know, and what could be set instead.

    It changes nothing: whoever agrees sets it.
    """

    text: str = Field(min_length=1, description="a sentence or two, without the settings")
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="what may be set over what the user set, by dotted key; null undoes a choice",
    )
    by: str = Field(default="", description="id of who says it; written there by the core")


@dataclass(frozen=True)
class Planned:
    """A plan to be looked at.

    Attributes:
        recipe: :class:`mm_core.recipe.recipe.Recipe`, a copy.
        rows: of the table that was planned on.
        registry: what is installed: ``registry.get(AdapterSpec, id).spec``.
    """

    recipe: Any
    rows: int
    registry: Any

    def pretrained(self, backbone: str) -> bool:
        """Whether a backbone of the recipe starts from weights that were learned elsewhere."""
        config: dict[str, Any] = self.recipe.backbones[backbone].config
        return bool(config.get("checkpoint", "random") != "random")
