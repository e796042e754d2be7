"""What the conformance tests try."""

from __future__ import annotations

from mm_core.api import Samples, Trial

SAMPLES = Samples(
    trials=(
        Trial("method", "explain", {"words": False, "regions": False}),
        Trial("method", "report", {"importance_rows": 10, "repeats": 1, "draws": 20}),
    )
)
