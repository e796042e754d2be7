"""Labels, losses, answers: the contract of tasks. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mm_core.api.errors import LabelError, TrainingError
from mm_core.api.loss import Criterion
from mm_core.api.processors import State

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from mm_core.api.batch import Batch


@dataclass(frozen=True)
class Decoded:
    """A task's answers, one per row, in order.

    Attributes:
        answer: [N] rows, in label space; columns are the label columns.
        views: what metrics read, by the name in ``MetricSpec.needs``: ``"labels"`` int [N],
            ``"proba"`` float [N, C], ``"values"`` float [N], ...
        proba: probabilities as a frame with one column per class (or label), or None.
        exclusive: whether each row has one of the columns of ``proba``, whose rows sum to 1 then;
            the second of two is the positive class. False: labels that stand for themselves.
        contributions: input or backbone -> [N], its share in each answer; None: not known. The core
            sets it from the gates of a fusion head, unless the task did.
    """

    answer: pd.DataFrame
    views: Mapping[str, Any]
    proba: pd.DataFrame | None = None
    exclusive: bool = True
    contributions: Mapping[str, np.ndarray] | None = None


class Task(ABC):
    """What is predicted. ``decode`` uses numpy only; ``loss`` uses torch, imported inside.

    Args:
        config: validated settings.
        label: names of the label columns.

    Attributes:
        criterion: the loss that the recipe names (``training.loss``), given by the core before
            training; None at prediction, and for a task with a loss of its own
            (``TaskSpec.losses`` is empty).
        folder: where relative paths in labels start, the folder of the data that they are from:
            given by the core before :meth:`learn`, :meth:`extend` and :meth:`encode`, and of no
            meaning elsewhere. What a target needs of it, :meth:`encode` puts into the target.
    """

    criterion: Criterion | None = None
    folder: Path = Path()

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        self.config = config
        self.label = tuple(label)

    def complete(self, targets: pd.DataFrame) -> pd.DataFrame:
        """The label columns, in the order of ``label``.

        Raises:
            LabelError: one is not there, or a label is missing.
        """
        for name in self.label:
            if name not in targets.columns:
                raise LabelError(
                    f"there is no label column {name!r}",
                    column=name,
                    remedy=f"columns are: {', '.join(map(str, targets.columns))}",
                )
            rows = targets[name].isna().to_numpy().nonzero()[0].tolist()
            if rows:
                shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
                raise LabelError(
                    f"label {name!r} is missing in {len(rows)} row(s): {shown}",
                    column=name,
                    rows=rows,
                    remedy=f"delete them in the file, or data.dropna(subset=[{name!r}])",
                )
        return targets[list(self.label)]

    @abstractmethod
    def learn(self, targets: pd.DataFrame) -> None:
        """Learn the classes, scale, ... from the label columns of the training rows.

        Raises:
            LabelError: missing or constant labels.
        """

    def extend(self, targets: pd.DataFrame) -> None:  # noqa: B027
        """Learn what is new in the labels of further training rows, such as more classes.

        What was learned before stays, and new outputs come after the old ones. Unless overridden:
        nothing is learned; :meth:`encode` refuses what it does not know.
        """

    @abstractmethod
    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Targets by name, each indexed by row: numpy arrays, or lists where rows are ragged.

        Raises:
            LabelError: a label that was not seen in training.
        """

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Width of the model's output vector; 1 where its topology gives none."""

    @property
    def info(self) -> Mapping[str, Any]:
        """JSON-able facts a direct backbone is built from (names of classes, ...)."""
        return {"output_dim": self.output_dim}

    @property
    def class_labels(self) -> list[Any] | None:
        """The classes, or labels, in the order of the columns of ``Decoded.proba``; None: none.

        Unless overridden: ``info["classes"]``, where there are such.
        """
        classes = self.info.get("classes")
        return None if classes is None else list(classes)

    @property
    def positive_class(self) -> Any:
        """The one of two classes that metrics such as recall are about; None: no class is."""
        return None

    @classmethod
    def decided(cls, config: Any, labels: pd.DataFrame) -> Mapping[str, tuple[Any, str]]:
        """Settings that the labels decide where nobody set them, for the recipe to show.

        Unless overridden: none. What is wrong with the labels is not said here, but by
        :meth:`learn`.

        Args:
            config: validated settings.
            labels: the label columns of all rows, those that there are.

        Returns:
            setting -> its value, and why: ``{"positive": ("yes", "the later of 'no' and 'yes'")}``.
        """
        return {}

    def loss(
        self, logits: torch.Tensor, targets: Mapping[str, Any], weight: torch.Tensor | None
    ) -> torch.Tensor:
        """Scalar loss. ``logits`` [B, output_dim]; ``weight`` [B] or None.

        Unless overridden: the mean over the rows of ``criterion`` times ``weight``.

        Raises:
            TrainingError: there is no criterion.
        """
        if self.criterion is None:
            raise TrainingError(
                f"{type(self).__name__} has neither a loss of its own nor a criterion",
                value=self.label,
                remedy="override loss(), or give the TaskSpec losses and a default_loss",
            )
        losses = self.criterion(logits, targets)
        return (losses if weight is None else losses * weight).mean()

    def postprocess(
        self, arrays: Mapping[str, Any], batch: Batch, options: Any = None
    ) -> Mapping[str, Any]:
        """Outputs for :meth:`decode` of a batch, from what an exported network gave: numpy only,
        for there is no torch where it runs.

        Unless overridden: the arrays as they are.

        Args:
            arrays: what ``Topology.arrays`` gave, [B, ...] by name.
            batch: numpy arrays, with ``present`` and ``meta``.
            options: as in :meth:`decode`.
        """
        return arrays

    @abstractmethod
    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """Answers from the model's outputs; no row's answer depends on other rows.

        Args:
            outputs: numpy, rows in order: ``outputs["logits"]`` [N, D], or what the topology gives.
            meta: input name -> key -> array [N, ...] or list of N, as the processor gave it.
            options: of the task (``TaskSpec.options``), validated; None: the task has none.
        """

    @abstractmethod
    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """The true counterpart of ``Decoded.views[needs]``, for metrics."""

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame | None:
        """The labels of these targets, written as ``Decoded.answer`` is.

        A metric that is a user's function is given both, so that equal labels are equal there.
        Unless overridden: None, the label columns as they were given.
        """
        return None

    def constant(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """The output that is the best one for all of these rows alike, as logits [output_dim].

        A network that does no better has learned nothing: the core trains it once more, at lower
        rates. Unless overridden: None, there is no such output.

        Args:
            targets: of training rows, as :meth:`encode` gave them.
        """
        return None

    def strata(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """Class of each row, for a stratified hold-out; None: split at random."""
        return None

    def essential(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """bool [N], rows that are not held out, such as the only one with a label; None: none."""
        return None

    def calibrate(  # noqa: B027, nothing is to be done by default
        self,
        outputs: Mapping[str, Any],
        meta: Mapping[str, Any],
        targets: Mapping[str, Any],
        score: Callable[[Decoded], float],
    ) -> None:
        """Set right how outputs are decoded (temperature, thresholds), on the validation rows.

        Called once after training, with the final weights; what is learned goes into
        :meth:`state`. Unless overridden: nothing is done.

        Args:
            outputs: of the validation rows, as in :meth:`decode`.
            meta: as in :meth:`decode`.
            targets: of these rows, as :meth:`encode` gave them.
            score: of what :meth:`decode` gives for these rows, under the defaults of the task's
                options where it has any, by ``data.eval_metric``; greater is
                better. Raises MetricError where the metric is not defined on them. Anything else
                that it raises ends the calibration early (time limit, Ctrl-C): let it pass, and
                leave what was not found yet as it was.
        """

    @abstractmethod
    def state(self) -> State:
        """What :meth:`from_state` needs."""

    @classmethod
    @abstractmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was after :meth:`learn`."""
