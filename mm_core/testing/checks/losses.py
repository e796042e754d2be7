"""What every loss keeps, over the targets of the core's tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from mm_core.api.config import Config
from mm_core.api.loss import Loss
from mm_core.api.specs import LossSpec
from mm_core.testing import end_to_end
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject, shown

Given = Subject[LossSpec]

_N = 8
_STEPS = 200
_FAR = 60.0
"""A logit of a network that is sure."""

_JOBS: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "class": ("core:binary", {"label": ["yes", "no"]}),
    "value": ("core:regression", {"label": [1.0, 2.5, 4.0, 8.0]}),
    "labels": ("core:multilabel", {"red": [1, 0, 1, 0], "round": [1, 1, 0, 0]}),
}
"""Target -> a task that gives it, and labels."""


def check_gives_a_loss_of_each_row(subject: Given) -> None:
    """float32 [B], finite also where the network is sure and wrong, and so is the gradient."""
    logits, target = _pair(subject.spec.needs)
    for config in subject.configs():
        for scale in (1.0, _FAR):
            given = (scale * logits).requires_grad_(True)
            losses = _loss(subject, config)(given, target)
            said = f"with {shown(config)} and logits around {scale:g}"
            expect(losses.shape == (_N,), f"{said}: {list(losses.shape)}, not [{_N}]")
            expect(losses.dtype == torch.float32, f"{said}: {losses.dtype}, not float32")
            expect(bool(losses.isfinite().all()), f"{said}: {losses.tolist()}")
            (gradient,) = torch.autograd.grad(losses.sum(), given)
            expect(bool(gradient.isfinite().all()), f"{said}: the gradient is not finite")


def check_rows_are_independent(subject: Given) -> None:
    """The loss of a row is the same whatever rows are beside it."""
    logits, target = _pair(subject.spec.needs)
    for config in subject.configs():
        loss = _loss(subject, config)
        whole, some = loss(logits, target), loss(logits[2:5], target[2:5])
        same = torch.allclose(whole[2:5], some, atol=1e-6)
        expect(same, f"with {shown(config)}: {some.tolist()} alone, {whole[2:5].tolist()} in all")


def check_leads_to_the_target(subject: Given) -> None:
    """Gradient descent on it brings outputs nearer to the target."""
    start, target = _pair(subject.spec.needs)
    for config in subject.configs():
        loss = _loss(subject, config)
        logits = start.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([logits], lr=0.05)
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss(logits, target).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        before, after = (_error(one, target) for one in (start, logits.detach()))
        expect(after < 0.5 * before, f"with {shown(config)}: error {before:.3g}, then {after:.3g}")


def check_learns_end_to_end(subject: Given) -> None:
    """A fit with it learns; saved and loaded in a new process, it predicts the same."""
    task, labels = _job(subject)
    settings = {f"training.loss.{key}": value for key, value in subject.trial.settings.items()}
    settings["training.loss.id"] = subject.component.id
    job = end_to_end.Job(
        end_to_end.repeated(labels), task, settings, "mm_core.testing.checks.losses:one_side"
    )
    end_to_end.learns(subject, job)


def one_side(subject: Given, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(end_to_end.repeated(_job(subject)[1]), ("left",))


def _job(subject: Given) -> tuple[str, dict[str, list[Any]]]:
    if subject.spec.needs not in _JOBS:
        raise NotTried(f"it reads {subject.spec.needs!r}, which no task of the core gives")
    return _JOBS[subject.spec.needs]


def _loss(subject: Given, config: Config) -> Loss:
    loss: Loss = subject.component.load()(config)
    return loss


def _pair(needs: str) -> tuple[Tensor, Tensor]:
    """Logits that are wrong in some places, and a target."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(_N)
    if needs == "class":
        return torch.randn(_N, 3, generator=generator), rows % 3
    if needs == "value":
        return torch.randn(_N, 1, generator=generator), torch.linspace(-2, 2, _N)
    if needs == "labels":
        target = torch.stack([rows % 2, rows // 2 % 2], dim=1).float()
        return torch.randn(_N, 2, generator=generator), target
    raise NotTried(f"it reads {needs!r}; the tasks that name it try it")


def _error(logits: Tensor, target: Tensor) -> float:
    """Mean distance of the answers from the target."""
    if target.dtype == torch.int64:
        return float((logits.softmax(dim=1) - torch.eye(logits.shape[1])[target]).abs().mean())
    if target.ndim == 2:
        return float((logits.sigmoid() - target).abs().mean())
    return float((logits[:, 0] - target).abs().mean())
