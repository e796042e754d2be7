"""When two label columns ask for the task by themselves. Light."""

from __future__ import annotations

from mm_core.api import Detection, LabelSample


def detect(sample: LabelSample) -> Detection | None:
    """Claim a time and an event: a number that is never negative, and a column of 0 and 1."""
    if len(sample.columns) != 2:
        return None
    time, event = sample.columns
    if time.dtype != "number" or time.n_unique <= 2 or min(time.values) < 0:
        return None
    if event.dtype not in ("number", "boolean") or not set(event.values) <= {0, 1}:
        return None
    return Detection("hazards", 0.9, f"{time.name!r} is a time and {event.name!r} holds 0 and 1")
