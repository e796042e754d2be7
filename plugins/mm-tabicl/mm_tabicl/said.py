"""What an error of another library says, in one line. Light."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """Its first line; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
