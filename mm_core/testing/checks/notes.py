"""What everything keeps that has a word on plans (``mm_notes``)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from mm_core.api.errors import MMError, MMWarning
from mm_core.api.planning import Note, NoteSpec, Planned
from mm_core.recipe.notes import said
from mm_core.recipe.recipe import Recipe
from mm_core.testing import end_to_end
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.subject import Subject

Noting = Subject[NoteSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})
_N_ROWS = len(_LABELS["label"])


def check_says_the_same_again(subject: Noting) -> None:
    """Asked twice of a plan it says the same, as notes, and changes nothing of what it is shown."""
    recipe = _planned(subject, {})
    found = _said(subject, recipe)
    expect(_said(subject, recipe) == found, "asked again of the same plan it says something else")
    shown = Planned(recipe.model_copy(deep=True), _N_ROWS, subject.registry)
    list(subject.component.load("says")(shown))
    expect(shown.recipe == recipe, "it changed the recipe that it was shown")


def check_what_it_advises_can_be_set(subject: Noting) -> None:
    """With the settings of a note the plan can be made, and the note is not said again."""
    for note in _advice(subject):
        try:
            recipe = _planned(subject, note.settings)
        except MMError as error:
            raise CheckError(f"{note.settings} cannot be set: {error}") from error
        again = [one.text for one in _said(subject, recipe) if one.settings == note.settings]
        expect(not again, f"{note.settings} is set, and it says again: {again}")


def _advice(subject: Noting) -> list[Note]:
    found = _said(subject, _planned(subject, {}))
    if not found:
        raise NotTried("it says nothing of this plan: a Trial may have settings of which it does")
    advice = [note for note in found if note.settings]
    if not advice:
        raise NotTried("its notes have no settings")
    return advice


def _planned(subject: Noting, settings: Mapping[str, Any]) -> Recipe:
    """Two inputs and a class, with the settings of the trial and others over them."""
    job = end_to_end.Job(_LABELS, "binary", {**subject.trial.settings, **settings}, "")
    frame = end_to_end.points(_LABELS, ("left", "right")).assign(**end_to_end.cells(_LABELS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)
        return end_to_end.predictor_of(subject, job).plan(frame)


def _said(subject: Noting, recipe: Recipe) -> list[Note]:
    try:
        return list(said(subject.component, recipe, _N_ROWS, subject.registry))
    except Exception as error:  # whatever a stranger's code may raise
        raise CheckError(f"it raises {type(error).__name__}: {error}") from error
