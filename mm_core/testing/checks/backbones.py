"""What every backbone keeps, on sample cells through its own processor."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mm_core.api.nn import Backbone
from mm_core.api.samples import SampleColumn
from mm_core.api.specs import BackboneSpec, ModalitySpec
from mm_core.testing import end_to_end
from mm_core.testing.columns import AT_LEAST, columns_of, frame_of, processor_of, settings_of
from mm_core.testing.encoded_inputs import Inputs, answer, features, setup
from mm_core.testing.networks import (
    adapt,
    copied,
    expect_finite,
    expect_finite_gradients,
    expect_same,
    expect_state,
    gradients,
    hidden,
    pull,
    step,
)
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject

Network = Subject[BackboneSpec]


def check_gives_what_it_declares(subject: Network) -> None:
    """Features and widths are those of ``provides`` and ``dims``, rows first."""
    trial = setup(subject)
    backbone, rows = trial.build(), trial.rows[:3]
    found = answer(backbone, trial.inputs(rows))
    dims, provides = dict(backbone.dims), set(subject.spec.provides)
    expect(set(dims) == provides, f"dims has {sorted(dims)}, the spec provides {sorted(provides)}")
    for name, width in dims.items():
        values = [found[key] for key in found if key.partition(".")[0] == name]
        expect(values, f"{name} is declared and not given")
        listed = found.get(name) is None  # several maps, "spatial.0", ...
        expect(
            isinstance(width, list | tuple) is listed and (not listed or len(width) == len(values)),
            f"{name} is {'a list of ' if listed else ''}{len(values)}, and dims says {width}",
        )
        for value, wide in zip(values, width if listed else [width], strict=True):
            at = 2 if name == "tokens" else 1
            shape = list(value.shape)
            expect(shape[0] == len(rows), f"{name} is {shape}, not {len(rows)} rows")
            expect(shape[at] == wide, f"{name} is {shape}, and dims says {width}")
    if "tokens" in found:
        mask = found.get("mask")
        fits = mask is not None and mask.shape == found["tokens"].shape[:2]
        expect(fits, "tokens come without a mask [B, T]")
        assert mask is not None
        expect(mask.dtype == torch.bool, f"mask is {mask.dtype}, not bool")


def check_tells_rows_apart(subject: Network) -> None:
    """Rows whose cells differ do not all get the same features."""
    trial = setup(subject)
    found = _real(answer(trial.build(), trial.inputs(trial.rows)))
    if "tokens" in found:
        found["tokens"] = found["tokens"][:, :1]  # their number alone tells rows apart
    same = [torch.allclose(value, value[:1].expand_as(value)) for value in found.values()]
    expect(not all(same), "all sample rows get the same features: it does not see its input")


def check_answers_the_same_twice(subject: Network) -> None:
    """The same rows get the same features at prediction."""
    trial = setup(subject)
    backbone, inputs = trial.build().eval(), trial.inputs(trial.rows[:3])
    with torch.no_grad():
        first, second = (backbone(inputs).pooled for _ in range(2))
    if first is not None:
        expect_same({"pooled": second}, {"pooled": first}, "second call", 0.0)


def check_rows_are_independent(subject: Network) -> None:
    """A row's features do not depend on the rows beside it, nor on their padding."""
    trial = setup(subject)
    backbone = trial.build()
    rows = trial.rows[:6]
    together = answer(backbone, trial.inputs(rows))
    for place, row in enumerate(rows):
        alone = answer(backbone, trial.inputs([row]))
        beside = {
            name: _cut(value[place : place + 1], alone[name]) for name, value in together.items()
        }
        where = f"row {row} alone instead of among {len(rows)}"
        if "mask" in alone:
            counts = [int(found["mask"].sum()) for found in (alone, _one(together, place))]
            expect(counts[0] == counts[1], f"{where}: {counts[0]} real tokens, not {counts[1]}")
            expect(counts[0] > 0, f"row {row} has no real token; the mask is True where one is")
        expect_same(_real(alone), _real(beside), where, 1e-4)


def check_every_parameter_learns(subject: Network) -> None:
    """Training gives every trainable parameter a finite gradient, and not always zero."""
    # What goes through weights that begin at zero is moved from the second step on.
    trial = setup(subject)
    backbone = trial.build()
    moved: set[str] = set()
    for first in range(3):
        backbone.train().zero_grad()
        _backward(backbone, trial.shown(trial.rows[first:]))
        found = gradients(backbone)
        expect_finite({k: g for k, g in found.items() if g is not None}, "gradient")
        moved |= {k for k, g in found.items() if g is not None and bool((g != 0).any())}
        step(backbone)
    still = sorted(set(gradients(backbone)) - moved)
    expect(not still, f"no gradient reaches {', '.join(still[:5])}")


def check_hides_no_parameter(subject: Network) -> None:
    """All that is trained stands in parameters(): not in lists, dicts or plain attributes."""
    backbone = setup(subject).build()
    lost = hidden(backbone)
    expect(not lost, f"outside parameters(): {', '.join(lost)}; register them")
    own = {id(module) for module in backbone.modules()}
    alien = [type(module).__name__ for module in backbone.new if id(module) not in own]
    expect(not alien, f"new names what is no module of it: {', '.join(alien)}")


def check_stages_cover_every_parameter_once(subject: Network) -> None:
    """``stages()``, from input to output, together hold every parameter once."""
    backbone = setup(subject).build()
    stages = [id(p) for stage in backbone.stages() for p in stage.parameters()]
    twice = len(stages) - len(set(stages))
    expect(not twice, f"{twice} parameter(s) stand in several stages")
    lost = [name for name, p in backbone.named_parameters() if id(p) not in set(stages)]
    expect(not lost, f"in no stage: {', '.join(lost[:5])}")


def check_can_be_frozen(subject: Network) -> None:
    """With all stages but the last frozen it still trains, and nothing frozen moves."""
    trial = setup(subject)
    backbone = trial.build().train()
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    last = [p for p in list(backbone.stages())[-1].parameters() if p.is_floating_point()]
    for parameter in last:
        parameter.requires_grad_(True)
    _backward(backbone, trial.inputs(trial.rows))
    expect(any(p.grad is not None for p in last), "no gradient reaches the last stage")
    ids = {id(p) for p in last}
    moved = [n for n, p in backbone.named_parameters() if id(p) not in ids and p.grad is not None]
    expect(not moved, f"frozen, and given a gradient: {', '.join(moved[:5])}")


def check_takes_low_rank_adapters(subject: Network) -> None:
    """With an adapter around every linear layer (LoRA, arXiv 2106.09685) the adapters train."""
    trial = setup(subject)
    backbone = trial.build().train().requires_grad_(False)
    adapters = adapt(backbone)
    if not adapters:
        raise NotTried("it has no linear layer")
    _backward(backbone, trial.shown(trial.rows))
    passed = [name for name, adapter in adapters.items() if adapter.up.weight.grad is None]
    expect(
        not passed,
        f"no gradient reaches the adapter of {', '.join(passed[:5])}: call the layer, do not "
        "compute with its weight",
    )


def check_forward_leaves_the_state_alone(subject: Network) -> None:
    """Prediction changes neither keys nor values of the state dict."""
    trial = setup(subject)
    backbone = trial.build()
    before = copied(backbone.state_dict())
    answer(backbone, trial.inputs(trial.rows[:3]))
    expect_state(backbone, before, "prediction")


def check_comes_back_from_its_architecture(subject: Network) -> None:
    """Built from ``architecture`` as JSON, without checkpoint, it loads its state strictly."""
    trial = setup(subject)
    backbone = trial.build()
    given = backbone.architecture
    text = json.dumps(given)
    expect(json.loads(text) == json.loads(json.dumps(json.loads(text))), "architecture is no JSON")
    other = trial.build(seed=1, like=backbone)
    other.load_state_dict(backbone.state_dict(), strict=True)
    inputs = trial.inputs(trial.rows[:3])
    expect_same(
        answer(other, inputs), answer(backbone, inputs), "built again from its architecture"
    )


def check_runs_in_bfloat16(subject: Network) -> None:
    """Forward and backward run under autocast to bfloat16, and stay finite."""
    trial = setup(subject)
    backbone = trial.build().train()
    with torch.autocast("cpu", torch.bfloat16):
        found = _real(features(backbone, trial.inputs(trial.rows)))
    expect_finite(found, "bfloat16")
    pull(found).backward()  # type: ignore[no-untyped-call]
    expect_finite_gradients(backbone, "bfloat16")


def check_runs_end_to_end(subject: Network) -> None:
    """A fit with it runs; saved and loaded in a new process, it predicts the same."""
    registry, spec = subject.registry, subject.spec
    if "pooled" not in spec.provides:
        raise NotTried("it gives no 'pooled' to fuse: the tasks that need what it gives try it")
    names = [registry.get(ModalitySpec, modality).spec.name for modality in spec.modalities]
    key = f"backbones.{names[0]}"
    settings = {f"{key}.{name}": value for name, value in subject.trial.settings.items()}
    settings |= {f"{key}.id": subject.component.id, "training.epochs": 1}
    for name, modality in zip(names, spec.modalities, strict=True):
        for one, value in settings_of(subject, processor_of(subject, modality)).items():
            settings[f"inputs.{name}.processor.{one}"] = value
    if len(names) > 1:
        settings[f"{key}.inputs"] = names
    n = _n_rows(subject)
    labels = {"label": ["yes", "no"] * (n // 2) + ["yes"] * (n % 2)}
    rows = "mm_core.testing.checks.backbones:sample_rows"
    job = end_to_end.Job(labels, "binary", settings, rows, _column_types(subject))
    end_to_end.runs(subject, job)


def sample_rows(subject: Network, folder: Path) -> pd.DataFrame:
    """The sample columns of all its modalities, side by side."""
    return frame_of(_columns(subject), folder, _n_rows(subject))


def _n_rows(subject: Network) -> int:
    return max(AT_LEAST, *(len(column.cells) for column in _columns(subject).values()))


def _columns(subject: Network) -> dict[str, SampleColumn]:
    """The sample columns of all its modalities, under names of their own."""
    found = {}
    for modality in subject.spec.modalities:
        name = subject.registry.get(ModalitySpec, modality).spec.name
        for number, column in enumerate(columns_of(subject, modality)):
            found[f"{name}_{number}"] = column
    return found


def _column_types(subject: Network) -> dict[str, str]:
    return {
        name: f"{subject.registry.get(ModalitySpec, column.modality).spec.name}:{column.kind}"
        for name, column in _columns(subject).items()
    }


def _backward(backbone: Backbone, inputs: Inputs) -> None:
    pull(_real(features(backbone, inputs))).backward()  # type: ignore[no-untyped-call]


def _one(found: dict[str, Tensor], place: int) -> dict[str, Tensor]:
    return {name: value[place : place + 1] for name, value in found.items()}


def _cut(value: Tensor, like: Tensor) -> Tensor:
    """The beginning of every axis: what is beyond is padding."""
    return value[tuple(slice(0, size) for size in like.shape)]


def _real(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Features without what stands in padding."""
    mask = found.get("mask")
    real = {name: value for name, value in found.items() if value.is_floating_point()}
    if mask is not None and "tokens" in real:
        real["tokens"] = real["tokens"].masked_fill(~mask[:, :, None], 0.0)
    return real
