"""What the conformance tests try."""

from __future__ import annotations

from mm_core.api import Samples, Trial

SAMPLES = Samples(trials=(Trial("method", "explain", {"words": False, "regions": False}),))
