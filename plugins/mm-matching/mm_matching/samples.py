"""What the conformance tests try the components on. Light but for numpy."""

from __future__ import annotations

import io
from typing import Any

from mm_core.api import SampleCheckpoint, SampleColumn, SampleData, Samples, SampleTask, Trial

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 70, 220), "white": (240,) * 3}
SHAPES = ("disc", "box", "cross", "line")


def picture(colour: str, shape: str) -> bytes:
    """A PNG of 32 x 32 pixels: a shape on black."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (32, 32))
    draw, fill = ImageDraw.Draw(image), COLOURS[colour]
    if shape == "disc":
        draw.ellipse((4, 4, 27, 27), fill=fill)
    elif shape == "box":
        draw.rectangle((8, 8, 23, 23), fill=fill)
    else:
        draw.line((2, 16, 29, 16), fill=fill, width=5)
    if shape == "cross":
        draw.line((16, 2, 16, 29), fill=fill, width=5)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


PAIRS = [(colour, shape) for colour in COLOURS for shape in SHAPES]
WORDS = [f"a {colour} {shape}" for colour, shape in PAIRS]
ASKED = [f"where is the {shape} that is {colour}?" for colour, shape in PAIRS]
TEXTS = SampleColumn("text", "text", WORDS, name="words")
PICTURES = SampleColumn("image", "bytes", [picture(*pair) for pair in PAIRS], name="shown")
QUESTIONS = SampleColumn("text", "text", ASKED, name="asked")
MATCH = [True] * 16 + [False] * 48


def _beside(cells: list[Any]) -> list[Any]:
    """The cells, and three times those of other rows: for pairs of which one in four matches."""
    return [cells[(row + shift) % 16] for shift in (0, 5, 6, 11) for row in range(16)]


SHOWN = list(PICTURES.cells)
SHOWN_OFTEN = SampleColumn("image", "bytes", SHOWN * 4, name="shown")
OTHERS = SampleColumn("image", "bytes", _beside(SHOWN), name="other")
RANDOM = {"backbones.text.checkpoint": "random", "backbones.text.hidden_size": 16}

BY_ID = SampleData(
    reader="by_id",
    files={
        "all.json": b'{"rows": "pairs.csv", "candidates": ["said"], '
        b'"tables": {"asked": "questions.csv", "said": "all.csv"}}',
        "pairs.csv": b"asked,said\nq1,a2\nq2,\n",
        "questions.csv": b"id,words\nq2,where is it?\nq1,what is it?\n",
        "all.csv": b"id,words\na1,it is here\na2,a disc\n",
    },
    data=lambda folder: folder / "all.json",
    columns={
        "asked": ["what is it?", "where is it?", None],
        "said": ["a disc", None, "it is here"],
    },
)

SAMPLES = Samples(
    columns=(TEXTS, PICTURES),
    data=(BY_ID,),
    tasks=(
        SampleTask(
            "text_similarity",
            columns={"query": (QUESTIONS,), "response": (TEXTS,)},
            settings={"backbones.query_text.checkpoint": "random"},
        ),
        SampleTask(
            "image_similarity",
            label={"match": MATCH},
            columns={"query": (SHOWN_OFTEN,), "response": (OTHERS,)},
            settings={
                "training.epochs": 1,
                "inputs.query_image.processor.image_size": 32,
                "backbones.query_image.checkpoint": "random",
            },
        ),
        SampleTask(
            "matching",
            columns={"query": (QUESTIONS,), "response": (PICTURES,)},
            settings={
                "inputs.response_image.processor.image_size": 32,
                "backbones.response_image.checkpoint": "random",
                "backbones.query_text.checkpoint": "random",
            },
        ),
        SampleTask(
            "image_text_similarity",
            columns={"query": (TEXTS,), "response": (PICTURES,)},
            settings={
                "backbones.dual.checkpoint": "random",
                "inputs.response_image.processor.image_size": 32,
            },
        ),
        SampleTask(
            "zero_shot_classification",
            label={"colour": [colour for colour, _ in PAIRS]},
            columns=(TEXTS,),
            settings={"task.classes": list(COLOURS), **RANDOM},
        ),
        SampleTask(
            "few_shot_classification",
            label={"colour": [colour for colour, _ in PAIRS]},
            columns=(TEXTS,),
            settings=RANDOM,
        ),
        SampleTask("feature_extraction", columns=(TEXTS,), settings=RANDOM),
    ),
    checkpoints=(
        SampleCheckpoint(
            "dual", {"config.json": b'{"model_type": "clip"}', "model.safetensors": b""}
        ),
    ),
    trials=(
        Trial("task", "zero_shot_classification", {"classes": list(COLOURS)}),
        Trial("fitter", "few_shot", xfail={"learns_end_to_end": "it fits heads of its own task"}),
        Trial(
            "exporter",
            "sentence-transformers",
            xfail=dict.fromkeys(
                ("exports_what_it_accepts", "exports_the_same_in_a_new_process"),
                "it exports models of pairs, and the kit's is none",
            ),
        ),
        Trial(
            "backbone",
            "dual",
            {"checkpoint": "random", "width": 32, "dim": 16, "layers": 1, "patch": 32},
        ),
        Trial("processor", "sentence_tokenizer", {"max_length": 32, "vocab_size": 300}),
        Trial(
            "backbone",
            "sentence",
            {"checkpoint": "random", "hidden_size": 16, "num_hidden_layers": 2},
        ),
    ),
)
