"""``peft:lora`` (arXiv 2106.09685) and ``peft:dora`` (arXiv 2402.09353)."""

from __future__ import annotations

from peft import LoraConfig

from mm_peft.configs import LoRAConfig
from mm_peft.injected import Injected


class LoRA(Injected):
    """``W x + alpha / r * B A x`` with W frozen, A [r, in] random and B [out, r] zero at first."""

    config: LoRAConfig
    id = "peft:lora"
    decomposed = False

    def peft_config(self, targets: list[str]) -> LoraConfig:
        """The same settings in peft's words."""
        return LoraConfig(
            r=self.config.r,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            target_modules=targets,
            use_dora=self.decomposed,
        )


class DoRA(LoRA):
    """LoRA on the direction of each weight vector, and a learned length for it."""

    id = "peft:dora"
    decomposed = True
