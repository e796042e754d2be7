"""The loop that trains a network, with Lightning; early stopping on the validation score."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.utilities.exceptions import SIGTERMException

from mm_core.api.errors import TrainingError
from mm_core.api.fitting import TERMINATED, Batches, FitResult
from mm_core.api.nn import Topology
from mm_core.processes import ENDED_BY_SIGTERM, is_first
from mm_core.recipe.training import TrainingConfig
from mm_core.telling import PROGRESS_FROM_VERBOSITY
from mm_core.training.loop.callbacks import check_callbacks
from mm_core.training.loop.compiling import compiling
from mm_core.training.loop.devices import (
    accelerator,
    check_processes,
    devices,
    precision,
    process_count,
)
from mm_core.training.loop.diverging import HOPELESS, HOPELESS_AT_SIGTERM, DivergedError, steadily
from mm_core.training.loop.finished import keep_finished
from mm_core.training.loop.interrupt import interruptible
from mm_core.training.loop.learned import learned, take_back
from mm_core.training.loop.logs import FitLog, LogSteps
from mm_core.training.loop.memory import within_memory
from mm_core.training.loop.module import Loader, NetworkModule
from mm_core.training.loop.pace import Course, Pace
from mm_core.training.loop.progress import ProgressReport, reports
from mm_core.training.loop.recompute import recomputing
from mm_core.training.loop.run import FitRun, Trainable
from mm_core.training.loop.sharding import gather
from mm_core.training.loop.strategy import strategy
from mm_core.training.loop.unfinished import KeepUnfinished, unfinished_state
from mm_core.training.loop.validation import Validation, validation_points

LOG_EVERY_STEPS = 50
"""Lightning's default; shorter epochs are logged once each."""


def train_network(network: Trainable, train: Batches, run: FitRun) -> FitResult:
    """Train all trainable weights with Lightning, and leave the best validated ones in the network.

    A user's loggers receive ``loss`` and ``learning_rate`` (of the head) every 50 steps, or every
    epoch where that is shorter, and the validation score under the metric's name, such as
    ``roc_auc``, after each validation.

    A user's callbacks find the last validation in ``trainer.callback_metrics``: its score, and
    ``loss``, the mean since the one before. Validation is the product's own, not Lightning's loop:
    ``on_validation_*`` hooks are never called. What Lightning does at the end of a training epoch,
    its default for both, works: ``EarlyStopping("roc_auc", mode="max")``,
    ``ModelCheckpoint("folder", monitor="roc_auc", mode="max")``. A checkpoint holds
    the network's weights under ``topology.``. A progress bar of Lightning takes the place of the
    product's.

    Ctrl-C stops after the batch at hand: the best weights so far are kept and the fit returns. A
    second Ctrl-C is a KeyboardInterrupt.

    A training that comes to nothing is begun once more, at a third of its learning rates.

    Raises:
        ConfigError: what the settings need of the machine is not there, or a callback works
            against the fit.
        TrainingError: the loss is no longer finite, the second time too, or the GPU's memory is
            full after all.
    """
    model: Any = network
    training: TrainingConfig = run.training
    check_callbacks(run)
    check_processes(training)
    train = train.shard(0, process_count(training))
    unshared = copy.deepcopy(model) if training.strategy == "fsdp" else None
    with _as_set(model, training):
        result = steadily(model, run, partial(_trained, model, train))
    if unshared is not None:
        beside = learned(model)
        gather(model, unshared)
        take_back(model, beside)
    return result


@contextmanager
def _as_set(model: Topology, training: TrainingConfig) -> Iterator[None]:
    """Inside, the network runs as the settings have it: it is tried like that, and trained."""
    compiled = compiling(model) if training.compile else nullcontext()
    with compiled, recomputing(model) if training.gradient_checkpointing else nullcontext():
        yield


def _trained(model: Any, train: Batches, run: FitRun, log: str) -> FitResult:
    """One training of the network as it stands; ``log`` is that of an earlier one."""
    training: TrainingConfig = run.training
    train, accumulate = within_memory(model, train, training)
    per_epoch = -(-len(train) // accumulate)
    course = Course(_total_steps(training, per_epoch))
    pace = _pace(run, train, per_epoch)
    validation = Validation(model, run, len(train), course, pace)
    module = NetworkModule(model, run, course, train.sizes, accumulate)
    fit_log = FitLog(run.folder / "log")
    fit_log.take_up(log)
    keep = _keep_unfinished(run, fit_log)
    report = _report(validation, pace, course, train.sizes, run)
    with _quiet(), closing(Loader(train, module)) as loader:
        beside = [one for one in (keep, report) if one is not None]
        trainer = _trainer(validation, beside, run, course.steps, accumulate, fit_log)
        try:
            with interruptible(validation.interrupt):
                trainer.fit(
                    module,
                    train_dataloaders=loader,
                    ckpt_path=unfinished_state(run.unfinished) if run.resume else None,
                    weights_only=True,
                )
        except DivergedError as error:
            error.history, error.log = validation.history, fit_log.text
            error.ending = keep is not None and keep.ending
            module.let_go()
            raise
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"the memory of the GPU is full at step {trainer.global_step}",
                value=training.batch_size,
                remedy="set a smaller training.batch_size and training.accumulate=2 or more, "
                "or training.gradient_checkpointing=true",
            ) from error
        except SIGTERMException as error:
            raise SystemExit(ENDED_BY_SIGTERM) from error
        except SystemExit as error:  # what Lightning makes of a KeyboardInterrupt
            raise KeyboardInterrupt from error
    result = replace(validation.result(), log=fit_log.text)
    if keep is None:
        return result
    if result.stopped == HOPELESS:
        return replace(result, stopped=HOPELESS_AT_SIGTERM) if keep.ending else result
    if is_first():
        assert run.unfinished is not None
        try:
            keep_finished(run.unfinished, model, result)
        except OSError as error:
            keep.tell_no_room(error)
    return replace(result, stopped=TERMINATED) if keep.ending else result


def _keep_unfinished(run: FitRun, fit_log: FitLog) -> KeepUnfinished | None:
    training: TrainingConfig = run.training
    if run.unfinished is None or training.strategy == "fsdp":
        return None
    return KeepUnfinished(run.unfinished, training.save_every, fit_log)


def _pace(run: FitRun, train: Batches, per_epoch: int) -> Pace:
    points = len(validation_points(run.training.val_every, len(train)))
    held_out = run.held_out if run.score is not None else 0
    batches, rows = len(train), sum(train.sizes)
    return Pace(rows, batches, per_epoch / batches, batches / points, held_out)


def _report(
    validation: Validation, pace: Pace, course: Course, sizes: Sequence[int], run: FitRun
) -> ProgressReport | None:
    """What tells how the fit goes, if anybody listens."""
    shown = run.verbosity >= PROGRESS_FROM_VERBOSITY and not _has(run, ProgressBar)
    if not is_first() or not reports(shown=shown):
        return None
    return ProgressReport(
        validation,
        pace,
        course,
        run.metric,
        run.training,
        sizes,
        run.held_out,
        shown=shown,
    )


def _trainer(
    validation: Validation,
    beside: Sequence[pl.Callback],
    run: FitRun,
    steps: int,
    accumulate: int,
    fit_log: FitLog,
) -> pl.Trainer:
    training: TrainingConfig = run.training
    log_every = min(LOG_EVERY_STEPS, -(-steps // training.epochs))
    return pl.Trainer(
        accelerator=accelerator(),
        devices=devices(training),
        strategy=strategy(training),
        num_nodes=training.num_nodes,
        precision=precision(training),
        max_epochs=training.epochs,
        max_steps=-1 if training.max_steps is None else training.max_steps,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=training.clip_norm,
        callbacks=[validation, LogSteps(log_every), *beside, *run.callbacks],
        logger=[fit_log, *run.loggers],
        log_every_n_steps=log_every,
        default_root_dir=run.folder,
        enable_checkpointing=_has(run, Checkpoint),
        enable_model_summary=False,
        enable_progress_bar=_has(run, ProgressBar),
        use_distributed_sampler=False,
    )


def _total_steps(training: TrainingConfig, per_epoch: int) -> int:
    steps = per_epoch * training.epochs
    return steps if training.max_steps is None else min(steps, training.max_steps)


def _has(run: FitRun, kind: type[pl.Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in run.callbacks)


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
