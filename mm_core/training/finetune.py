"""The default fitter: fine-tune everything with Lightning, keep the best validated weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from mm_core.api.contracts import Batches, FitResult, FitRun, Fitter
from mm_core.api.errors import TrainingError
from mm_core.api.nn import Batch, Topology
from mm_core.recipe.recipe import TrainingConfig
from mm_core.training.best import KeepBest
from mm_core.training.optimizer import learning_rate_factor, parameter_groups
from mm_core.training.progress import BAR_FROM_VERBOSITY, ProgressReport


class Finetune(Fitter):
    """Fine-tunes all trainable weights; early stopping on the validation score."""

    def fit(self, model: Topology, train: Batches, run: FitRun) -> FitResult:
        """Fit ``model`` in place.

        Raises:
            TrainingError: the loss is no longer finite.
        """
        training: TrainingConfig = run.training
        steps = _total_steps(training, len(train))
        best = KeepBest(model, run, training, len(train))
        module = _Module(model, training, run.learning_rates, steps)
        seen = (
            [ProgressReport(best, run.metric, steps)] if run.verbosity >= BAR_FROM_VERBOSITY else []
        )
        with _quiet():
            trainer = pl.Trainer(
                max_epochs=training.epochs,
                max_steps=-1 if training.max_steps is None else training.max_steps,
                accumulate_grad_batches=training.accumulate,
                gradient_clip_val=training.clip_norm,
                precision=_precision(training.precision),
                devices=1,
                callbacks=[best, *seen, *run.callbacks],
                logger=list(run.loggers) or False,
                default_root_dir=run.folder,
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=False,
                use_distributed_sampler=False,
            )
            trainer.fit(module, train_dataloaders=_Loader(train, module))
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
        loss = self.topology.loss(self.topology(batch), batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} at step {self.global_step}",
                value=loss.item(),
                remedy="lower training.learning_rate and training.head_learning_rate, or set "
                "training.precision=32",
            )
        return loss

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


def _total_steps(training: TrainingConfig, batches: int) -> int:
    per_epoch = -(-batches // training.accumulate)
    steps = per_epoch * training.epochs
    return steps if training.max_steps is None else min(steps, training.max_steps)


def _precision(wanted: str) -> Any:
    if wanted != "auto":
        return wanted
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if bf16 else "32-true"


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
