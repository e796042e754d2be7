"""What the conformance tests try the note on plans with."""

from __future__ import annotations

from mm_core.api import Samples, Trial

SAMPLES = Samples(
    trials=(Trial("note", "random_weights", {"backbones.left.adapter": "peft:frozen"}),)
)
