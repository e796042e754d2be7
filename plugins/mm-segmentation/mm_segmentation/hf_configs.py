"""Configs of transformers as a model keeps them. Light: json only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_FOREIGN = frozenset(
    {
        "_name_or_path",  # a path of the machine that trained
        "auto_map",  # code that comes with a checkpoint: never run
        "attn_implementation",  # may name kernels on a hub
        "_attn_implementation",
        "quantization_config",
    }
)


def own(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config without what names paths, code and kernels of elsewhere."""
    return {key: value for key, value in values.items() if key not in _FOREIGN}


def as_json(config: Any) -> dict[str, Any]:
    """The whole config of a model, as :func:`own` has it."""
    return own(json.loads(config.to_json_string(use_diff=False)))


def labels(names: Sequence[str]) -> dict[str, Any]:
    """Names of classes as a config has them: by their codes, and their codes."""
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: code for code, name in enumerate(names)},
    }
