"""What a request may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Beyond these a request is refused, before anything is computed.

    Attributes:
        rows: of a request (422).
        body_bytes: of a request (413).
        text_chars: of a cell (422).
        pixels: of a picture (422), told by its header, before it is decoded.
        seconds: until an answer is given up (504).
        queue: requests that wait at once (429).
        batch_rows: rows that are answered together.
        batch_seconds: how long a request waits for others.
    """

    rows: int = 1000
    body_bytes: int = 20 * 2**20
    text_chars: int = 100_000
    pixels: int = 25_000_000
    seconds: float = 30.0
    queue: int = 64
    batch_rows: int = 64
    batch_seconds: float = 0.002
