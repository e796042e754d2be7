"""What an environment holds, as JSON: distributions, plugins, and packages that few should have."""

from __future__ import annotations

import json
from importlib.metadata import distributions, entry_points
from importlib.util import find_spec

import mm_core
from mm_core.plugins import Registry

registry = Registry()
print(
    json.dumps(
        {
            "distributions": sorted(
                one.name for one in distributions() if one.name.startswith("mm-")
            ),
            "entry_points": [entry.name for entry in entry_points(group="mm_core.plugins")],
            "plugins": [plugin.name for plugin in registry.plugins],
            "problems": [problem.error.message for problem in registry.problems],
            "heavy": [
                one
                for one in ("segmentation_models_pytorch", "timm", "torchvision", "transformers")
                if find_spec(one)
            ],
            "core": mm_core.__file__,
        }
    )
)
