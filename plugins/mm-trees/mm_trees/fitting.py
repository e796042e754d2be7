"""Boosting by any library: which rounds are kept, and what is said of them."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from mm_core.api import FitJob, FitResult, Fitter, MetricError
from mm_trees.configs import TreesConfig
from mm_trees.engine import TreesEngine, logits
from mm_trees.features import Array, Features, Rows, names, stacked
from mm_trees.goals import Goal, goal_of

SHARE_OF_SCORES = 0.1
"""Of the time that a model grew, what its scores may take when the time limit is over."""

HARDLY_ANY = 1e-6
"""Weight of a row that only names a class, in those of a row."""

_ROWS = 4096


@dataclass(frozen=True)
class Grown:
    """A model of the library after its last round.

    Attributes:
        model: the library's.
        losses: float [rounds] of the training rows after each.
        held_out: likewise of the validation rows; empty: there are none.
        stopped: why it ended, in words.
        rate: share of each tree, which the library may have chosen.
    """

    model: Any
    losses: Sequence[float]
    held_out: Sequence[float]
    stopped: str
    rate: float

    @property
    def least(self) -> int:
        """Rounds with the smallest loss on validation rows; all where there are none."""
        return int(np.argmin(self.held_out)) + 1 if len(self.held_out) else len(self.losses)


@dataclass(frozen=True)
class Task:
    """One model to be grown.

    Attributes:
        goal: loss and outputs.
        train: features, truth [N] and weight of the rows to learn.
        validation: likewise of those held out, without weights; None: there are none.
        seed: of what the library draws.
        deadline: ``time.monotonic()`` at which to stop, or None.
    """

    goal: Goal
    train: tuple[Features, Array, Array | None]
    validation: tuple[Features, Array] | None
    seed: int
    deadline: float | None


class Clock:
    """Whether the time is over; looked at after each round.

    Args:
        deadline: ``time.monotonic()``, or None.
    """

    def __init__(self, deadline: float | None) -> None:
        self.deadline, self.over = deadline, False

    def look(self) -> bool:
        """Whether it is over now."""
        self.over = self.deadline is not None and time.monotonic() > self.deadline
        return self.over


class Trees(Fitter):
    """Grows trees until the loss on validation rows gets no smaller, the time is over, or all
    rounds are done; then keeps the rounds with the best validation score.

    Attributes:
        growing: share of a time limit in which trees grow, where rounds are dropped later on.
    """

    config: TreesConfig
    engine: type[TreesEngine]
    growing: ClassVar[float] = 1.0

    @abstractmethod
    def grow(self, task: Task) -> Grown:
        """Boost one model."""

    @abstractmethod
    def stages(self, model: Any, rows: Features, every: int) -> Iterator[Array]:
        """Raw scores after so many rounds, twice as many, ..., and after the last."""

    @abstractmethod
    def file(self, model: Any, rounds: int, job: FitJob) -> bytes:
        """The library's own file of a model's first rounds."""

    def fit(self, job: FitJob) -> FitResult:
        """See the class; each label of several has a model of its own."""
        started = time.monotonic()
        goal = goal_of(job, job.model.recipe.fit.id)
        train = stacked(job.plain(job.train, _ROWS))
        held = None if job.validation is None else stacked(job.plain(job.validation, _ROWS))
        deadline = job.deadline
        if deadline is not None and held is not None:
            deadline = started + self.growing * (deadline - started)
        grown = [
            self._one(job, goal, number, train, held, deadline) for number in range(goal.models)
        ]
        follow = _Follow(job, goal, grown, time.monotonic() - started)
        if held is None:
            kept = [one.least for one in grown]
        elif len(grown) == 1:
            stages = self.stages(grown[0].model, held.features, self._every)
            least = partial(self._at, grown[0], held.features)
            kept = [follow.best(stages, self._every, least)]
        else:
            kept = [one.least for one in grown]
            follow.once([self._at(one, held.features) for one in grown])
        files = [self.file(one.model, n, job) for one, n in zip(grown, kept, strict=True)]
        return FitResult(
            history=follow.history,
            best_score=follow.best_score,
            stopped=f"{grown[-1].stopped}; {_listed(kept)} kept",
            engine=self.engine(files, goal.outputs, names(job.model.processors)),
        )

    @property
    def _every(self) -> int:
        return self.config.validate_every

    def _one(
        self,
        job: FitJob,
        goal: Goal,
        number: int,
        train: Rows,
        held: Rows | None,
        deadline: float | None,
    ) -> Grown:
        left = goal.models - number
        if deadline is not None:  # labels share the time that is left
            now = time.monotonic()
            deadline = now + max(0.0, deadline - now) / left
        return self.grow(
            Task(
                goal,
                (train.features, goal.truth(train.targets, number), train.weight),
                None if held is None else (held.features, goal.truth(held.targets, number)),
                job.model.recipe.training.seed,
                deadline,
            )
        )

    def _at(self, grown: Grown, rows: Features) -> Array:
        """Raw scores of the rounds with the smallest loss."""
        return next(self.stages(grown.model, rows, grown.least))


class _Follow:
    """Scores of the rounds, as the history of the fit.

    Attributes:
        history: one record a validation.
        best_score: or None.
    """

    def __init__(self, job: FitJob, goal: Goal, grown: Sequence[Grown], seconds: float) -> None:
        self.history: list[dict[str, float]] = []
        self.best_score: float | None = None
        self._job, self._goal, self._grown, self._seconds = job, goal, grown, seconds

    def best(self, stages: Iterator[Array], every: int, least: Callable[[], Array]) -> int:
        """Rounds of the best score; of the smallest loss where no score is defined.

        Where the time is over before all stages have a score, those of the smallest loss have one.

        Args:
            stages: raw scores after so many rounds, twice as many, ...
            every: rounds from one stage to the next.
            least: () -> those after the rounds with the smallest loss.
        """
        (grown,) = self._grown
        total, kept = len(grown.losses), grown.least
        until = time.monotonic() + SHARE_OF_SCORES * self._seconds
        deadline = self._job.deadline
        for number, raw in enumerate(stages, start=1):
            rounds = min(number * every, total)
            if deadline is not None and time.monotonic() > max(deadline, until):
                better = self._score([least()], grown.least, grown.losses[grown.least - 1])
                return grown.least if better else kept
            better = self._score([raw], rounds, grown.losses[rounds - 1])
            kept = rounds if better else kept
        return kept

    def once(self, raw: Sequence[Array]) -> None:
        """The score of models whose rounds are chosen by their own losses."""
        losses = [one.losses[one.least - 1] for one in self._grown]
        self._score(raw, max(one.least for one in self._grown), float(np.mean(losses)))

    def _score(self, raw: Sequence[Array], rounds: int, loss: float) -> bool:
        """Whether it is better than any before."""
        total = max(len(one.losses) for one in self._grown)
        record = {
            "epoch": float(rounds),
            "step": float(rounds),
            "seconds": self._seconds * rounds / total,
            "loss": float(loss),
            "learning_rate": self._grown[0].rate,
        }
        self.history.append(record)
        try:
            score = self._job.score({"logits": logits(raw, self._goal.outputs)})
        except MetricError:  # not defined for these answers: no better
            return False
        record[self._job.metric] = score
        sign = 1 if self._job.higher_is_better else -1
        if self.best_score is not None and sign * score <= sign * self.best_score:
            return False
        self.best_score = score
        return True


def with_all_classes(task: Task) -> tuple[Features, Array, Array | None]:
    """The training rows, and of each class that none has, as in a fold, one of hardly any weight.

    CatBoost and scikit-learn know the classes of the rows only. CatBoost says minus infinity of the
    others, and cannot tell what its first rounds say; of two it does not learn one alone.
    """
    features, truth, weight = task.train
    classes = {"binary": 2, "multiclass": task.goal.outputs}.get(task.goal.loss, 0)
    absent = np.setdiff1d(np.arange(classes), truth)
    if not len(absent):
        return task.train
    rows = np.concatenate([np.arange(len(truth)), np.zeros(len(absent), int)])
    own = np.ones(len(truth), np.float32) if weight is None else weight
    return (
        Features(features.numbers[rows], features.codes[rows]),
        np.concatenate([truth, absent]),
        np.concatenate([own, np.full(len(absent), HARDLY_ANY * own.mean(), own.dtype)]),
    )


def ended(rounds: int, config: TreesConfig, over: bool) -> str:
    """Why a model ended, in words."""
    if over:
        return f"the time limit (round {rounds})"
    if rounds < config.rounds:
        return f"no smaller loss in {config.patience} rounds (round {rounds})"
    return f"all {rounds} rounds"


def _listed(kept: Sequence[int]) -> str:
    if len(kept) == 1:
        return f"{kept[0]} rounds"
    return f"{min(kept)} to {max(kept)} rounds of {len(kept)} labels"
