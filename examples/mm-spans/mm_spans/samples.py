"""What the conformance tests try the task on: orders, in which names of dishes and places stand."""

from __future__ import annotations

from mm_core.api import SampleColumn, Samples, SampleTask

from mm_spans.labels import write_entities

GROUPS = {"ramen": "Dish", "pad thai": "Dish", "Rome": "Place", "New York": "Place"}
_FORMS = ("We had {} in {}.", "Is there any {}, please?", "They went to {} for {}", "Nothing")


def marked(form: str, *names: str) -> tuple[str, str]:
    """A text with the names in the places of ``{}``, and its label."""
    text, *rest = form.split("{}")
    entities = []
    for name, more in zip(names, rest, strict=False):
        entities.append((len(text), len(text) + len(name), GROUPS[name]))
        text += name + more
    return text, write_entities(entities, as_text=True)


ROWS = [
    marked(form, first, second)
    for form in _FORMS
    for first in GROUPS
    for second in GROUPS
    if first != second
]

SAMPLES = Samples(
    tasks=(
        SampleTask(
            task="tagging",
            label={"entities": [label for _, label in ROWS]},
            columns={"passage": (SampleColumn("text", "text", [t for t, _ in ROWS], name="said"),)},
            settings={
                "backbones.passage_text.checkpoint": "random",
                "backbones.passage_text.hidden_size": 32,
            },
        ),
    ),
)
