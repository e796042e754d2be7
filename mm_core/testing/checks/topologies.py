"""What the topology of every task keeps, over its sample columns or backbones of the kit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mm_core.api.batch import mapped
from mm_core.api.errors import ConfigError
from mm_core.api.nn import Topology
from mm_core.api.specs import TaskSpec
from mm_core.api.tasks import Task
from mm_core.testing.alike import plain
from mm_core.testing.networks import expect_finite, expect_finite_gradients, expect_same
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.sampled import each_built
from mm_core.testing.stubs import Built, rows_of
from mm_core.testing.subject import Subject
from mm_core.testing.torchless import no_torch
from mm_core.training.seeding import seeded

Component = Subject[TaskSpec]

_ROW = 2


def check_absent_inputs_change_no_answer(subject: Component) -> None:
    """What stands in an absent input, NaN included, reaches no answer and no backbone."""
    for built, where in each_built(subject):
        gaps = built.with_gaps()
        wanted = _flat(_answer(gaps.spoilt(0.0)))
        for value in (math.nan, math.inf):
            with _watched(built.topology, value) as shown:
                found = _flat(_answer(gaps.spoilt(value)))
            expect_same(found, wanted, f"{where}, {value} where absent", 1e-6)
            expect(
                not shown,
                f"{where}: {', '.join(shown)} was run on rows that lack its input: use "
                "run_backbones()",
            )


def check_absent_inputs_spoil_no_gradient(subject: Component) -> None:
    """NaN in an absent input reaches no loss and no gradient."""
    for built, where in each_built(subject):
        loss = _backward(built.with_gaps().spoilt(math.nan))
        expect(bool(torch.isfinite(loss)), f"{where}: the loss is {loss.item()}")
        expect_finite_gradients(built.topology, where)


def check_rows_do_not_mix(subject: Component) -> None:
    """At prediction a row's answer does not depend on the rows beside it."""
    for built, where in each_built(subject):
        gaps = built.with_gaps().spoilt(0.0)
        together = _answer(gaps)
        for row in (0, 1, 4):
            alone = _answer(replace(gaps, batch=gaps.rows([row])))
            beside = rows_of(together, torch.tensor([row]))
            expect_same(_flat(alone), _flat(beside), f"{where}, row {row} alone")


def check_a_row_without_anything_is_answered(subject: Component) -> None:
    """A row whose inputs are all absent gets a finite answer and a finite gradient."""
    for built, where in each_built(subject):
        present = {name: value.clone() for name, value in built.batch.present.items()}
        for value in present.values():
            value[2] = False
        empty = replace(built, batch=replace(built.batch, present=present)).spoilt(math.nan)
        expect_finite(_flat(_answer(empty)), f"{where}, nothing in row 2")
        _backward(empty)
        expect_finite_gradients(built.topology, f"{where}, nothing in row 2")


def check_passes_weights_on(subject: Component) -> None:
    """The task's loss is given the weights in every call, or its own loss weighs the rows."""
    for built, where in each_built(subject):
        given: list[Tensor | None] = []
        task = built.topology.task
        plain_loss = task.loss
        task.loss = _noting(plain_loss, given)  # type: ignore[method-assign]
        weight = torch.linspace(0.0, 2.0, len(built.batch))
        _loss(replace(built, batch=replace(built.batch, weight=weight)))
        task.loss = plain_loss  # type: ignore[method-assign]
        expect(
            all(one is not None for one in given),
            f"{where}: the task's loss is called without weight: pass batch.weight on",
        )
        if not given:
            _expect_weighed(built, where)


def check_asks_its_fusion_head_for_the_loss(subject: Component) -> None:
    """Where it has a fusion head, the training loss is what ``fusion.loss`` makes of it."""
    tried = False
    for built, where in each_built(subject):
        fusion = built.topology.fusion
        if fusion is None:
            continue
        tried, asked = True, list[Any]()
        fusion.loss = partial(_heard, fusion.loss, asked)  # type: ignore[method-assign]
        _loss(built)
        del fusion.loss
        expect(
            bool(asked),
            f"{where}: its loss does not ask its fusion head, which may look at targets: return "
            "self.fusion.loss(outputs, batch, of)",
        )
    if not tried:
        raise NotTried("it has no fusion head")


def _heard(
    loss: Callable[..., Tensor], asked: list[Any], outputs: Any, batch: Any, of: Any
) -> Tensor:
    asked.append(batch)
    return loss(outputs, batch, of)


def _noting(loss: Callable[..., Tensor], given: list[Tensor | None]) -> Callable[..., Tensor]:
    """The loss, which notes the weights that it is called with."""

    def noted(logits: Tensor, targets: Mapping[str, Any], weight: Tensor | None) -> Tensor:
        given.append(weight)
        return loss(logits, targets, weight)

    return noted


def _expect_weighed(built: Built, where: str) -> None:
    """What the target of a row of weight 0 is, changes nothing in the topology's own loss."""
    targets = built.batch.targets
    rows = torch.arange(len(built.batch))
    rows[_ROW] = _unlike(targets, _ROW)
    weight = torch.ones(len(built.batch))
    weight[_ROW] = 0.0
    losses = [
        _loss(replace(built, batch=replace(built.batch, weight=weight, targets=one))).item()
        for one in (targets, rows_of(targets, rows))
    ]
    expect(
        math.isclose(*losses, rel_tol=1e-5, abs_tol=1e-6),
        f"{where}: the target of a row of weight 0 makes a loss of {losses[0]:.5g} "
        f"{losses[1]:.5g}: weigh the rows by batch.weight",
    )


def _unlike(targets: Mapping[str, Any], row: int) -> int:
    """A row with other targets than that row."""
    n = len(next(iter(targets.values()), ()))
    given = [plain(rows_of(targets, torch.tensor([place]))) for place in range(n)]
    for place, one in enumerate(given):
        if one != given[row]:
            return place
    raise NotTried("all rows have the same targets, or none")


def check_arrays_become_what_it_predicts(subject: Component) -> None:
    """``Task.postprocess`` makes of ``Topology.arrays`` what ``predict`` gives, or refuses."""
    tried, why = False, "it predicts arrays"
    for built, where in each_built(subject):
        topology, task = built.topology.eval(), built.topology.task
        if type(topology).arrays is Topology.arrays and type(task).postprocess is Task.postprocess:
            if any(isinstance(one, list) for one in _answer(built).values()):
                why = "it predicts lists and has no arrays(): no graph can be written of it"
            continue
        gaps = built.with_gaps().spoilt(0.0)
        try:
            with torch.no_grad(), seeded(0):
                arrays = topology.arrays(gaps.batch, built.options)
        except ConfigError as refused:
            why = f"it refuses: {refused.message}"
            continue
        tried = True
        for name, one in arrays.items():
            fits = isinstance(one, Tensor) and one.dim() > 0 and len(one) == len(gaps.batch)
            expect(
                fits,
                f"{where}: arrays() gives {name!r}, which is no tensor [B, ...]: let it end "
                "before rows are of unequal length, and do the rest in Task.postprocess; or raise "
                "ConfigError, where no graph can be written",
            )
        given = mapped(arrays, _as_array), gaps.batch.map(_as_array)
        with no_torch("postprocess"):
            made = task.postprocess(*given, built.options)
        found = _numbers(made)
        wanted = _numbers(_answer(gaps))
        expect_same(_flat(found), _flat(wanted), f"{where}: arrays(), then postprocess()")
    if not tried:
        raise NotTried(why)


def check_embeds_every_row(subject: Component) -> None:
    """``embed`` gives one finite vector a row, for every name in ``embeddings``."""
    for built, where in each_built(subject):
        topology = built.topology.eval()
        for name in topology.embeddings:
            with torch.no_grad():
                vectors = topology.embed(built.with_gaps().batch, of=name)
            shape = list(vectors.shape)
            fits = len(shape) == 2 and shape[0] == len(built.batch)
            expect(fits, f"{where}: embed(of={name!r}) gives {shape}")
            expect_finite({f"embed(of={name!r})": vectors}, where)


def _answer(built: Built) -> dict[str, Any]:
    """Outputs at prediction."""
    with torch.no_grad(), seeded(0):
        found: dict[str, Any] = built.topology.eval().predict(built.batch, built.options)
    return found


def _flat(outputs: Any, path: str = "") -> dict[str, Tensor]:
    """All tensors of outputs, wherever they stand, by their path."""
    if isinstance(outputs, Tensor):
        return {path: outputs.detach().clone()}
    if isinstance(outputs, Mapping):
        named = [(f"{path}.{name}".lstrip("."), value) for name, value in outputs.items()]
    elif isinstance(outputs, list | tuple):
        named = [(f"{path}[{place}]", value) for place, value in enumerate(outputs)]
    else:
        return {}
    return {key: value for name, one in named for key, value in _flat(one, name).items()}


def _as_array(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value


def _numbers(outputs: Any) -> Any:
    """The same with a tensor in the place of each array, number and list of numbers."""
    if isinstance(outputs, Mapping):
        return {name: _numbers(value) for name, value in outputs.items()}
    if isinstance(outputs, list | tuple) and not all(isinstance(one, Number) for one in outputs):
        return [_numbers(one) for one in outputs]
    if isinstance(outputs, np.ndarray | Number | list | tuple):
        return torch.as_tensor(outputs)
    return outputs


def _loss(built: Built) -> Tensor:
    built.topology.train().zero_grad()
    with seeded(0):
        return built.topology.loss(built.topology(built.batch), built.batch)


def _backward(built: Built) -> Tensor:
    loss = _loss(built)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


@contextmanager
def _watched(topology: Topology, value: float) -> Iterator[list[str]]:
    """Names of backbones that are shown that value meanwhile; the list fills as they are."""
    shown: list[str] = []

    def look(name: str, module: nn.Module, given: tuple[Any, ...]) -> None:
        for tensor in _flat(given).values():
            if tensor.is_floating_point() and _has(tensor, value) and name not in shown:
                shown.append(name)

    handles = [
        backbone.register_forward_pre_hook(partial(look, name))
        for name, backbone in topology.backbones.items()
    ]
    try:
        yield shown
    finally:
        for handle in handles:
            handle.remove()


def _has(tensor: Tensor, value: float) -> bool:
    return bool(tensor.isnan().any() if math.isnan(value) else (tensor == value).any())
