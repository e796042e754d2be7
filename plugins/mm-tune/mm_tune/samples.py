"""What the conformance tests try the command on."""

from __future__ import annotations

from mm_core.api import Samples, Trial

_SMALL = ["--trials", "1", "--set", "training.epochs=1", "--set", "fit=core:finetune"]
_SPACE = ["--space", "training.learning_rate=log(1e-5, 1e-3)", "--quiet"]

SAMPLES = Samples(
    trials=(
        Trial("command", "tune", {"arguments": ["{data}", "--label", "label", *_SMALL, *_SPACE]}),
    )
)
