"""What a command gives back: the same facts for programs and for people."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The result of a command.

    Attributes:
        data: printed by ``--json``; dicts, lists, strings, numbers, booleans and None. Numbers that
            are not finite become null.
        text: printed otherwise; nothing where it is empty.
        code: exit code; 1 where what was looked at is not as it should be.
    """

    data: Any
    text: str = ""
    code: int = 0

    def render(self, as_json: bool) -> str:
        """What goes to standard output."""
        if as_json:
            return json.dumps(_finite(self.data), indent=2, ensure_ascii=False, allow_nan=False)
        return self.text


def _finite(value: Any) -> Any:
    """``value`` with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
