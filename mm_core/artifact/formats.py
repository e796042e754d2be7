"""Manifests of older formats, read as the present one."""

from __future__ import annotations

import json
from typing import Any

FORMAT_1_FILES = ("weights.safetensors", "topology")
"""What the engine of a model of format 1 may read, beside the manifest."""

FORMAT_1_ENGINE = "core:network"
"""The one engine that format 1 knew."""


def as_format_2(text: str) -> str:
    """The manifest's JSON, of format 1 as one of format 2; anything else stays as it is.

    Format 1 knew one engine, the network, and kept its weights beside the manifest.
    """
    try:
        values: Any = json.loads(text)
    except ValueError:
        return text
    if not isinstance(values, dict) or values.get("format") != 1 or "engine" in values:
        return text
    architectures, bases = values.pop("architectures", None), values.pop("bases", {})
    network = {"architectures": architectures, "bases": bases}
    values |= {"format": 2, "engine": {"id": FORMAT_1_ENGINE, "folder": "", "values": network}}
    return json.dumps(values)
