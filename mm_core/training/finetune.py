"""The default fitter: fine-tune everything with Lightning, keep the best validated weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, ProgressBar
from torch import Tensor

from mm_core.api.contracts import Batches, FitResult, FitRun, Fitter
from mm_core.api.errors import ConfigError
from mm_core.api.nn import Batch, Topology
from mm_core.recipe.recipe import TrainingConfig
from mm_core.training.best import KeepBest
from mm_core.training.interrupt import interruptible
from mm_core.training.logs import LogSteps
from mm_core.training.optimizer import learning_rate_factor, parameter_groups
from mm_core.training.progress import BAR_FROM_VERBOSITY, ProgressReport

LOG_EVERY_STEPS = 50
"""Lightning's default; shorter epochs are logged once each."""


class Finetune(Fitter):
    """Fine-tunes all trainable weights; early stopping on the validation score.

    A user's loggers receive ``loss`` and ``learning_rate`` (of the head) every 50 steps, or every
    epoch where that is shorter, and the validation score under the metric's name, such as
    ``roc_auc``, after each validation.

    A user's callbacks find the last validation in ``trainer.callback_metrics``: its score, and
    ``loss``, the mean since the one before. Validation is the product's own, not Lightning's loop:
    ``on_validation_*`` hooks are never called. What Lightning does at the end of a training epoch,
    its default for both, works: ``EarlyStopping("roc_auc", mode="max")``,
    ``ModelCheckpoint("folder", monitor="roc_auc", mode="max")``. A checkpoint holds
    the topology's weights under ``topology.``. A progress bar of Lightning takes the place of the
    product's.

    Ctrl-C stops after the batch at hand: the best weights so far are kept and the fit returns. A
    second Ctrl-C is a KeyboardInterrupt.
    """

    def fit(self, model: Topology, train: Batches, run: FitRun) -> FitResult:
        """Fit ``model`` in place.

        Raises:
            ConfigError: the precision needs a GPU, or checkpoints have no folder to stay in.
            TrainingError: the loss is no longer finite.
        """
        training: TrainingConfig = run.training
        precision = _precision(training.precision)
        _check_checkpoint_folders(run)
        per_epoch = -(-len(train) // training.accumulate)
        steps = _total_steps(training, per_epoch)
        log_every = min(LOG_EVERY_STEPS, per_epoch)
        best = KeepBest(model, run, training, len(train))
        module = _Module(model, training, run.learning_rates, steps)
        with _quiet():
            trainer = pl.Trainer(
                accelerator="cuda" if torch.cuda.is_available() else "cpu",
                devices=1,
                precision=precision,
                max_epochs=training.epochs,
                max_steps=-1 if training.max_steps is None else training.max_steps,
                accumulate_grad_batches=training.accumulate,
                gradient_clip_val=training.clip_norm,
                callbacks=[*_reports(best, run, steps, log_every), *run.callbacks],
                logger=list(run.loggers) or False,
                log_every_n_steps=log_every,
                default_root_dir=run.folder,
                enable_checkpointing=_has(run, Checkpoint),
                enable_model_summary=False,
                enable_progress_bar=_has(run, ProgressBar),
                use_distributed_sampler=False,
            )
            try:
                with interruptible(best.interrupt):
                    trainer.fit(module, train_dataloaders=_Loader(train, module))
            except SystemExit as error:  # what Lightning makes of a KeyboardInterrupt
                raise KeyboardInterrupt from error
        return best.finish()


class _Module(pl.LightningModule):
    """Lightning's view of a topology."""

    def __init__(
        self,
        topology: Topology,
        training: TrainingConfig,
        rates: Mapping[str, float | None],
        steps: int,
    ) -> None:
        super().__init__()
        self.topology = topology
        self._training = training
        self._rates = rates
        self._steps = steps

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return self.topology.loss(self.topology(batch), batch)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return batch.to(device)

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(self.topology, self._training, self._rates)
        optimizer = torch.optim.AdamW(groups)
        factor = learning_rate_factor(self._training, self._steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class _Loader:
    """Batches that tell themselves which epoch it is."""

    def __init__(self, batches: Batches, module: _Module) -> None:
        self._batches = batches
        self._module = module

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        self._batches.set_epoch(self._module.current_epoch)
        return iter(self._batches)


def _total_steps(training: TrainingConfig, per_epoch: int) -> int:
    steps = per_epoch * training.epochs
    return steps if training.max_steps is None else min(steps, training.max_steps)


def _precision(wanted: str) -> Any:
    if wanted == "16-mixed" and not torch.cuda.is_available():
        raise ConfigError(
            "training.precision=16-mixed needs a GPU, and there is none",
            value=wanted,
            remedy="set training.precision to auto, 32 or bf16-mixed",
        )
    if wanted != "auto":
        return wanted
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if bf16 else "32-true"


def _has(run: FitRun, kind: type[pl.Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in run.callbacks)


def _reports(best: KeepBest, run: FitRun, steps: int, log_every: int) -> list[pl.Callback]:
    """The product's own callbacks; each only where someone looks."""
    callbacks: list[pl.Callback] = [best]
    if run.loggers:
        callbacks.append(LogSteps(log_every, run.training.accumulate))
    if run.verbosity >= BAR_FROM_VERBOSITY and not _has(run, ProgressBar):
        callbacks.append(ProgressReport(best, run.metric, steps))
    return callbacks


def _check_checkpoint_folders(run: FitRun) -> None:
    """Lightning would write into ``run.folder``, which does not outlive the fit."""
    if run.loggers and run.loggers[0].save_dir is not None:
        return
    for callback in run.callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            raise ConfigError(
                "ModelCheckpoint has no folder to write to",
                remedy="give ModelCheckpoint(dirpath=...), or a logger that writes to a folder",
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's banners and advice stay out of the user's terminal during a fit."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
