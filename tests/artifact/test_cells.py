"""The form of cells by which rows are known again: in any process, and whole."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from mm_core.artifact.cells import canonical, comparable

IN_ANY_PROCESS = """
import numpy as np
from PIL import Image
from mm_core.artifact.cells import canonical

words = {f"word {i}" for i in range(20)}
picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
cells = [words, frozenset(words), [words], {"a": (1, words)}, np.array([words]), picture]
print(repr(words) + repr(picture))
print(*(canonical(cell).hex() for cell in cells))
"""


def _said(seed: int) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", IN_ANY_PROCESS]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_cells_are_the_same_in_every_process():
    (one, first), (other, second) = _said(1), _said(2)
    assert one != other
    assert first == second


def _paletted(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("P", (4, 4))
    image.putpalette([*colour] * 256)
    return image


def _turned(degrees: int) -> Image.Image:
    """The same pixels, and an EXIF note on which side is up."""
    exif = Image.Exif()
    exif[0x0112] = {0: 1, 90: 6}[degrees]
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG", exif=exif)
    return Image.open(file)


BIG = np.zeros((100, 100, 3), dtype=np.uint8)
ONE_PIXEL = BIG.copy()
ONE_PIXEL[50, 50, 0] = 1


@pytest.mark.parametrize(
    ("cell", "other"),
    [
        (BIG, ONE_PIXEL),
        (BIG, BIG.reshape(-1)),
        (BIG, BIG.view(np.int8)),
        ([BIG, "note"], [ONE_PIXEL, "note"]),
        ({"pixels": BIG}, {"pixels": ONE_PIXEL}),
        (np.array([BIG, None], dtype=object), np.array([ONE_PIXEL, None], dtype=object)),
        (Image.fromarray(BIG), Image.fromarray(ONE_PIXEL)),
        (_paletted((1, 2, 3)), _paletted((3, 2, 1))),
        (_turned(0), _turned(90)),
        (bytes(1000), bytes(1001)),
        ({"a", "b"}, {"a", "c"}),
        ([["a"], ["b"]], [["a", "b"]]),
        ([1], (1,)),
        ([1], ["1"]),
    ],
)
def test_cells_that_differ_are_told_apart(cell, other):
    assert canonical(cell) != canonical(other)


@pytest.mark.parametrize(
    ("cell", "same"),
    [
        ({0, 8}, {8, 0}),  # which Python lists in another order
        ([{0, 8}], [{8, 0}]),
        (BIG, np.asfortranarray(BIG)),
        (np.array([BIG, None], dtype=object), np.array([BIG.copy(), None], dtype=object)),
        (Image.fromarray(BIG), Image.fromarray(BIG.copy())),
    ],
)
def test_the_same_cell_made_twice(cell, same):
    assert canonical(cell) == canonical(same)


def test_a_picture_that_cannot_be_read_is_left_to_who_reads_it():
    file = io.BytesIO()
    Image.fromarray(BIG).save(file, "PNG")
    torn = Image.open(io.BytesIO(file.getvalue()[:60]))
    assert len(canonical(torn)) == 32


@pytest.mark.parametrize(
    ("plain", "dtype"),
    [
        (pd.Series([1.0, np.nan]), "float64"),
        (pd.Series(["a", None]), "str"),
        (pd.Series(["a", "b"], dtype="category"), "category"),
        (pd.Series(pd.to_datetime(["2026-01-01", None])), "datetime64[us]"),
    ],
)
def test_columns_that_pandas_can_hash_stay_as_they_are(plain, dtype):
    assert plain.dtype == dtype
    assert comparable(plain) is plain


def test_plain_objects_are_not_taken_apart():
    mixed = pd.Series(["a", 1, None, 2.5, True, pd.Timestamp("2026-01-01")], dtype=object)
    assert comparable(mixed).tolist() == [repr(cell) for cell in mixed]


def test_lists_of_pyarrow_are_objects_too():
    column = pd.Series([[1, 2], [3]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))
    hashes = pd.util.hash_pandas_object(comparable(column), index=False)
    assert hashes[0] != hashes[1]
