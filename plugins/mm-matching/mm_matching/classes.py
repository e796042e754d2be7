"""``Classes``: one of several classes, from names or from a few rows. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, Decoded, LabelError, MetricError, State, Task, suggest
from mm_matching.labels import plain

DEFAULT_LABEL = "class"
"""Name of the answer where no label column is named."""


class Classes(Task):
    """Reads ``logits`` [N, C]; the answer is the class, with probabilities that sum to 1."""

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        self._classes: list[Any] = list(getattr(config, "classes", ()))

    def learn(self, targets: pd.DataFrame) -> None:
        """The classes, in order, from the label; of names that were given, nothing.

        Raises:
            LabelError: labels are missing, or all the same.
        """
        if hasattr(self.config, "classes"):
            _check_names(self._classes)
            return
        labels = self.complete(targets)[self.label[0]]
        found = [plain(one) for one in pd.unique(labels)]
        if len(found) < 2:
            raise LabelError(
                f"label {self.label[0]!r} is {found[0]!r} in all rows",
                column=self.label[0],
                value=found[0],
                remedy="give rows of at least two classes",
            )
        self._classes = sorted(found, key=lambda one: (str(type(one)), one))

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """``class``, int64 [N]; nothing without a label.

        Raises:
            LabelError: a label that is no class.
        """
        if not self.label:
            return {}
        labels = self.complete(targets)[self.label[0]]
        place = {one: number for number, one in enumerate(self._classes)}
        codes = labels.map(lambda one: place.get(plain(one), -1)).to_numpy(dtype=np.int64)
        wrong = np.flatnonzero(codes < 0)
        if len(wrong):
            value = labels.iloc[wrong[0]]
            near = suggest(str(value), [str(one) for one in self._classes])
            raise LabelError(
                f"label {value!r} is none of the classes",
                column=self.label[0],
                rows=[int(row) for row in wrong[:10]],
                value=value,
                remedy=f"did you mean {near!r}?"
                if near
                else f"classes: {', '.join(map(str, self._classes[:20]))}",
            )
        return {"class": codes}

    @property
    def output_dim(self) -> int:
        """One logit a class."""
        return len(self._classes)

    @property
    def info(self) -> Mapping[str, Any]:
        """``classes``."""
        return {"classes": list(self._classes)}

    def strata(self, targets: Mapping[str, Any]) -> np.ndarray | None:
        """The classes."""
        return targets.get("class")

    def loss(self, logits: Any, targets: Mapping[str, Any], weight: Any) -> Any:
        """Cross entropy."""
        from torch.nn import functional

        if "class" not in targets:
            raise LabelError(
                "names of classes are all that is known: there is nothing to train by",
                remedy="training.epochs=0 to keep the model as it is, or name the label",
            )
        losses = functional.cross_entropy(logits.float(), targets["class"], reduction="none")
        return losses.mean() if weight is None else (losses * weight).mean()

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """The likeliest class."""
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        proba /= proba.sum(axis=1, keepdims=True)
        codes = proba.argmax(axis=1)
        answer = pd.Series(self._classes).iloc[codes].reset_index(drop=True)
        name = self.label[0] if self.label else DEFAULT_LABEL
        return Decoded(
            pd.DataFrame({name: answer}),
            views={"labels": codes, "proba": proba},
            proba=pd.DataFrame(proba, columns=self._classes),
        )

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """The codes of the classes.

        Raises:
            MetricError: there are no labels.
        """
        if "class" not in targets:
            raise MetricError(
                "there are no labels to score",
                value=needs,
                remedy="name the label: MultiModalPredictor(label='name of the column', ...)",
            )
        return targets["class"]

    def true_answer(self, targets: Mapping[str, Any]) -> pd.DataFrame | None:
        """The labels as answers are written."""
        if "class" not in targets:
            return None
        answer = pd.Series(self._classes).iloc[np.asarray(targets["class"])]
        return pd.DataFrame({self.label[0]: answer.reset_index(drop=True)})

    def state(self) -> State:
        """The classes."""
        return State({"classes": self._classes})

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task again."""
        task = cls(config, label)
        task._classes = list(state.values["classes"])
        return task


def _check_names(classes: Sequence[str]) -> None:
    """Refuse names that no class could be told by.

    Raises:
        ConfigError: fewer than two, or one twice.
    """
    if len(set(classes)) < 2 or len(set(classes)) < len(classes):
        raise ConfigError(
            f"classes to choose from: {', '.join(classes) or 'none'}",
            plugin="matching",
            value=list(classes),
            remedy="name two or more, each once: "
            "hyperparameters={'task.classes': ['a cat', 'a dog']}",
        )
