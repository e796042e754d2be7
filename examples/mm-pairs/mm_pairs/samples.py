"""What the conformance tests try the components on."""

from __future__ import annotations

import io

from mm_core.api import SampleColumn, Samples, SampleTask, Trial
from PIL import Image, ImageDraw

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 70, 220), "white": (240,) * 3}
SHAPES = ("disc", "box", "cross", "line")


def picture(colour: str, shape: str) -> bytes:
    """A PNG of 32 x 32 pixels: a shape on black."""
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
    return buffered(image)


def buffered(image: Image.Image) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


PAIRS = [(colour, shape) for colour in COLOURS for shape in SHAPES]
WORDS = [f"a {colour} {shape}" for colour, shape in PAIRS]
ASKED = [f"where is the {shape} that is {colour}?" for colour, shape in PAIRS]
TEXTS = SampleColumn("text", "text", WORDS, name="words")
PICTURES = SampleColumn("image", "bytes", [picture(*pair) for pair in PAIRS], name="shown")
QUESTIONS = SampleColumn("text", "text", ASKED, name="asked")

SAMPLES = Samples(
    columns=(TEXTS, PICTURES),
    tasks=(
        SampleTask(
            "similarity",
            columns={"query": (QUESTIONS,), "response": (TEXTS,)},
            settings={"backbones.query_text.checkpoint": "random"},
        ),
        SampleTask(
            "captions",
            columns={"query": (TEXTS,), "response": (PICTURES,)},
            settings={"inputs.response_image.processor.image_size": 32},
        ),
    ),
    trials=(Trial("backbone", "clip", {"width": 32, "dim": 16, "layers": 1, "patch": 32}),),
)
