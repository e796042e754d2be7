"""The training rows become the context: nothing is trained. Imports torch."""

from __future__ import annotations

import time
import warnings

import numpy as np

from mm_core.api import (
    ConfigError,
    FitJob,
    FitResult,
    FitRows,
    Fitter,
    MetricError,
    MMWarning,
    RunSettings,
    TrainingError,
)
from mm_tabicl import checkpoints
from mm_tabicl.answers import Asked, asked_of
from mm_tabicl.configs import InContextConfig
from mm_tabicl.context import Context
from mm_tabicl.engine import ROWS, InContextEngine, check_device
from mm_tabicl.networks import Network

PLUGIN = checkpoints.PLUGIN


class InContext(Fitter):
    """Keeps the training rows, and answers those that are held out once, for the score."""

    config: InContextConfig

    def fit(self, job: FitJob) -> FitResult:
        """See the class.

        Raises:
            CheckpointError: the weights cannot be had.
            ConfigError: there is no such device, or a setting would not be used.
            TrainingError: there are more rows than ``context_rows``, or rows with weights.
        """
        started = time.monotonic()
        asked = asked_of(job, self.config)
        _check_rows(job.train, self.config.context_rows)
        if self.config.device is not None:
            check_device(self.config.device)
        network = checkpoints.network(self.config.checkpoint, numbers=asked.numbers)
        _check_cache(asked, network)
        target = "value" if asked.numbers else "class"
        context = Context.of(job.plain(job.train, ROWS), target)
        engine = InContextEngine(network, context, asked, self.config.device)
        record = {"epoch": 1.0, "step": 1.0}
        score = None if job.validation is None else _score(job, engine, job.validation)
        record["seconds"] = time.monotonic() - started
        if score is not None:
            record[job.metric] = score
        _warn_of_time(job)
        return FitResult(
            history=[record],
            best_score=score,
            stopped=f"nothing is trained: {len(context)} rows are the context, and the model holds "
            f"them ({_size(context.size)}) and its network ({_size(network.size)})",
            engine=engine,
        )


def _check_rows(rows: FitRows, most: int) -> None:
    if rows.encoded.weight is not None:
        raise TrainingError(
            "rows have weights, and TabICL takes all rows of a context alike",
            plugin=PLUGIN,
            remedy="leave sample_weight out, or choose another fitter: fit=trees:catboost",
        )
    if len(rows) > most:
        raise TrainingError(
            f"{len(rows)} training rows are more than a context may have here "
            f"(fit.context_rows={most})",
            plugin=PLUGIN,
            value=len(rows),
            remedy=f"allow them: fit.context_rows={len(rows)}, which takes memory and time with "
            f"each answer; or fit on a sample: data.sample({most}, random_state=0)",
        )


def _check_cache(asked: Asked, network: Network) -> None:
    """More classes than the network tells apart at a time are told apart in several steps."""
    if asked.cache != "none" and asked.outputs > network.classes > 0:
        raise ConfigError(
            f"fit.cache={asked.cache}: this network keeps nothing of a context of more than "
            f"{network.classes} classes, and the label has {asked.outputs}",
            plugin=PLUGIN,
            value=asked.cache,
            remedy="fit.cache=none",
        )


def _score(job: FitJob, engine: InContextEngine, rows: FitRows) -> float | None:
    """Of the answers to rows; None where the metric is not defined for them."""
    found = [engine.run(one, None, RunSettings())["logits"] for one in job.plain(rows, ROWS)]
    try:
        return job.score({"logits": np.concatenate(found)})
    except MetricError:
        return None


def _warn_of_time(job: FitJob) -> None:
    """One pass over the rows that are held out is all there is to be cut short."""
    over = 0.0 if job.deadline is None else time.monotonic() - job.deadline
    if over > 0:
        warnings.warn(
            f"the fit took {over:.0f} s longer than its time limit: answering the rows that are "
            "held out cannot be cut short (fewer views: fit.estimators; fewer rows; a GPU)",
            MMWarning,
            stacklevel=2,
        )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
