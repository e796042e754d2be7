"""Validate, and stop in time."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from mm_core.api.errors import MetricError, MMWarning, TrainingError
from mm_core.api.fitting import INTERRUPTED, FitResult
from mm_core.api.nn import Topology
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.diverging import (
    ENOUGH_STEPS,
    HOPELESS,
    SHARE_OF_COURSE,
    DivergedError,
    hopeless,
)
from mm_core.training.loop.learned import learned, take_back
from mm_core.training.loop.logs import log
from mm_core.training.loop.pace import Course, Pace, next_look
from mm_core.training.loop.run import FitRun
from mm_core.training.loop.sharding import whole
from mm_core.training.loop.weights import Keeper, keeper

GPU_LOOKS_EVERY = 16
"""Batches between two looks at the loss on a GPU, where each look waits for the device."""

_LATE = "time_limit reached"


@dataclass
class _Progress:
    """What a fit has come to; a resumed one goes on from it.

    Attributes:
        loss: sum of the losses since the last validation.
        losses: batches in that sum.
        seen: batches since the fit began.
        stepped: steps of the optimiser that the keeper knows of.
        validated: of them, at the last validation.
        due: whether the next step is to be validated.
        best_score: of the validations, greater is better.
        waited: validations since the best one.
        undefined: why the last validation without a score had none; empty: each had one.
        history: one record for each validation.
    """

    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    losses: int = 0
    seen: int = 0
    stepped: int = 0
    validated: int = 0
    due: bool = False
    best_score: float = -math.inf
    waited: int = 0
    undefined: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


class Validation(pl.Callback):
    """Scores the model ``val_every`` epochs apart; at the end the kept weights stand in the model.

    Validation runs through the product's own inference, so that the score that chooses the weights
    is the score that a user sees. Of several processes each validates all rows, and the first one's
    score counts: ranks and curves are those of the whole validation set.
    """

    def __init__(
        self, topology: Topology, run: FitRun, batches: int, course: Course, pace: Pace
    ) -> None:
        self._topology = topology
        self._run = run
        self._training: TrainingConfig = run.training
        self._batches = batches
        self._validate_after = validation_points(self._training.val_every, batches)
        self._course = course
        self._pace = pace
        self._look_at = 0
        self._keeper: Keeper
        self._restored: dict[str, Any] | None = None
        self._so_far = _Progress()
        self._start = time.monotonic()
        self._interrupted = False
        self.stopped = ""

    @property
    def history(self) -> list[dict[str, float]]:
        """One record for each validation."""
        return self._so_far.history

    def interrupt(self) -> None:
        """Stop after the batch that is being trained on."""
        self._interrupted = True

    # ---- Lightning's hooks ---------------------------------------------------------------------

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Only now the network is on its device.
        self._keeper = keeper(self._topology, self._training, self._run.folder)
        if self._restored is not None:
            self._keeper.restore(self._restored)
            self._restored = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._run.deadline is None:  # a resumed fit may have had a limit that it has no more
            self._course.bend(trainer.global_step, self._course.steps)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        so_far = self._so_far
        self._pace.batch_done(time.monotonic())
        so_far.loss = so_far.loss + outputs["mean_loss"]
        so_far.losses += 1
        so_far.seen += 1
        if trainer.global_step > so_far.stepped:
            so_far.stepped = trainer.global_step
            self._keeper.after_step()
        if not so_far.loss.is_cuda or so_far.seen % GPU_LOOKS_EVERY == 0:
            self._finite_loss(trainer)
        so_far.due |= index + 1 in self._validate_after
        if so_far.due and self._changed:
            self._validate(trainer)
        self._lay_into_time(trainer, index + 1)
        self._stop_in_time(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._changed or not self.history:  # stopped between two validations, or before all
            self._validate(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self.stopped:
            if self._so_far.seen == self._training.epochs * self._batches:
                self.stopped = "all epochs done"
            elif trainer.global_step == self._training.max_steps:
                self.stopped = "max_steps reached"
            else:
                self.stopped = "stopped by a callback"
        best = self._keeper.finish(None if self._run.score is None else self._soup_score(trainer))
        self._so_far.best_score = self._so_far.best_score if best is None else best
        if trainer.is_global_zero:
            self._result_file.write_text(json.dumps(self._outcome()))
            torch.save(learned(self._topology), self._learned_file)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed fit needs of this one."""
        seconds = time.monotonic() - self._start
        course = {"keeper": self._keeper.state(), "course": self._course.state()}
        return {**course, "seconds": seconds, **vars(self._so_far)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = dict(state_dict)
        self._restored = state.pop("keeper")
        self._course.restore(state.pop("course"))
        self._start = time.monotonic() - state.pop("seconds")
        self._so_far = _Progress(**state)

    def result(self) -> FitResult:
        """What came of it, in this process or in the ones forked for the fit.

        Raises:
            MetricError: no validation had a score.
        """
        if self.stopped:
            outcome = self._outcome()
        else:  # the weights are in memory that the processes share, and nothing else is
            outcome = json.loads(self._result_file.read_text())
            take_back(self._topology, torch.load(self._learned_file, weights_only=True))
        undefined, best = outcome.pop("undefined"), outcome["best_score"]
        if best is not None and math.isinf(best):
            raise MetricError(
                f"{self._run.metric} was not defined in any of the validations, {undefined}",
                value=self._run.metric,
                remedy="let the function return a number whatever the answers are, or choose the "
                "epoch by another metric: validation_metric=",
            )
        return FitResult(**outcome)

    # ---- inside --------------------------------------------------------------------------------

    @property
    def _result_file(self) -> Path:
        return self._run.folder / "result.json"

    @property
    def _learned_file(self) -> Path:
        return self._run.folder / "learned.pt"

    def _outcome(self) -> dict[str, Any]:
        best = None if self._run.score is None else self._sign * self._so_far.best_score
        told = {"best_score": best, "stopped": self.stopped, "undefined": self._so_far.undefined}
        return {"history": self.history} | told

    @property
    def _changed(self) -> bool:
        """Whether the optimiser has stepped since the last validation: not after every batch."""
        return self._so_far.stepped > self._so_far.validated

    @property
    def _sign(self) -> float:
        return 1.0 if self._run.higher_is_better else -1.0

    def _finite_loss(self, trainer: pl.Trainer) -> float:
        """Sum of the losses since the last validation, of this process.

        Raises:
            DivergedError: it is not finite in some process.
        """
        loss: float = self._so_far.loss.item()
        finite = math.isfinite(loss)
        if trainer.world_size > 1:
            finite = trainer.strategy.reduce_boolean_decision(finite, all=True)
        if not finite:
            said = f"is {loss}" if not math.isfinite(loss) else "of another process is not finite"
            raise DivergedError(
                f"the loss {said} at step {trainer.global_step}",
                value=loss,
                remedy="lower training.learning_rate and training.head_learning_rate, or set "
                "training.precision=32",
            )
        return loss

    def _validate(self, trainer: pl.Trainer) -> None:
        started = time.monotonic()
        record = {
            "epoch": round(self._so_far.seen / self._batches, 3),
            "step": float(trainer.global_step),
            "seconds": round(started - self._start, 3),
            "loss": self._mean_loss(trainer),
        }
        self._so_far.loss, self._so_far.losses = torch.zeros(()), 0
        self._so_far.validated, self._so_far.due = self._so_far.stepped, False
        self._so_far.history.append(record)
        if self._run.score is not None:
            with self._keeper.candidate():
                score = self._score(trainer)
            if not math.isnan(score):
                record[self._run.metric] = self._sign * score
            self._compare(trainer, score)
            self._give_up(trainer)
        now = time.monotonic()
        self._pace.validated(now - started, now)
        self._publish(trainer, record)

    def _mean_loss(self, trainer: pl.Trainer) -> float:
        """Of the batches since the last validation, over all processes."""
        mean = torch.tensor(self._finite_loss(trainer) / self._so_far.losses)
        if trainer.world_size > 1:
            mean = trainer.strategy.reduce(mean.to(self._so_far.loss.device), reduce_op="mean")
        return float(mean)

    def _score(self, trainer: pl.Trainer) -> float:
        """Validation score of the network as it stands, greater is better; in all processes.

        NaN where the metric is not defined for its answers.
        """
        assert self._run.score is not None
        try:
            with whole(self._topology):
                score = self._sign * self._run.score()
            why = "" if math.isfinite(score) else f"it is {score}"
        except MetricError as error:
            score, why = math.nan, error.message
        except TrainingError as error:  # the answers are no longer finite
            raise DivergedError(error.message, value=error.value, remedy=error.remedy) from error
        if why:
            score = math.nan
            self._tell_undefined(trainer, why)
        if trainer.world_size > 1:
            score = trainer.strategy.broadcast(score)
        return score

    def _tell_undefined(self, trainer: pl.Trainer, why: str) -> None:
        """Remember it; the first time in a fit, warn."""
        first = not self._so_far.undefined
        self._so_far.undefined = f"at step {trainer.global_step}: {why}"
        if first and trainer.is_global_zero:
            warnings.warn(
                f"{self._run.metric} is not defined {self._so_far.undefined}; validations without "
                "a score count as no better, and further ones are not told",
                MMWarning,
                stacklevel=2,
            )

    def _soup_score(self, trainer: pl.Trainer) -> Callable[[], float]:
        """Scores for soups: NaN from when Ctrl-C was pressed or the next would be too late."""
        ended = ""

        def score() -> float:
            nonlocal ended
            if ended:
                return math.nan
            ended = self._reason_to_end(trainer)
            if not ended:
                return self._score(trainer)
            if trainer.is_global_zero:
                warnings.warn(
                    f"{ended}: training.average={self._training.average} was cut short, and the "
                    "best weights found so far are taken",
                    MMWarning,
                    stacklevel=2,
                )
            return math.nan

        return score

    def _compare(self, trainer: pl.Trainer, score: float) -> None:
        if not math.isnan(score):
            self._keeper.consider(score)
        if score > self._so_far.best_score:
            self._so_far.best_score = score
            self._so_far.waited = 0
            return
        if math.isinf(self._so_far.best_score):  # nothing to be better than
            return
        self._so_far.waited += 1
        if self._so_far.waited >= self._training.patience:
            reason = f"no better {self._run.metric} in {self._training.patience} validations"
            self._stop(trainer, reason)

    def _give_up(self, trainer: pl.Trainer) -> None:
        """Stop where the network has had its time, by course or patience, and came to nothing."""
        steps, impatient = self._so_far.stepped, self._so_far.waited >= self._training.patience
        if not self._run.gives_up or self._interrupted or (self.stopped and not impatient):
            return
        due = impatient or steps >= SHARE_OF_COURSE * self._course.end
        if due and steps >= ENOUGH_STEPS and hopeless(self._run, self.history):
            self._stop(trainer, HOPELESS)

    @property
    def laid(self) -> bool:
        """Whether the fit has a time limit, and the course was laid into it."""
        return self._look_at > 0

    def left(self, trainer: pl.Trainer, batch: int) -> float:
        """Seconds until the last validation is done, by the pace so far.

        Args:
            trainer: of the fit.
            batch: of the epoch, counted from 1, that was done last.
        """
        steps = self._course.end - trainer.global_step
        return self._pace.seconds_for(steps, self._to_validation(batch))

    def _to_validation(self, batch: int) -> int:
        """Batches from one of an epoch until that after which a validation comes."""
        after = (point for point in self._validate_after if point > batch)
        return min(after, default=self._batches + min(self._validate_after)) - batch

    def _lay_into_time(self, trainer: pl.Trainer, batch: int) -> None:
        """Bend the course so that the schedule ends with the time; again as the pace changes.

        On a GPU only where the loss was looked at, which waits for the device: what was timed
        before is how fast batches are handed to it. All processes take the first one's word.
        """
        step, deadline = trainer.global_step, self._run.deadline
        seen = self._so_far.losses == 0 or self._so_far.seen % GPU_LOOKS_EVERY == 0
        if deadline is None or not self._pace.known or step < self._look_at:
            return
        if self._so_far.loss.is_cuda and not seen:
            return
        fit = self._pace.steps_within(deadline - time.monotonic(), self._to_validation(batch))
        end = step + fit
        if trainer.world_size > 1:
            end = trainer.strategy.broadcast(end)
        self._course.bend(step, end)
        self._look_at = next_look(step, self._course.end)

    def _stop_in_time(self, trainer: pl.Trainer) -> None:
        """Stop where there is a reason, but not before the first step: it would be for nothing."""
        reason = self._reason_to_end(trainer)
        if reason and self._so_far.stepped:
            self._stop(trainer, reason)

    def _reason_to_end(self, trainer: pl.Trainer) -> str:
        """Ctrl-C, or that the next validation would end after the deadline; empty: none."""
        late = self._run.deadline is not None and (
            self._so_far.stepped >= self._course.end < self._course.steps
            or time.monotonic() + self._pace.validation_seconds >= self._run.deadline
        )
        interrupted = self._interrupted
        if trainer.world_size > 1:  # all processes stop at the same batch
            interrupted = trainer.strategy.reduce_boolean_decision(interrupted, all=False)
            late = trainer.strategy.reduce_boolean_decision(late, all=False)
        if interrupted:
            return INTERRUPTED
        return _LATE if late else ""

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        self.stopped = reason
        trainer.should_stop = True

    def _publish(self, trainer: pl.Trainer, record: dict[str, float]) -> None:
        """Show a validation to callbacks that monitor a metric, and to loggers."""
        score = {name: value for name, value in record.items() if name == self._run.metric}
        log(trainer, score | {"epoch": record["epoch"]})
        if self._run.score is not None:
            score.setdefault(self._run.metric, math.nan)  # who monitors it expects something
        shown: dict[str, float | Tensor] = {**score, "loss": record["loss"]}
        for name, value in shown.items():
            trainer.callback_metrics[name] = torch.as_tensor(value)


def validation_points(every: float, batches: int) -> frozenset[int]:
    """Batches (counted from 1) after which an epoch is validated: evenly apart, the last included.

    Args:
        every: share of an epoch between two validations.
        batches: of an epoch.
    """
    times = min(batches, max(1, round(1 / every)))
    return frozenset(round(batches * (i + 1) / times) for i in range(times))
