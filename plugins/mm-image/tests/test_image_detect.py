"""Which columns are claimed as images, and with what reason."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mm_image.detect import detect_images
from PIL import Image

from mm_core.api import ColumnSample, Detection


def detect(values: list[Any], folder: Path, dtype: str = "string") -> Detection | None:
    sample = ColumnSample("c", dtype, tuple(values), 0.0, len(values), len(values), folder)
    return detect_images(sample)


def test_paths_of_image_files(folder: Path) -> None:
    found = detect([f"pictures/{n}.png" for n in range(6)], folder)
    assert (found.kind, found.score) == ("path", 1.0)
    assert found.reason == "6 of 6 values name files that begin like images"


def test_names_need_no_extension(folder: Path) -> None:
    (folder / "picture").write_bytes((folder / "pictures/0.png").read_bytes())
    assert detect(["picture"], folder).score == 1.0


def test_lists_joined_by_semicolons(folder: Path) -> None:
    assert detect(["pictures/0.png;pictures/1.png", "pictures/2.png"], folder).score == 1.0
    assert detect([["pictures/0.png", "pictures/1.png"]], folder, "object").score == 1.0


def test_missing_files_are_claimed_by_extension(folder: Path) -> None:
    found = detect(["gone/1.jpg", "gone/2.JPEG"], folder)
    assert (found.kind, found.score) == ("path", 0.8)
    assert "no such files" in found.reason


def test_some_missing_files_do_not_hide_the_others(folder: Path) -> None:
    values = ["pictures/0.png", "pictures/1.png", "gone/1.png", "gone/2.png"]
    found = detect(values, folder)
    assert found.kind == "path"
    assert "2 of them exist" in found.reason


def test_bytes_base64_and_images_in_memory(
    folder: Path, pixels: Callable[..., np.ndarray], to_bytes: Callable[..., bytes]
) -> None:
    blobs = [to_bytes(Image.fromarray(pixels(n)), f) for n, f in enumerate(["PNG", "JPEG", "WEBP"])]
    text = [base64.b64encode(blob).decode() for blob in blobs]
    assert detect(blobs, folder, "object").kind == "bytes"
    assert detect(text, folder).kind == "base64"
    assert detect([f"data:image/png;base64,{t}" for t in text], folder).kind == "base64"
    assert detect([";".join(text)], folder).kind == "base64"
    assert detect([pixels(1)], folder, "object").kind == "bytes"
    assert detect([Image.fromarray(pixels(1))], folder, "object").kind == "bytes"


@pytest.mark.parametrize(
    "values",
    [
        ["a fine day", "rain again"],
        ["https://example.org/1.jpg", "https://example.org/2.jpg"],
        ["report.pdf", "notes.txt"],
        ["SGVsbG8gd29ybGQsIHRoaXMgaXMgbm90IGFuIGltYWdl"],
        ["x" * 10_000],
        ["nul\0byte"],
        [b"no image"],
        [1.5, 2.5],
        [],
        ["see picture.jpg for the damage to the left wing, and more"],
    ],
)
def test_other_columns_are_not_claimed(values: list[Any], folder: Path) -> None:
    assert detect(values, folder, "object") is None


def test_a_text_file_named_like_an_image_is_not_proof(folder: Path) -> None:
    (folder / "a.png").write_text("hello")
    assert detect(["a.png"], folder) is None
