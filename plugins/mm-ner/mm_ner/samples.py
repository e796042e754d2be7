"""What the conformance tests try the task on: orders, in which names of dishes and places stand."""

from __future__ import annotations

from mm_core.api import SampleColumn, SampleData, Samples, SampleTask, Trial
from mm_ner.labels import write_entities

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

READ = {
    "text": ["We had ramen in New York", "Nothing"],
    "entities": [
        write_entities([(7, 12, "Dish"), (16, 24, "Place")], as_text=True),
        write_entities([], as_text=True),
    ],
}
FILES = {
    "conll": "We O\nhad O\nramen B-Dish\nin O\nNew B-Place\nYork I-Place\n\nNothing O\n",
    "tokens": '{"tokens": ["We", "had", "ramen", "in", "New", "York"], '
    '"ner_tags": ["O", "O", "B-Dish", "O", "B-Place", "I-Place"]}\n'
    '{"tokens": ["Nothing"], "ner_tags": ["O"]}\n',
    "spans": '{"text": "We had ramen in New York", "label": [[7, 12, "Dish"], [16, 24, "Place"]]}\n'
    '{"text": "Nothing", "label": []}\n',
}


def _data(reader: str) -> SampleData:
    name = "rows.conll" if reader == "conll" else "rows.jsonl"
    return SampleData(
        reader=reader,
        files={name: FILES[reader].encode()},
        data=lambda folder: folder / name,
        columns=READ,
    )


SAMPLES = Samples(
    data=tuple(map(_data, FILES)),
    columns=(SampleColumn("text", "text", [*(text for text, _ in ROWS), None], name="said"),),
    trials=(Trial("processor", "windows", {"max_length": 16, "vocab_size": 300}),),
    tasks=(
        SampleTask(
            task="ner",
            label={"entities": [label for _, label in ROWS]},
            columns={"passage": (SampleColumn("text", "text", [t for t, _ in ROWS], name="said"),)},
            settings={
                "backbones.passage_text.checkpoint": "random",
                "backbones.passage_text.hidden_size": 32,
            },
        ),
    ),
)
