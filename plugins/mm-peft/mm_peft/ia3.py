"""``peft:ia3`` (arXiv 2205.05638)."""

from __future__ import annotations

from peft import IA3Config as PeftIA3Config

from mm_peft.configs import IA3Config
from mm_peft.injected import Injected


class IA3(Injected):
    """Each output of a frozen layer times a learned number, 1 at first.

    The paper scales keys, values and the inner activations of feed-forward blocks, which is
    ``targets=".*(key|value|intermediate.dense)"`` in a BERT; without ``targets`` all layers are.
    """

    config: IA3Config
    id = "peft:ia3"

    def peft_config(self, targets: list[str]) -> PeftIA3Config:
        """The same settings in peft's words."""
        return PeftIA3Config(target_modules=targets, feedforward_modules=[])
