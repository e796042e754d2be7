"""What the components are tried on by ``mm plugins check image``."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageDraw

from mm_core.api import SampleCheckpoint, SampleColumn, Samples, Trial

_N = 16


def _picture(number: int) -> bytes:
    """A PNG with a disc whose place and colour depend on the number."""
    image = Image.new("RGB", (40 + number, 32), (20 * (number % 12), 90, 160))
    x, y = 3 * (number % 8), 2 * (number % 5)
    ImageDraw.Draw(image).ellipse((x, y, x + 14, y + 14), fill=(240, 15 * number, 40))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


_PICTURES = [_picture(number) for number in range(_N)]
_BROKEN = _PICTURES[0][:60]

SAMPLES = Samples(
    columns=(
        SampleColumn(
            "image",
            "path",
            [None if i == 3 else f"pictures/{i}.png" for i in range(_N)],
            broken=("pictures/absent.png", "pictures/broken.png"),
            files={
                "pictures/broken.png": _BROKEN,
                **{f"pictures/{i}.png": content for i, content in enumerate(_PICTURES)},
            },
            name="front",
        ),
        SampleColumn("image", "bytes", _PICTURES[::-1], broken=(_BROKEN,), name="back"),
        SampleColumn(
            "image",
            "base64",
            [base64.b64encode(content).decode() for content in _PICTURES],
            broken=(base64.b64encode(_BROKEN).decode(),),
            name="side",
        ),
    ),
    checkpoints=(
        SampleCheckpoint(
            "timm", {"config.json": b'{"architecture": "resnet18"}', "model.safetensors": b""}
        ),
    ),
    trials=(
        Trial("processor", "timm_transform", {"image_size": 32}),
        Trial("backbone", "timm", {"checkpoint": "random"}),
    ),
)
