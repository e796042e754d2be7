"""Is this the beginning of an image file? Light: no imaging library."""

from __future__ import annotations

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


def image_format(head: bytes) -> str | None:
    """Name of the image format that ``head``, the first 32 bytes of a file, announces, or None."""
    for name, offset, magic in _SIGNATURES:
        if head.startswith(magic, offset):
            return name
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":  # two letters alone prove nothing
        return "BMP"
    if len(head) > 3 and head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n":
        return "PNM"
    return None
