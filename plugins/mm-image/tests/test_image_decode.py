"""Every kind of picture becomes the RGB a viewer would show; broken ones are named."""

from __future__ import annotations

import base64
import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mm_image.cells import split_cell
from mm_image.decode import UnreadableImageError, decode, find_image, size_and_turn
from PIL import Image, ImageFile

Pixels = Callable[..., np.ndarray]
ToBytes = Callable[..., bytes]
LIMIT = 10**8


def rgb(part: Any, folder: Path = Path()) -> np.ndarray:
    image = decode(find_image(part, folder, "image"), LIMIT)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_rgb_is_untouched(pixels: Pixels, to_bytes: ToBytes) -> None:
    for format in ("PNG", "BMP", "TIFF", "PPM"):
        assert np.array_equal(rgb(to_bytes(Image.fromarray(pixels(0)), format)), pixels(0)), format


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, pixels: Pixels, to_bytes: ToBytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    a = pixels(0)
    upright = {
        1: a,
        2: a[:, ::-1],
        3: a[::-1, ::-1],
        4: a[::-1],
        5: a.transpose(1, 0, 2),
        6: a.transpose(1, 0, 2)[:, ::-1],
        7: a[::-1, ::-1].transpose(1, 0, 2),
        8: a.transpose(1, 0, 2)[::-1],
    }
    assert np.array_equal(rgb(to_bytes(Image.fromarray(a), exif=exif)), upright[orientation])


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_the_header_tells_size_and_turn_as_decoding_does(
    format: str, turn: int, pixels: Pixels, to_bytes: ToBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TIFF's sides are upright in the header already; no pixel of a PNG is decoded."""
    exif = Image.Exif()
    exif[0x0112] = turn
    cells = [
        find_image(to_bytes(Image.fromarray(pixels(0)), format, **options), Path(), "image")
        for options in ({"exif": exif}, {})
    ]
    sizes = [decode(cell, LIMIT).size for cell in cells]
    if format != "WEBP":  # Pillow reads a WebP's pixels as one
        monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert [size_and_turn(cell) for cell in cells] == list(zip(sizes, (turn, 1), strict=True))


@pytest.mark.parametrize("behind", [True, False])
def test_exif_of_a_png_may_stand_behind_its_pixels(
    behind: bool, pixels: Pixels, to_bytes: ToBytes
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = b"eXIf" + exif.tobytes()[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    blob = to_bytes(Image.fromarray(pixels(0)))
    at = len(blob) - 12 if behind else 33  # before the last chunk, or behind the first
    cell = find_image(blob[:at] + chunk + blob[at:], Path(), "image")
    assert size_and_turn(cell) == ((40, 56), 6)
    assert decode(cell, LIMIT).size == (40, 56)


def test_size_of_arrays_and_of_what_is_no_image(pixels: Pixels, folder: Path) -> None:
    assert size_and_turn(find_image(pixels(0), Path(), "image")) == ((56, 40), 1)
    cell = find_image("pictures/0.png", folder, "image")
    Path(cell.value).unlink()
    with pytest.raises(UnreadableImageError, match=r"cannot be opened: .*No such file"):
        size_and_turn(cell)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_lose_the_image(pixels: Pixels, to_bytes: ToBytes) -> None:
    blob = to_bytes(Image.fromarray(pixels(0)), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff")
    assert np.array_equal(rgb(blob), pixels(0))


def test_transparency_is_laid_on_white(pixels: Pixels, to_bytes: ToBytes) -> None:
    a = np.dstack([pixels(0), np.full(pixels(0).shape[:2], 255, np.uint8)])
    a[:10, :, 3], a[10:20, :, 3] = 0, 128
    out = rgb(to_bytes(Image.fromarray(a, "RGBA")))
    assert (out[:10] == 255).all()
    mixed = a[10:20, :, :3] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(out[10:20] - mixed).max() <= 1.0
    assert np.array_equal(out[20:], a[20:, :, :3])


def test_grey_with_alpha(to_bytes: ToBytes) -> None:
    a = np.array([[[100, 255], [100, 0]]], np.uint8)
    assert rgb(to_bytes(Image.fromarray(a, "LA"))).tolist() == [[[100] * 3, [255] * 3]]


def test_palette_and_its_transparent_colour(to_bytes: ToBytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    assert rgb(to_bytes(image)).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert rgb(to_bytes(image, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_transparent_colour_of_rgb(to_bytes: ToBytes) -> None:
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((0, 0), (0, 0, 0))
    out = rgb(to_bytes(image, transparency=(0, 0, 0)))
    assert out.tolist() == [[[255, 255, 255], [10, 20, 30]]]


def test_grey_one_bit_and_cmyk(pixels: Pixels, to_bytes: ToBytes) -> None:
    grey = pixels(0)[..., 0]
    assert np.array_equal(rgb(to_bytes(Image.fromarray(grey))), np.dstack([grey] * 3))
    bits = Image.fromarray(grey > 127)
    assert bits.mode == "1"
    assert set(np.unique(rgb(to_bytes(bits)))) == {0, 255}
    cmyk = Image.fromarray(pixels(0)).convert("CMYK")
    out = rgb(to_bytes(cmyk, "JPEG", quality=100, subsampling=0)).astype(int)
    assert np.abs(out - pixels(0)).mean() < 2


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled(format: str, to_bytes: ToBytes) -> None:
    levels = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    assert rgb(to_bytes(Image.fromarray(levels), format))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_integers_and_floats_in_tiff(to_bytes: ToBytes) -> None:
    integers = Image.fromarray(np.array([[0, 65535, 10**6, -5]], np.int32))
    assert rgb(to_bytes(integers, "TIFF"))[0, :, 0].tolist() == [0, 255, 255, 0]
    unit = Image.fromarray(np.array([[0.0, 0.5, 1.0, np.nan]], np.float32))
    assert rgb(to_bytes(unit, "TIFF"))[0, :, 0].tolist() == [0, 128, 255, 0]
    levels = Image.fromarray(np.array([[0.0, 100.0, 300.0, -1.0]], np.float32))
    assert rgb(to_bytes(levels, "TIFF"))[0, :, 0].tolist() == [0, 100, 255, 0]


def test_first_frame_of_an_animation(to_bytes: ToBytes) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    blob = to_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (rgb(blob) == [255, 0, 0]).all()


def test_arrays_and_pillow_images(pixels: Pixels) -> None:
    a = pixels(0)
    assert np.array_equal(rgb(a), a)
    assert np.array_equal(rgb(a[..., :1]), np.dstack([a[..., 0]] * 3))
    assert np.array_equal(rgb(a[:, ::-1]), a[:, ::-1])
    image = Image.fromarray(a, "RGB")
    assert np.array_equal(rgb(image), a)
    assert image.mode == "RGB"
    for wrong in (a.astype(np.float32), a[0, 0], np.zeros((0, 4, 3), np.uint8), a[..., :2]):
        with pytest.raises(UnreadableImageError, match="array"):
            rgb(wrong)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged metadata
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_cut_and_damaged_files_are_named(format: str, pixels: Pixels, to_bytes: ToBytes) -> None:
    blob = to_bytes(Image.fromarray(pixels(0, 200, 200)), format)
    with pytest.raises(UnreadableImageError):
        rgb(blob[: len(blob) // 2])
    with pytest.raises(UnreadableImageError):
        rgb(blob[:40])
    random = np.random.default_rng(0)
    for _ in range(60):  # any damage: an image or our error, nothing else
        damaged = bytearray(blob)
        for position in random.integers(0, len(blob), 8):
            damaged[position] = random.integers(0, 256)
        with contextlib.suppress(UnreadableImageError):
            rgb(bytes(damaged))


def test_what_is_no_image_is_named_at_once(folder: Path) -> None:
    (folder / "text.png").write_text("this is not a picture at all, whatever its name")
    (folder / "empty.png").write_bytes(b"")
    reasons = {
        "text.png": "does not begin like an image",
        "empty.png": "empty",
        "gone.png": "no such file",
        "pictures": "a folder",
        "https://example.org/1.png": "not downloaded",
        "nul\0.png": "no such file",
        "x" * 5000: "no such file",
        b"hello": "does not begin like an image",
        4.5: "a float is not an image",
    }
    for part, reason in reasons.items():
        with pytest.raises(UnreadableImageError, match=reason):
            find_image(part, folder, "image")


def test_decompression_bombs_are_refused_without_touching_the_global_limit(
    to_bytes: ToBytes,
) -> None:
    before = Image.MAX_IMAGE_PIXELS
    cell = find_image(to_bytes(Image.new("1", (2000, 2000))), Path(), "image")
    assert decode(cell, 4_000_000).size == (2000, 2000)
    with pytest.raises(UnreadableImageError, match="max_pixels"):
        decode(cell, 3_999_999)
    assert before == Image.MAX_IMAGE_PIXELS


def test_pillows_own_bomb_limit_is_our_error_too(to_bytes: ToBytes) -> None:
    huge = io.BytesIO()
    Image.new("1", (14_000, 14_000)).save(huge, "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImageError):
            decode(find_image(huge.getvalue(), Path(), "image"), LIMIT)


def test_base64_forms(pixels: Pixels, to_bytes: ToBytes) -> None:
    blob = to_bytes(Image.fromarray(pixels(0)))
    plain = base64.b64encode(blob).decode()
    lines = base64.encodebytes(blob).decode()
    for text in (plain, lines, f"data:image/png;base64,{plain}"):
        assert np.array_equal(rgb(text), pixels(0))
    with pytest.raises(UnreadableImageError):
        rgb(plain[: len(plain) // 2])


def test_splitting_cells(folder: Path) -> None:
    (folder / "a;b.png").write_bytes(b"x")
    assert split_cell("a;b.png", folder) == ["a;b.png"]
    assert split_cell(" a.png ; ;b.png;", folder) == ["a.png", "b.png"]
    uris = "data:image/png;base64,AAAA;data:image/png;base64,BBBB"
    assert split_cell(uris, folder) == ["data:image/png;base64,AAAA", "data:image/png;base64,BBBB"]
    assert split_cell(["a", None, "", float("nan"), "b;c"], folder) == ["a", "b", "c"]
    assert split_cell({"bytes": b"x", "path": "a"}, folder) == [b"x"]
    assert split_cell({"bytes": None, "path": "a"}, folder) == ["a"]
    for nothing in ("", "  ", b"", None, float("nan"), []):
        assert split_cell(nothing, folder) == []
