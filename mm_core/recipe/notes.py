"""What plugins say of a plan (``mm_notes``): it stands beside the recipe and changes nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from mm_core.api.errors import MMWarning
from mm_core.api.planning import Note, NoteSpec, Planned
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.recipe import Recipe


def noted(recipe: Recipe, rows: int, registry: Registry) -> Recipe:
    """The recipe with what every plugin says of it.

    Args:
        recipe: a new plan.
        rows: of the table that was planned on.
        registry: installed components.
    """
    found: list[Note] = []
    for one in registry.all(NoteSpec):
        try:
            found += said(one, recipe, rows, registry)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's code; it is told
            warnings.warn(
                f"{one.id} failed when it was asked for notes on the plan, which changes nothing: "
                f"{type(error).__name__}: {error}",
                MMWarning,
                stacklevel=2,
            )
    return recipe.model_copy(update={"notes": tuple(found)})


def said(one: Component[NoteSpec], recipe: Recipe, rows: int, registry: Registry) -> Iterator[Note]:
    """What one of them says; it sees a copy, for what is inside a recipe could be changed.

    Raises:
        TypeError: it gives something else than notes.
    """
    notes = one.load("says")(Planned(recipe.model_copy(deep=True), rows, registry))
    for note in notes:
        if not isinstance(note, Note):
            raise TypeError(f"it gave {type(note).__name__}, not a mm_core.api.Note")
        yield note.model_copy(update={"by": one.id})
