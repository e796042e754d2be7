"""What the conformance tests try the command on."""

from __future__ import annotations

from mm_core.api import Samples, Trial

SAMPLES = Samples(trials=(Trial("command", "cache", {"arguments": ["--backbone", "none"]}),))
