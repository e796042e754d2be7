"""A user's Lightning callbacks and loggers: what would undo the fit's own work is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    Callback,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.loggers import Logger

from mm_core.api.errors import ConfigError
from mm_core.training.loop.run import FitRun

_INSTEAD = {
    # They put their average in the place of the weights that validation chose.
    WeightAveraging: "training.average=ema",
    StochasticWeightAveraging: "training.average=uniform_soup",
    # The schedule and the weight of each row count with a fixed number of batches a step.
    GradientAccumulationScheduler: "training.accumulate",
    # They train before the fit, on Lightning's own validation, which there is none of.
    BatchSizeFinder: "training.batch_size",
    LearningRateFinder: "training.head_learning_rate",
}
"""Kind of callback -> the setting that does its work."""


def check_callbacks(run: FitRun) -> None:
    """Refuse callbacks that work against the fit, before it begins.

    Raises:
        ConfigError: such a callback, checkpoints without a folder to stay in, or what is no
            callback or logger at all.
    """
    _check_kind("callback", run.callbacks, Callback)
    _check_kind("logger", run.loggers, Logger)
    for callback in run.callbacks:
        for kind, setting in _INSTEAD.items():
            if isinstance(callback, kind):
                name = type(callback).__name__
                raise ConfigError(
                    f"the callback {name} works against what the fit does itself",
                    value=name,
                    remedy=f"leave it out and set {setting}",
                )
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            _check_checkpoint_folder(run)


def _check_kind(name: str, given: Sequence[Any], kind: type) -> None:
    for one in given:
        if isinstance(one, kind):
            continue
        is_class = isinstance(one, type) and issubclass(one, kind)
        raise ConfigError(
            f"{name}s={one!r}: this is no Lightning {name}",
            value=one,
            remedy=f"give an instance: {one.__name__}(...)"
            if is_class
            else f"give instances of what lightning.pytorch.{name}s holds, or leave it out",
        )


def _check_checkpoint_folder(run: FitRun) -> None:
    """Lightning would write into ``run.folder``, which does not outlive the fit."""
    if not run.loggers or run.loggers[0].save_dir is None:
        raise ConfigError(
            "ModelCheckpoint has no folder to write to",
            remedy="give ModelCheckpoint(dirpath=...), or a logger that writes to a folder",
        )
