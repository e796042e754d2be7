"""What the conformance tests type."""

from __future__ import annotations

from mm_core.api import Samples, Trial

SAMPLES = Samples(
    trials=(
        Trial(
            "command",
            "serve",
            {"arguments": ["{model}", "--check"]},
            xfail={
                "answers_as_text_and_as_json": "the kit's model reads points, which no request "
                "can hold"
            },
        ),
    )
)
