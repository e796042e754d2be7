"""Adapters without weights: all of a backbone, or its first stages, is not trained."""

from __future__ import annotations

from torch import nn

from mm_core.api import ConfigError
from mm_core.api.nn import Adapter, Backbone
from mm_peft.configs import PartialConfig


class Frozen(Adapter):
    """Nothing of the backbone is trained, and it stays as at prediction: its features are fixed."""

    def apply(self, backbone: Backbone) -> None:
        """Freeze it; no dropout, and running statistics do not run."""
        backbone.requires_grad_(False)
        backbone.still = (backbone,)


class Partial(Adapter):
    """The first stages are not trained and stay as at prediction; the last are trained.

    Stages are those of ``Backbone.stages()`` that have parameters: for a transformer its
    embeddings, each block, and what comes after.
    """

    config: PartialConfig

    def apply(self, backbone: Backbone) -> None:
        """Freeze the first stages.

        Raises:
            ConfigError: so many stages are to be trained that none is left to freeze.
        """
        stages = [stage for stage in backbone.stages() if any(True for _ in stage.parameters())]
        frozen = stages[: self._frozen(len(stages))]
        nn.ModuleList(frozen).requires_grad_(False)
        backbone.still = tuple(frozen)

    def _frozen(self, stages: int) -> int:
        """How many of the stages are frozen: one or more, and not all."""
        if stages < 2 or (self.config.train_last or 1) >= stages:
            raise ConfigError(
                f"the backbone has {stages} stage(s) to train: none would be frozen",
                plugin="peft:partial",
                value=self.config.train_last,
                remedy="set train_last to fewer stages, or choose another adapter",
            )
        if self.config.train_last is not None:
            return stages - self.config.train_last
        share = 0.5 if self.config.freeze_share is None else self.config.freeze_share
        return min(max(round(share * stages), 1), stages - 1)
