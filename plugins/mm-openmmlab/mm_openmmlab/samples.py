"""What the conformance tests try: a file that looks like a checkpoint from outside."""

from __future__ import annotations

import io
import zipfile

from mm_core.api import SampleCheckpoint, Samples


def _archive() -> bytes:
    """The form of torch's files, with nothing in it that could be read."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    return file.getvalue()


SAMPLES = Samples(checkpoints=(SampleCheckpoint("pth", {"dino.pth": _archive()}),))
