"""What the conformance tests try the command and the method on."""

from __future__ import annotations

from mm_core.api import Samples, Trial

SAMPLES = Samples(
    trials=(
        Trial(
            "command",
            "compare",
            {
                "arguments": [
                    *("{data}", "--label", "label", "--vary", "training.batch_size=16,32"),
                    *("--seeds", "2", "--set", "training.epochs=1", "--quiet"),
                ]
            },
        ),
        Trial("method", "robustness", {"shares": [0.0, 0.5]}),
    )
)
