"""The fitter ``few_shot``: features as they are, and a logistic head by cross-validation."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import torch

from mm_core.api import ConfigError, FitJob, FitResult, Fitter, MMWarning, RunSettings
from mm_matching.configs import FewShotConfig
from mm_matching.features import FewShot

Array = np.ndarray


class FewShotFitter(Fitter):
    """Runs the backbones once over each row, without augmentation, and trains nothing of them
    unless it is told to (``contrastive``).

    The head is scikit-learn's logistic regression over the joined features. How strongly it is
    regularised is what gives the smallest log loss in cross-validation.
    """

    config: FewShotConfig

    def fit(self, job: FitJob) -> FitResult:
        """Put the head's weights into the network.

        Raises:
            ConfigError: the task is another one.
        """
        topology = job.model.topology
        if not isinstance(topology, FewShot):
            raise ConfigError(
                f"{job.model.recipe.task.id} has no head that few_shot could fit",
                plugin="matching:few_shot",
                value=job.model.recipe.task.id,
                remedy="problem_type='few_shot_classification', or fit=core:finetune",
            )
        started = time.monotonic()
        before: list[dict[str, float]] = []
        if self.config.contrastive:
            before = self._drawn_together(topology, job).history
        else:
            _warn_of_new(topology)
        topology.eval()
        loss, said = self._headed(topology, job)
        epoch, step = (before[-1][key] if before else 0.0 for key in ("epoch", "step"))
        record = {
            "epoch": epoch + 1,
            "step": step + 1,
            "seconds": round(time.monotonic() - started, 3),
            "loss": round(loss, 6),
        }
        return FitResult([*before, record], None, said)

    def _drawn_together(self, topology: FewShot, job: FitJob) -> FitResult:
        """Train the backbones so that the classes lie apart (as SetFit does, arXiv 2209.11055).

        Where there are validation rows, epochs are judged by a head that is fitted anew.
        """

        def score() -> float:
            self._headed(topology, job)
            return job.score()

        topology.contrast = self.config.temperature
        try:
            return job.train_network(
                topology,
                job.batches(),
                score=None if job.validation is None else score,
                training={
                    "epochs": self.config.contrastive,
                    "learning_rate": self.config.contrastive_rate,
                },
            )
        finally:
            topology.contrast = None

    def _headed(self, topology: FewShot, job: FitJob) -> tuple[float, str]:
        """Fit the head to the features as they are: its log loss, and what is to be said of it."""
        engine, found = job.model.engine, []
        with engine.running(RunSettings()):
            for batch in job.plain(job.train):
                found.append(engine.embed(engine.prepare(batch), "fused", RunSettings()))
        features = np.concatenate(found).astype(np.float64)
        classes = np.asarray(job.train.encoded.targets["class"])
        weight = job.train.encoded.weight
        strength, loss, said = self._strength(features, classes, weight, job)
        head = _fitted(strength, features, classes, weight)
        _put(topology, head, job.model.task.output_dim)
        return loss, said

    def _strength(
        self, features: Array, classes: Array, weight: Any, job: FitJob
    ) -> tuple[float, float, str]:
        """The best strength, its log loss, and what is to be said of it."""
        from sklearn.metrics import log_loss
        from sklearn.model_selection import StratifiedKFold

        folds = min(self.config.folds, int(np.bincount(classes)[np.unique(classes)].min()))
        if folds < 2:
            strength = self.config.alone
            head = _fitted(strength, features, classes, weight)
            loss = float(log_loss(classes, head.predict_proba(features), labels=head.classes_))
            return strength, loss, f"strength {strength:g}: a class has one row, none was chosen"
        seed = job.model.recipe.training.seed % 2**32
        losses = dict.fromkeys(self.config.strengths, 0.0)
        split = StratifiedKFold(folds, shuffle=True, random_state=seed)
        for kept, held in split.split(features, classes):
            own = None if weight is None else weight[kept]
            for strength in losses:
                head = _fitted(strength, features[kept], classes[kept], own)
                proba = head.predict_proba(features[held])
                losses[strength] += float(log_loss(classes[held], proba, labels=head.classes_))
        strength = min(losses, key=losses.__getitem__)
        loss = losses[strength] / folds
        return strength, loss, f"strength {strength:g} by {folds}-fold cross-validation"


def _warn_of_new(topology: FewShot) -> None:
    """Features of a network that has learned nothing are random: said, where there are such."""
    new = [name for name, one in topology.backbones.items() if not getattr(one, "pretrained", True)]
    if new:
        warnings.warn(
            f"features of backbones.{', backbones.'.join(new)} come of new weights, which few_shot "
            "does not train: fit=core:finetune trains the whole, and a table alone is for trees",
            MMWarning,
            stacklevel=2,
        )


def _fitted(strength: float, features: Array, classes: Array, weight: Any) -> Any:
    """scikit-learn's regression, without its warning that the last digit has not converged."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=strength, max_iter=1000).fit(features, classes, weight)


def _put(topology: FewShot, head: Any, n_classes: int) -> None:
    """The regression's weights as those of the linear layer."""
    weights, bias = np.asarray(head.coef_), np.asarray(head.intercept_)
    if len(weights) == 1:  # of two classes it has the score of the second
        weights = np.concatenate([np.zeros_like(weights), weights])
        bias = np.concatenate([np.zeros_like(bias), bias])
    layer = topology.head
    assert len(weights) == n_classes
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weights, dtype=layer.weight.dtype))
        layer.bias.copy_(torch.as_tensor(bias, dtype=layer.bias.dtype))
