"""Configs of transformers as a model keeps them. Light: json only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mm_core.api.checkpoints import HFFolder


def as_json(config: Any) -> dict[str, Any]:
    """The whole config of a model, without what is of elsewhere."""
    return HFFolder.own_config(json.loads(config.to_json_string(use_diff=False)))


def labels(names: Sequence[str]) -> dict[str, Any]:
    """Names of classes as a config has them: by their codes, and their codes."""
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: code for code, name in enumerate(names)},
    }
