"""What the core's own components are tried on by ``mm plugins check core``."""

from __future__ import annotations

from mm_core.api.samples import SampleLabel, Samples

SAMPLES = Samples(
    labels=(
        SampleLabel("binary", {"answer": ["yes", "no", "no"] * 8}),
        SampleLabel("multiclass", {"colour": ["red", "green", "blue"] * 8}),
        SampleLabel(
            "multilabel", {"red": [1, 0, 1, 0] * 6, "round": [True, True, False, False] * 6}
        ),
        SampleLabel("regression", {"price": [1e3 + 37.5 * (i * 7 % 24) for i in range(24)]}),
    ),
)
