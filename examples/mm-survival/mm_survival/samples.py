"""What the conformance tests try the task on."""

from __future__ import annotations

from mm_core.api import Samples, SampleTask, Trial

SAMPLES = Samples(
    tasks=(
        SampleTask(
            task="hazards",
            label={
                "months": (3.0, 8.5, 1.0, 12.0, 6.0, 2.0, 9.0, 4.5) * 4,
                "died": (1, 0, 1, 1, 0, 1, 1, 1) * 4,
            },
        ),
    ),
    trials=(
        Trial("task", "hazards", settings={"intervals": 5}),
        Trial("task", "hazards", settings={"intervals": 3, "flexibility": 0}),
    ),
)
