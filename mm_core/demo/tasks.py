"""The demo's tasks: which data, how many rows, and the few settings that differ from defaults.

All were chosen by splitting training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mm_core.demo.datasets import DemoData, Size, college_earnings, easy_vqa


@dataclass(frozen=True)
class DemoTask:
    """What to train on, and how.

    Attributes:
        load: ``(size, seed) -> DemoData``.
        size: rows of each part: as many as train in a minute or two on two cores.
        settings: ``training.*`` and other keys of the recipe that no input owns.
        by_column: column -> settings of the input that reads it, see
            :func:`mm_core.demo.settings.settings_for`.
    """

    load: Callable[[Size, int], DemoData]
    size: Size
    settings: Mapping[str, Any] = field(default_factory=dict)
    by_column: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


TASKS = (
    DemoTask(
        easy_vqa,
        Size(train=1000, tuning=100, test=1000),
        {
            "training.epochs": 2,
            "training.augment": False,  # it changes colours, which are asked for
            "training.head_learning_rate": 2e-3,
        },
        {
            # ImageNet weights know objects; colours of plain shapes need larger steps.
            "image": {"processor.image_size": 96, "learning_rate": 5e-4},
            "question": {"learning_rate": 2e-4},
        },
    ),
    DemoTask(
        college_earnings,
        Size(train=2400, tuning=200, test=1350),
        {
            "training.epochs": 3,
            "training.learning_rate": 2e-4,
            "training.head_learning_rate": 2e-3,
        },
    ),
)
