"""What the topology of every task keeps, over one to three backbones that the kit makes up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mm_core.api.errors import RecipeError
from mm_core.api.specs import TaskSpec
from mm_core.testing.checks.tasks import learned
from mm_core.testing.networks import (
    copied,
    expect_finite,
    expect_finite_gradients,
    expect_same,
)
from mm_core.testing.outcome import expect
from mm_core.testing.stubs import Built, Stub, build
from mm_core.testing.subject import Subject
from mm_core.training.seeding import seeded

Component = Subject[TaskSpec]


def check_absent_inputs_change_no_answer(subject: Component) -> None:
    """What stands in an absent input, NaN included, reaches no answer and no backbone."""
    for built, where in _built(subject):
        gaps = built.with_gaps()
        wanted = _answer(gaps.spoilt(0.0))
        for value in (math.nan, math.inf):
            expect_same(_answer(gaps.spoilt(value)), wanted, f"{where}, {value} where absent", 1e-6)
        _expect_unseen(built, where)


def check_absent_inputs_spoil_no_gradient(subject: Component) -> None:
    """NaN in an absent input reaches no loss and no gradient."""
    for built, where in _built(subject):
        loss = _backward(built.with_gaps().spoilt(math.nan))
        expect(bool(torch.isfinite(loss)), f"{where}: the loss is {loss.item()}")
        expect_finite_gradients(built.topology, where)


def check_rows_do_not_mix(subject: Component) -> None:
    """At prediction a row's answer does not depend on the rows beside it."""
    for built, where in _built(subject):
        gaps = built.with_gaps().spoilt(0.0)
        together = _answer(gaps)
        for row in (0, 1, 4):
            alone = _answer(Built(gaps.topology, gaps.rows([row])))
            beside = {name: value[row : row + 1] for name, value in together.items()}
            expect_same(alone, beside, f"{where}, row {row} alone")


def check_a_row_without_anything_is_answered(subject: Component) -> None:
    """A row whose inputs are all absent gets a finite answer and a finite gradient."""
    for built, where in _built(subject):
        present = {name: value.clone() for name, value in built.batch.present.items()}
        for value in present.values():
            value[2] = False
        empty = Built(built.topology, replace(built.batch, present=present)).spoilt(math.nan)
        expect_finite(_answer(empty), f"{where}, nothing in row 2")
        _backward(empty)
        expect_finite_gradients(built.topology, f"{where}, nothing in row 2")


def check_passes_weights_on(subject: Component) -> None:
    """The task's loss is given the weights of the rows, in every call."""
    for built, where in _built(subject):
        given: list[Tensor | None] = []
        task = built.topology.task
        task.loss = _noting(task.loss, given)  # type: ignore[method-assign]
        weight = torch.linspace(0.0, 2.0, len(built.batch))
        _loss(Built(built.topology, replace(built.batch, weight=weight)))
        expect(given, f"{where}: the loss does not ask the task's")
        expect(
            all(one is not None for one in given),
            f"{where}: the task's loss is called without weight: pass batch.weight on",
        )


def _noting(loss: Callable[..., Tensor], given: list[Tensor | None]) -> Callable[..., Tensor]:
    """The loss, which notes the weights that it is called with."""

    def noted(logits: Tensor, targets: Mapping[str, Any], weight: Tensor | None) -> Tensor:
        given.append(weight)
        return loss(logits, targets, weight)

    return noted


def check_embeds_every_row(subject: Component) -> None:
    """``embed`` gives one finite vector a row, for every name in ``embeddings``."""
    for built, where in _built(subject):
        topology = built.topology.eval()
        for name in topology.embeddings:
            with torch.no_grad():
                vectors = topology.embed(built.with_gaps().batch, of=name)
            shape = list(vectors.shape)
            fits = len(shape) == 2 and shape[0] == len(built.batch)
            expect(fits, f"{where}: embed(of={name!r}) gives {shape}")
            expect_finite({f"embed(of={name!r})": vectors}, where)


def _built(subject: Component) -> Iterator[tuple[Built, str]]:
    """The topology over one, two and three backbones, as many as it takes."""
    task, frame = learned(subject)
    targets = task.encode(frame)
    refused = []
    for k in (1, 2, 3):
        try:
            built = build(subject, task, targets, k)
        except RecipeError as error:
            refused.append(str(error))
            continue
        yield built, f"{k} backbone(s)"
    expect(len(refused) < 3, f"it takes neither one, two nor three backbones: {refused[:1]}")


def _answer(built: Built) -> dict[str, Tensor]:
    with torch.no_grad(), seeded(0):
        found: dict[str, Any] = built.topology.eval().predict(built.batch)
    return copied({k: v for k, v in found.items() if isinstance(v, Tensor)})


def _loss(built: Built) -> Tensor:
    built.topology.train().zero_grad()
    with seeded(0):
        return built.topology.loss(built.topology(built.batch), built.batch)


def _backward(built: Built) -> Tensor:
    loss = _loss(built)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _expect_unseen(built: Built, where: str) -> None:
    shown = [
        name
        for name, backbone in built.topology.backbones.items()
        if isinstance(backbone, Stub) and backbone.shown_absent
    ]
    expect(
        not shown,
        f"{where}: {', '.join(shown)} was run on rows that lack its input: use run_backbones()",
    )
