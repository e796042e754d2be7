"""What is this the beginning of? Light: no imaging library."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

HEAD_SIZE = 32
"""Bytes that :func:`image_format` needs."""

_SIGNATURES: tuple[tuple[str, int, bytes], ...] = (
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("GIF", 0, b"GIF87a"),
    ("GIF", 0, b"GIF89a"),
    ("WEBP", 8, b"WEBPVP8"),
    ("TIFF", 0, b"II*\x00"),
    ("TIFF", 0, b"MM\x00*"),
    ("TIFF", 0, b"II+\x00"),
    ("JPEG 2000", 0, b"\x00\x00\x00\x0cjP  "),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    ("AVIF", 4, b"ftypavif"),
)


HEIC = "HEIC"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "Git LFS pointers, not the pictures: git lfs pull fetches these"),
    (b"<!doctype html", "web pages, not pictures: the download failed; fetch them again"),
    (b"<html", "web pages, not pictures: the download failed; fetch them again"),
    (b"<?xml", "XML or SVG: save them as PNG"),
    (b"<svg", "SVG drawings: save them as PNG"),
    (b"%pdf", "PDF documents: save their pages as PNG"),
)


def image_format(head: bytes) -> str | None:
    """Name of the image format that ``head``, the first 32 bytes of a file, announces, or None.

    None also where a package that reads the format is not installed.
    """
    if _is_heic(head):
        return HEIC if reads_heic() else None
    for name, offset, magic in _SIGNATURES:
        if head.startswith(magic, offset):
            return name
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":  # two letters alone prove nothing
        return "BMP"
    if len(head) > 3 and head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n":
        return "PNM"
    return None


def what_else(head: bytes) -> str | None:
    """What files that begin like this are, and what to do, in the plural; None: it is unknown."""
    if _is_heic(head):
        return "HEIC pictures: pip install 'mm-image[heic]', or save them as JPEG"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "empty files"
    return next((what for magic, what in _OTHERS if start.startswith(magic)), None)


@cache
def reads_heic() -> bool:
    """Whether the package behind the extra ``heic`` is installed."""
    return find_spec("pillow_heif") is not None


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS
