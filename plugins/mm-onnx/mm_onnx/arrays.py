"""What a graph reads and gives, by name, and options that are computed in. Light."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mm_core.api import Batch, ConfigError

FILE = "graph.onnx"
PRESENT = "present"
VECTORS = "embed."
"""What the names of outputs begin with that are vectors of rows."""


def flat(batch: Batch) -> dict[str, Any]:
    """``"<input>/<array>"`` and ``"<input>/present"``: the names that a graph reads."""
    arrays = {
        f"{name}/{key}": value
        for name, given in batch.inputs.items()
        for key, value in given.items()
    }
    return arrays | {f"{name}/{PRESENT}": value for name, value in batch.present.items()}


def as_json(value: Any) -> Any:
    """An option, or several by name, as it is when it is read back."""
    return json.loads(json.dumps(value, default=str))


def check_options(options: Any, fixed: Mapping[str, Any], plugin: str) -> None:
    """Refuse another value of an option than the one that a graph has computed in.

    Args:
        options: of a prediction.
        fixed: by name, as :func:`as_json` gives them.
        plugin: whose graph it is, for the message.

    Raises:
        ConfigError: there is one.
    """
    for name, value in fixed.items():
        wanted = as_json(getattr(options, name, value))
        if wanted != value:
            raise ConfigError(
                f"{name}={wanted!r}: the graph was written with {name}={value!r}, and knows no "
                "other",
                plugin=plugin,
                value=wanted,
                remedy=f"leave {name} out, or ask the model that was exported",
            )
