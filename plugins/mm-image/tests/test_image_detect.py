"""Which columns are claimed as images, and with what reason."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_image.cells import split_cell
from mm_image.decode import UnreadableImageError, decode, find_image
from mm_image.detect import detect_images
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import ColumnSample, Detection, MMWarning


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


HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
STRANGERS = {
    "Git LFS pointers": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "web pages": b"\n<!DOCTYPE html><html>404</html>",
    "PDF documents": b"%PDF-1.7",
    "empty files": b"",
    "HEIC pictures: pip install 'mm-image[heic]'": HEIC_HEAD,
}


@pytest.mark.parametrize("what", STRANGERS)
def test_files_that_are_no_pictures_are_told_as_what_they_are(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm_image.signatures.reads_heic", lambda: False)
    for n in range(3):
        (tmp_path / f"{n}.jpg").write_bytes(STRANGERS[what])
    found = detect([f"{n}.jpg" for n in range(3)], tmp_path)
    assert (found.kind, found.score) == ("path", 0.8)
    assert f"3 are {what}" in found.reason
    if STRANGERS[what]:
        with pytest.raises(UnreadableImageError, match=what.split(":")[0]):
            find_image("0.jpg", tmp_path, "c")


def test_addresses_are_explained_and_not_claimed(folder: Path) -> None:
    for start in ("https://example.org", "s3://bucket"):
        found = detect([f"{start}/{n}.jpg?size=1" for n in range(4)], folder)
        assert found.score == 0
        assert "addresses of pictures on the web: download them" in found.reason
    found = detect([f"https://example.org/id/{n}/200/300" for n in range(4)], folder)
    assert found.score == 0
    assert "4 of 4 values are addresses on the web; if of pictures: download them" in found.reason


@pytest.mark.parametrize(
    ("ending", "told"), [(".jpg", "addresses of pictures on the web"), ("/200", "if of pictures")]
)
def test_the_plan_explains_an_unused_column_of_addresses(
    folder: Path, ending: str, told: str
) -> None:
    frame = pd.DataFrame({"photo": [f"https://example.org/{n}{ending}" for n in range(30)]})
    frame = frame.assign(x=range(30), y=["a", "b"] * 15)
    with pytest.warns(MMWarning, match=told):
        plan = MultiModalPredictor("y", verbosity=0).plan(frame).columns.plan("photo")
    assert plan.modality is None
    assert "download them" in plan.reason


def test_json_lists_and_file_addresses_are_read(folder: Path) -> None:
    listed = '["pictures/0.png", "pictures/1.png"]'
    address = (folder / "pictures" / "2.png").resolve().as_uri()
    assert detect([listed, address], folder).reason.startswith("3 of 3 values name files")
    assert split_cell(listed, folder) == ["pictures/0.png", "pictures/1.png"]
    assert split_cell("[1, 2]", folder) == ["[1, 2]"]
    assert find_image(*split_cell(address, folder), folder, "c").kind == "path"


def test_lists_as_python_and_numpy_write_them_are_read(folder: Path) -> None:
    names = ["pictures/0.png", "it's.png", 'say "x".png', "back\\slash.png", "a, b.png", "ä;b.png"]
    for many in (names, names[:1], names * 9):
        assert split_cell(str(many), folder) == split_cell(many, folder)
        assert split_cell(str(np.array(many, dtype=object)), folder) == split_cell(many, folder)
    for other in ("['a' + 'b']", "['a'", "['a'] ['b']", "['a', 1]", "['\\x']", "['a'" + "," * 99):
        assert split_cell(other, folder) == [other]


def test_lists_of_paths_are_one_plan_in_whatever_form_they_come(folder: Path) -> None:
    pairs = [[f"pictures/{n % 6}.png", f"pictures/{n % 5}.png"] for n in range(40)]
    frame = pd.DataFrame({"photo": pairs, "y": ["a", "b"] * 20})
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    frame.to_json(folder / "t.jsonl", orient="records", lines=True)
    pd.read_parquet(folder / "t.parquet").to_csv(folder / "numpy.csv", index=False)
    files = [folder / name for name in ("t.csv", "t.parquet", "t.jsonl", "numpy.csv")]
    memory = frame.assign(photo=[[str(folder / one) for one in pair] for pair in pairs])
    plans = [MultiModalPredictor("y", verbosity=0).plan(data) for data in [*files, memory]]
    photos = [plan.columns.plan("photo") for plan in plans]
    assert photos[0].modality == "image:image"
    assert photos[0].reason == "80 of 80 values name files that begin like images"
    assert photos == [photos[0]] * len(photos)
    assert len({plan.to_json() for plan in plans}) == 1


@pytest.mark.skipif(os.sep != "/", reason="folders are separated by a backslash here")
def test_a_path_of_another_system_is_told_as_such(folder: Path) -> None:
    with pytest.raises(UnreadableImageError, match="separated by '/'"):
        find_image("pictures\\0.png", folder, "c")


def test_heic_is_read_upright_where_its_package_is(pixels: Callable[..., np.ndarray]) -> None:
    heif = pytest.importorskip("pillow_heif")
    image = Image.fromarray(pixels(1, 40, 60) if pixels(1).ndim else pixels(1))
    turned = Image.Exif()
    turned[0x0112] = 6
    file = io.BytesIO()
    heif.from_pillow(image).save(file, exif=turned.tobytes(), quality=-1)
    before = dict(Image.OPEN)
    cell = find_image(file.getvalue(), Path(), "c")
    found = decode(cell, 10**6)
    assert found.size == image.size[::-1]
    assert Image.OPEN.keys() == before.keys()
    with pytest.raises(UnreadableImageError, match="max_pixels"):
        decode(cell, 10)
