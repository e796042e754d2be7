"""One image: from a path, bytes, base64, an array or a Pillow image to 8-bit RGB. Pillow and numpy.

Rules, the same at training and prediction:

- EXIF orientation is applied;
- transparency (alpha, or a transparent colour) is laid on white;
- 16-bit grey is scaled by 255 / 65535, 32-bit integers are read as 16-bit and clipped; floats are
  0..1, or 0..255 where any value exceeds 1;
- grey, 1-bit, palette, CMYK and YCbCr are converted by Pillow;
- of an animation, the first frame is taken.
"""

from __future__ import annotations

import base64
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from mm_image.cells import ImageCell, base64_body, preview
from mm_image.signatures import HEAD_SIZE, HEIC, image_format, what_else

_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW_ERRORS = (
    OSError,  # truncated, unidentified
    SyntaxError,  # broken PNG and TIFF headers
    ValueError,  # base64 (binascii.Error), impossible sizes and conversions
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,  # AVIF; NotImplementedError of DDS
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,  # where the user turned warnings into errors
)


class UnreadableImageError(ValueError):
    """An image is there but cannot be read; the message is one clause."""


def find_image(part: Any, folder: Path, column: str) -> ImageCell:
    """Where the image that ``part`` of a cell speaks of is, after a look at its first bytes.

    Raises:
        UnreadableImageError: no such file, or not an image.
    """
    if isinstance(part, bytes):
        _check_head(part[:HEAD_SIZE], part)
        return ImageCell("bytes", part, column, preview(part))
    if isinstance(part, (Image.Image, np.ndarray)):
        return ImageCell("pixels", part, column, preview(part))
    if not isinstance(part, (str, os.PathLike)):
        raise UnreadableImageError(f"a {type(part).__name__} is not an image")
    text = os.fspath(part)
    body = base64_body(text)
    if body is not None:
        return ImageCell("base64", body, column, preview(text))
    path = folder / text
    _check_head(_head_of(path, text), path)
    return ImageCell("path", str(path), column, preview(text))


def size_and_turn(cell: ImageCell) -> tuple[tuple[int, int], int]:
    """Width and height as :func:`decode` gives them, and how the stored image is turned for that.

    The header is read and no pixel decoded, unless a PNG says something behind its pixels. The turn
    is EXIF's number, 1..8; 1 where :func:`decode` finds nothing to turn, as in a HEIC file or a
    broken header.

    Raises:
        UnreadableImageError: missing, or no image.
    """
    try:
        if cell.kind == "pixels":
            return _shown(_of_pixels(cell.value), None)
        with _file(cell) as file:
            if image_format(file.read(HEAD_SIZE)) == HEIC:
                return _heic(file).size, 1
            return _shown(Image.open(file), file)
    except _PILLOW_ERRORS as error:
        if isinstance(error, UnreadableImageError):
            raise
        raise UnreadableImageError(f"cannot be opened: {error or type(error).__name__}") from None


def _shown(image: Image.Image, file: BinaryIO | None) -> tuple[tuple[int, int], int]:
    turn = _turn(image, file)
    width, height = image.size
    if turn < 5 or image.format == "TIFF":  # of a TIFF Pillow gives the sides upright already
        return (width, height), turn
    return (height, width), turn


def decode(cell: ImageCell, max_pixels: int) -> Image.Image:
    """The image in mode ``"RGB"``.

    Raises:
        UnreadableImageError: missing, truncated, corrupt, empty, or more than ``max_pixels``.
    """
    try:
        image = _open(cell, max_pixels)
        _check_size(image.size, max_pixels)
        image.load()
        return _to_rgb(_upright(image))
    except UnreadableImageError:
        raise
    except _PILLOW_ERRORS as error:
        raise UnreadableImageError(f"cannot be decoded: {error or type(error).__name__}") from None


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise UnreadableImageError(
            f"{size[0]} x {size[1]} pixels are more than max_pixels = {max_pixels}"
        )


def _head_of(path: Path, text: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_SIZE)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        if "://" in text:
            reason = "an address on the web; images are not downloaded"
        elif isinstance(error, IsADirectoryError):
            reason = "a folder, not a file"
        elif isinstance(error, PermissionError):
            reason = "no permission to read the file"
        elif "\\" in text and os.sep == "/":
            reason = "no such file: folders are separated by '/' on this system, not by '\\\\'"
        else:
            reason = "no such file"
        raise UnreadableImageError(reason) from None


def _check_head(head: bytes, source: bytes | Path) -> None:
    if not head:
        raise UnreadableImageError("the file is empty")
    if image_format(head) is not None:
        return
    try:  # a rarer format that Pillow knows
        Image.open(io.BytesIO(source) if isinstance(source, bytes) else source).close()
    except _PILLOW_ERRORS:
        what = what_else(head)
        said = "does not begin like an image file" if what is None else f"such files are {what}"
        raise UnreadableImageError(said) from None


def _open(cell: ImageCell, max_pixels: int) -> Image.Image:
    if cell.kind == "pixels":
        return _of_pixels(cell.value)
    with _file(cell) as file:
        data = file.read()  # at once: Pillow would keep the file open until the last frame
    if image_format(data[:HEAD_SIZE]) == HEIC:
        heic = _heic(io.BytesIO(data))
        _check_size(heic.size, max_pixels)
        image: Image.Image = heic.to_pillow()
        return image
    return Image.open(io.BytesIO(data))


def _file(cell: ImageCell) -> BinaryIO:
    if cell.kind == "path":
        return Path(cell.value).open("rb")
    return io.BytesIO(cell.value if cell.kind == "bytes" else base64.b64decode(cell.value))


def _heic(file: BinaryIO) -> Any:
    """Upright already."""
    from pillow_heif import open_heif

    # Not as an opener of Pillow's: that would change it for the user's whole process.
    file.seek(0)
    return open_heif(file)


def _of_pixels(value: Any) -> Image.Image:
    if isinstance(value, np.ndarray):
        return _from_array(value)
    image: Image.Image = value
    return image


def _from_array(array: np.ndarray) -> Image.Image:
    """uint8 [H, W], [H, W, 1], [H, W, 3], [H, W, 4], or uint16 [H, W]."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    grey16 = array.dtype == np.uint16 and array.ndim == 2
    grey8 = array.dtype == np.uint8 and array.ndim == 2
    colour = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] in (3, 4)
    if not (grey16 or grey8 or colour) or array.size == 0:
        raise UnreadableImageError(
            f"an array {array.dtype} {list(array.shape)} is not uint8 [H, W, 1 or 3 or 4]"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _upright(image: Image.Image) -> Image.Image:
    turn = _turn(image, None)
    return image if turn == 1 else image.transpose(_TRANSPOSE[turn])


def _turn(image: Image.Image, file: BinaryIO | None) -> int:
    """EXIF's number, 1..8; of an image whose ``file`` is given as little is read as can be."""
    try:
        if file is not None and image.format == "PNG" and not _speaks_behind_pixels(file):
            exif = Image.Image.getexif(image)  # PNG's own decodes all pixels to look behind them
        else:
            exif = image.getexif()
        found = exif.get(_ORIENTATION)
    except _PILLOW_ERRORS:  # broken EXIF data in a sound image
        return 1
    return found if isinstance(found, int) and found in _TRANSPOSE else 1


def _speaks_behind_pixels(file: BinaryIO) -> bool:
    """Whether a PNG has EXIF data or text, which may hold it, behind its first pixels."""
    start, pixels = file.tell(), False
    try:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if pixels and kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
                return True
            pixels = pixels or kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)  # its sum of checks
        return False
    finally:
        file.seek(start)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(array: np.ndarray) -> np.ndarray:
    """uint8 [H, W] of integers 0..65535 or floats."""
    if array.dtype.kind == "f":
        values = np.nan_to_num(array, nan=0.0, posinf=255.0, neginf=0.0)
        scaled = values * 255.0 if values.max(initial=0.0) <= 1.0 else values
    else:
        scaled = np.clip(array, 0, 65535) * (255.0 / 65535.0)
    levels: np.ndarray = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return levels
