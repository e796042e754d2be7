"""What the core's own components are tried on by ``mm plugins check core``."""

from __future__ import annotations

from mm_core.api.samples import Samples, SampleTask

SAMPLES = Samples(
    tasks=(
        SampleTask("binary", {"answer": ["yes", "no", "no"] * 8}),
        SampleTask("multiclass", {"colour": ["red", "green", "blue"] * 8}),
        SampleTask(
            "multilabel", {"red": [1, 0, 1, 0] * 6, "round": [True, True, False, False] * 6}
        ),
        SampleTask("regression", {"price": [1e3 + 37.5 * (i * 7 % 24) for i in range(24)]}),
    ),
)
