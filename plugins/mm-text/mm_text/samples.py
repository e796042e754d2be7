"""What the components are tried on by ``mm plugins check text``."""

from __future__ import annotations

from mm_core.api import SampleCheckpoint, SampleColumn, Samples, Trial

_CELLS = [
    "The soup was cold, and the waiter did not care at all.",
    "A wonderful evening with friends; we shall come back.",
    None,
    "Überraschend gut, 12 € für drei Gänge!",
    "Not bad.",
    "Too loud, too dark, too expensive, and the bread was from yesterday or the day before that.",
    "すばらしい料理でした。",
    "The view over the harbour makes up for the plain menu.",
    "I would give it six stars if I could, and so would my mother.",
    "They lost our reservation twice and did not even say sorry.",
    "Fresh fish, fair prices, friendly people, and a table by the window.",
    "Go there for the cake, stay for the coffee, leave before the music starts.",
    "The chef came out to ask us how we liked it, which was rather nice of her.",
    "Wait an hour, eat for ten minutes, pay for a week.",
    "Simple food done well \N{SLIGHTLY SMILING FACE} and a short list of good wines.",
    "Our third visit this year, and the best one so far.",
]

SAMPLES = Samples(
    columns=(
        SampleColumn("text", "text", _CELLS, name="review"),
        SampleColumn("text", "text", [*_CELLS[5:], *_CELLS[:5]], name="reply"),
    ),
    checkpoints=(SampleCheckpoint("hf", {"config.json": b"{}", "model.safetensors": b""}),),
    trials=(
        Trial("processor", "hf_tokenizer", {"max_length": 32, "vocab_size": 300}),
        Trial(
            "backbone",
            "hf",
            {"checkpoint": "random", "hidden_size": 16, "num_hidden_layers": 2},
        ),
    ),
)
