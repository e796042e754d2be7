"""A word on plans that freeze what has learned nothing. Light."""

from __future__ import annotations

from mm_core.api import Note, Planned


def of_random_weights(planned: Planned) -> list[Note]:
    """One note for each backbone without pretrained weights that has an adapter of ours."""
    return [
        Note(
            text=f"backbones.{name} has no pretrained weights: what {part.adapter.id} does not "
            "train of it stays as it was drawn.",
            settings={f"backbones.{name}.adapter": None},
        )
        for name, part in planned.recipe.backbones.items()
        if part.adapter is not None
        and part.adapter.id.startswith("peft:")
        and part.share_with is None
        and not planned.pretrained(name)
    ]
