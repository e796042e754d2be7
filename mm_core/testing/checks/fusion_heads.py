"""What every fusion head keeps, with one to four inputs of unequal widths."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mm_core.api.nn import Fused, FusionHead
from mm_core.api.slots import slot_fields
from mm_core.api.specs import FusionHeadSpec
from mm_core.testing import end_to_end, fresh
from mm_core.testing.end_to_end import Job, points, repeated
from mm_core.testing.fused import (
    BATCHES,
    OUTPUT_DIM,
    Rows,
    answer,
    answers,
    exported,
    fuse,
    loss_of,
    situations,
)
from mm_core.testing.networks import (
    copied,
    expect_finite,
    expect_finite_gradients,
    expect_same,
    expect_state,
    gradients,
    hidden,
    pull,
)
from mm_core.testing.outcome import CheckError, expect
from mm_core.testing.subject import Subject

Head = Subject[FusionHeadSpec]

_MANY = 32
"""Rows, in all of which a weight of a few has nothing to say by chance only."""

_NEXT_TO_NOTHING = 1e-4
"""Share of the largest gradient that may be one of roundings."""

_LABELS = repeated({"label": ["yes", "no"]})


def check_gives_a_vector_or_logits(subject: Head) -> None:
    """pooled [B, dim] or logits [B, output_dim]; also of a single row, and in training."""
    for situation in situations(subject):
        head = situation.build()
        for n in BATCHES:
            for training in (False, True):
                fused = fuse(head.train(training), situation.rows(n).with_gaps())
                _expect_shapes(head, fused, n, f"{situation}, {n} row(s)")


def check_absent_slots_change_nothing(subject: Head) -> None:
    """What stands in an absent slot, NaN included, reaches no output."""
    for situation in situations(subject):
        head, rows = situation.build(), situation.rows(5).with_gaps()
        wanted = answer(head, rows.spoilt(0.0))
        expect_finite(wanted, str(situation))
        for value in (math.nan, math.inf, 1e30):
            found = answer(head, rows.spoilt(value))
            expect_same(found, wanted, f"{situation}, {value} in absent slots", 1e-6)


def check_absent_slots_spoil_no_gradient(subject: Head) -> None:
    """NaN in an absent slot reaches no gradient: replace it before any layer reads it."""
    for situation in situations(subject):
        head = situation.build()
        _backward(head, situation.rows(5).with_gaps().spoilt(math.nan))
        expect_finite_gradients(head, f"{situation}, NaN in absent slots")


def check_answers_the_same_twice(subject: Head) -> None:
    """The same rows get the same answer at prediction; no weight is drawn in forward."""
    for situation in situations(subject):
        head, rows = situation.build().eval(), situation.rows(5)
        with torch.no_grad():
            first, second = (copied(answers(head(rows.features, rows.present))) for _ in range(2))
        expect_same(second, first, f"{situation}, second call", 0.0)


def check_rows_are_independent(subject: Head) -> None:
    """At prediction a row's answer does not depend on the rows beside it."""
    for situation in situations(subject):
        head, rows = situation.build(), situation.rows(5).with_gaps()
        together = answer(head, rows)
        for row in range(len(rows)):
            beside = {name: value[row : row + 1] for name, value in together.items()}
            alone = answer(head, rows.take(row))
            expect_same(alone, beside, f"{situation}, row {row} alone instead of among 5")


def check_every_parameter_learns(subject: Head) -> None:
    """Training gives every parameter a finite gradient, and with two inputs not always zero."""
    for situation in situations(subject):
        head = situation.build()
        moved: set[str] = set()
        for seed in range(4):
            head.zero_grad()
            _backward(head, situation.rows(6, seed).with_gaps())
            if seed == 0:  # rows without anything have parameters of their own, perhaps
                _backward(head, situation.rows(3).without(1))
            found = gradients(head)
            expect_finite({k: g for k, g in found.items() if g is not None}, f"{situation}")
            moved |= {k for k, g in found.items() if g is not None and bool((g != 0).any())}
        if len(situation.names) == 1:
            continue  # nothing is to be weighed
        still = sorted(set(gradients(head)) - moved)
        expect(not still, f"{situation}: no gradient reaches {', '.join(still[:5])}")


def check_hides_no_parameter(subject: Head) -> None:
    """All that is trained stands in parameters(): not in lists, dicts or plain attributes."""
    for situation in situations(subject):
        head = situation.build()
        answer(head, situation.rows(2))
        lost = hidden(head)
        expect(not lost, f"{situation}: outside parameters(): {', '.join(lost)}; register them")


def check_forward_leaves_the_state_alone(subject: Head) -> None:
    """Prediction changes neither keys nor values of the state dict."""
    for situation in situations(subject):
        head = situation.build()
        before = copied(head.state_dict())
        answer(head, situation.rows(3))
        expect_state(head, before, str(situation))


def check_input_order_is_irrelevant(subject: Head) -> None:
    """Inputs in another order, at build or at call, give the same answer from the same state."""
    for situation in situations(subject):
        head, rows = situation.build(), situation.rows(5).with_gaps()
        wanted = answer(head, rows)
        expect_same(answer(head, rows.reversed()), wanted, f"{situation}, inputs reversed")
        other = situation.reversed().build(seed=0)
        other.load_state_dict(head.state_dict())
        expect_same(answer(other, rows), wanted, f"{situation}, built with inputs reversed")


def check_a_row_without_anything_is_finite(subject: Head) -> None:
    """A row whose inputs are all absent gets a finite answer and a finite gradient."""
    for situation in situations(subject):
        head = situation.build()
        for rows in (situation.rows(3).without(1), situation.rows(1).without(0)):
            expect_finite(answer(head, rows), f"{situation}, nothing present")
            head.zero_grad()
            _backward(head, rows)
            expect_finite_gradients(head, f"{situation}, nothing present")


def check_says_whether_it_fills_what_is_missing(subject: Head) -> None:
    """``fills_missing``: weights answer for an input that is absent, and not for one that is there.
    A head around another one may leave it to that one to say so.
    """
    said = subject.spec.fills_missing
    around = any(
        held.kind is FusionHeadSpec
        for held in slot_fields(subject.component.config_class()).values()
    )
    for situation in situations(subject):
        if len(situation.names) == 1 or (around and not said):
            continue
        head, rows = situation.build(), situation.rows(_MANY)
        usual = _pulled(head, rows)
        for name in situation.names:
            pulled = _pulled(head, rows.lacking(name))
            least = _NEXT_TO_NOTHING * max((float(one.max()) for one in pulled.values()), default=0)
            new = [k for k, one in pulled.items() if bool(((one > least) & (usual[k] == 0)).any())]
            stand = ", ".join(new) or "no weight"
            where = f"{situation}: {stand} answers for {name} where it is absent alone"
            expect(bool(new) == said, f"{where}, and its spec says fills_missing={said}")


def check_its_loss_is_a_finite_number(subject: Head) -> None:
    """Its ``loss`` is a finite scalar of any batch, with weights of rows and without."""
    for situation in situations(subject):
        for n in BATCHES:
            rows, head = situation.rows(n).with_gaps().spoilt(math.nan), situation.build().train()
            for weight in (None, torch.linspace(0.0, 1.0, n)):
                loss = loss_of(head, fuse(head, rows), rows, weight)
                where = f"{situation}, {n} row(s){'' if weight is None else ' with weights'}: loss"
                _expect_shape("it", loss, (), where)
                expect_finite({"loss": loss}, where)


def check_runs_in_bfloat16(subject: Head) -> None:
    """Forward and backward run under autocast to bfloat16, and stay finite."""
    for situation in situations(subject):
        head = situation.build()
        rows = situation.rows(5).with_gaps()
        with torch.autocast("cpu", torch.bfloat16):
            fused = fuse(head.train(), rows)
            expect_finite(answers(fused), f"{situation}, bfloat16")
            loss = loss_of(head, fused, rows)
        loss.backward()  # type: ignore[no-untyped-call]
        expect_finite_gradients(head, f"{situation}, bfloat16")


def check_exports_with_free_rows(subject: Head) -> None:
    """Followed by ``torch.export`` once, it answers any number of rows as it does itself."""
    for situation in islice(situations(subject), 3):
        head = situation.build()
        program = _exported(head, situation.rows(5).with_gaps(), str(situation))
        for n in (2, 9):
            rows = situation.rows(n).with_gaps()
            where = f"{situation}, {n} rows, exported"
            expect_same(program(rows), answer(head, rows), where)


def check_answers_the_same_after_saving(subject: Head) -> None:
    """Its state dict, loaded strictly in a new process, gives the same answers."""
    wanted: dict[str, Tensor] = {}
    states: dict[str, Tensor] = {}
    for number, situation in enumerate(situations(subject)):
        head = situation.build(seed=0)
        states |= {f"{number}/{name}": value for name, value in head.state_dict().items()}
        found = answer(head, situation.rows(5).with_gaps())
        wanted |= {f"{number}/{name}": value for name, value in found.items()}
    target = "mm_core.testing.checks.fusion_heads:again"
    found_again = fresh.run(subject, target, {k: v.numpy() for k, v in states.items()})
    for name, want in wanted.items():
        position, _, output = name.partition("/")
        where = f"{list(situations(subject))[int(position)]}, in a new process"
        expect_same({output: torch.from_numpy(found_again[name])}, {output: want}, where)


def again(subject: Head, states: fresh.Arrays) -> fresh.Arrays:
    """In the new process: the answers from the saved states."""
    found: fresh.Arrays = {}
    for number, situation in enumerate(situations(subject)):
        head = situation.build(seed=1)
        prefix = f"{number}/"
        own = {
            name.removeprefix(prefix): torch.from_numpy(value)
            for name, value in states.items()
            if name.startswith(prefix)
        }
        head.load_state_dict(own, strict=True)
        given = answer(head, situation.rows(5).with_gaps())
        found |= {f"{prefix}{name}": value.numpy() for name, value in given.items()}
    return found


def check_fits_end_to_end(subject: Head) -> None:
    """A fit with it learns; saved and loaded in a new process, it predicts the same."""
    settings = {f"fusion.{name}": value for name, value in subject.trial.settings.items()}
    settings["fusion.id"] = subject.component.id
    rows = "mm_core.testing.checks.fusion_heads:two_sides"
    end_to_end.learns(subject, Job(_LABELS, "binary", settings, rows))


def two_sides(subject: Head, folder: Path) -> pd.DataFrame:
    """Two inputs for a fit."""
    return points(_LABELS, ("left", "right"))


def _exported(head: FusionHead, rows: Rows, where: str) -> Callable[[Rows], dict[str, Tensor]]:
    try:
        return exported(head, rows)
    except (RuntimeError, TypeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise CheckError(
            f"{where}: torch.export cannot follow it ({said}). What depends on values is written "
            "with torch.where, and the number of rows is x.shape[0]: len(x) is a constant"
        ) from error


def _backward(head: FusionHead, rows: Rows) -> None:
    loss_of(head, fuse(head.train(), rows), rows).backward()  # type: ignore[no-untyped-call]


def _pulled(head: FusionHead, rows: Rows) -> dict[str, Tensor]:
    """How much each weight moves the answer, by its name."""
    weights = {name: p for name, p in head.named_parameters() if p.requires_grad}
    head.zero_grad()
    if weights:
        pull(answers(fuse(head.eval(), rows))).backward()  # type: ignore[no-untyped-call]
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.abs() for name, p in weights.items()
    }


def _expect_shapes(head: FusionHead, fused: Fused, n: int, where: str) -> None:
    given = [name for name in ("pooled", "logits") if getattr(fused, name) is not None]
    expect(len(given) == 1, f"{where}: it gives {' and '.join(given) or 'neither'}, not one of two")
    if fused.pooled is not None:
        dim = getattr(head, "dim", None)
        expect(isinstance(dim, int), f"{where}: it gives pooled and has no dim: set self.dim")
        _expect_shape("pooled", fused.pooled, (n, dim), where)
    if fused.logits is not None:
        _expect_shape("logits", fused.logits, (n, OUTPUT_DIM), where)
    for name, value in fused.per_input.items():
        expect(name in head.inputs, f"{where}: per_input has {name!r}, which is no input")
        _expect_shape(f"per_input[{name!r}]", value, (n, OUTPUT_DIM), where)
    for name, value in fused.gates.items():
        _expect_shape(f"gates[{name!r}]", value, (n,), where)
    for name, value in fused.aux_losses.items():
        _expect_shape(f"aux_losses[{name!r}]", value, (), where)
    unused = fused.per_input and not head.auxiliary_weight > 0
    expect(not unused, f"{where}: per_input is given, and auxiliary_weight 0 trains none of it")


def _expect_shape(name: str, value: Tensor, shape: tuple[object, ...], where: str) -> None:
    expect(
        tuple(value.shape) == shape, f"{where}: {name} is {list(value.shape)}, not {list(shape)}"
    )
