"""The checks every fusion head must pass, over the core's heads and 1 to 4 inputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mm_core.api import RecipeError
from mm_core.api.nn import Features, Fused, FusionHead
from mm_core.api.specs import FusionHeadSpec
from mm_core.plugins import Registry

REGISTRY = Registry(entry_points=[])
WIDTHS = {"text": 5, "image": 8, "tabular": 3, "image_2": 8}
OUT = 3

heads = pytest.mark.parametrize("name", ["concat_mlp", "mean", "logit", "hybrid"])
counts = pytest.mark.parametrize("k", [1, 2, 3, 4])


def build(name: str, k: int, order: int = 1, **settings: Any) -> FusionHead:
    component = REGISTRY.get(FusionHeadSpec, name)
    torch.manual_seed(0)
    inputs = {one: {"pooled": WIDTHS[one]} for one in list(WIDTHS)[:k]}
    inputs = dict(list(inputs.items())[::order])
    built: FusionHead = component.load()(component.config_class()(**settings), inputs, OUT)
    return built.eval()


def data(k: int, n: int, absent: bool = True) -> tuple[dict[str, Features], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(7)
    features, present = {}, {}
    for one in list(WIDTHS)[:k]:
        features[one] = Features(pooled=torch.randn(n, WIDTHS[one], generator=generator))
        kept = torch.rand(n, generator=generator) < 0.6 if absent else torch.ones(n)
        present[one] = kept.bool()
    return features, present


def answer(fused: Fused) -> Tensor:
    found = fused.pooled if fused.pooled is not None else fused.logits
    assert found is not None
    return found


def with_nan(features: dict[str, Features], present: dict[str, Tensor]) -> dict[str, Features]:
    broken = {}
    for one, feature in features.items():
        assert feature.pooled is not None
        broken[one] = Features(pooled=feature.pooled.clone())
        broken[one].pooled[~present[one]] = float("nan")  # type: ignore[index]
    return broken


@heads
@counts
@pytest.mark.parametrize("n", [1, 2, 5])
def test_shape_and_dtype(name: str, k: int, n: int) -> None:
    head = build(name, k)
    fused = head(*data(k, n))
    width = head.dim if fused.pooled is not None else OUT
    assert answer(fused).shape == (n, width)
    assert answer(fused).dtype == torch.float32
    assert answer(fused).isfinite().all()
    assert set(fused.per_input) == set(list(WIDTHS)[:k])
    assert all(one.shape == (n, OUT) for one in fused.per_input.values())
    assert head.auxiliary_weight == (0.3 if name == "hybrid" else 0.1)


@heads
@counts
def test_nan_in_absent_slots_changes_neither_output_nor_gradients(name: str, k: int) -> None:
    head = build(name, k)
    features, present = data(k, 9)
    assert any((~one).any() for one in present.values())

    def run(features: dict[str, Features]) -> tuple[Tensor, list[Tensor]]:
        head.zero_grad()
        fused = head(features, present)
        own = [one[present[key]].sum() for key, one in fused.per_input.items()]
        (answer(fused).square().sum() + torch.stack(own).sum()).backward()
        return answer(fused).detach(), [p.grad.clone() for p in head.parameters()]  # type: ignore[union-attr]

    clean, clean_gradients = run(features)
    broken, broken_gradients = run(with_nan(features, present))
    assert torch.equal(clean, broken)
    for one, other in zip(clean_gradients, broken_gradients, strict=True):
        assert torch.equal(one, other)


@heads
@counts
def test_every_parameter_gets_a_gradient(name: str, k: int) -> None:
    head = build(name, k)
    features, present = data(k, 16)
    fused = head(features, present)
    (
        answer(fused).square().sum() + sum(one.square().sum() for one in fused.per_input.values())
    ).backward()
    for key, parameter in head.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        if not (k == 1 and name == "logit" and key == "weight"):  # a softmax of one is constant
            assert parameter.grad.abs().sum() > 0, key


@heads
@counts
def test_rows_do_not_see_each_other_and_eval_repeats(name: str, k: int) -> None:
    head = build(name, k)
    features, present = data(k, 7)
    before = {key: value.clone() for key, value in head.state_dict().items()}
    found = answer(head(features, present))
    assert torch.equal(found, answer(head(features, present)))
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    shuffled = {one: Features(pooled=f.pooled[order]) for one, f in features.items()}  # type: ignore[index]
    moved = head(shuffled, {one: p[order] for one, p in present.items()})
    torch.testing.assert_close(answer(moved), found[order])
    assert all(torch.equal(before[key], value) for key, value in head.state_dict().items())


@heads
def test_a_row_with_nothing_present_is_finite(name: str) -> None:
    features, present = data(3, 4)
    for one in present.values():
        one[2] = False
    fused = build(name, 3)(with_nan(features, present), present)
    assert answer(fused).isfinite().all()


@heads
def test_order_of_inputs_does_not_matter_after_load(name: str) -> None:
    head, other = build(name, 3), build(name, 3, order=-1)
    for key, value in other.state_dict().items():
        assert torch.equal(head.state_dict()[key], value)  # one seed, one initialisation
    other.load_state_dict(head.state_dict())
    features, present = data(3, 6)
    backwards = dict(reversed(list(features.items())))
    torch.testing.assert_close(answer(head(features, present)), answer(other(backwards, present)))


@heads
def test_presence_matters(name: str) -> None:
    features, present = data(2, 6, absent=False)
    without = {**present, "image": torch.zeros(6, dtype=torch.bool)}
    head = build(name, 2)
    assert not torch.allclose(answer(head(features, present)), answer(head(features, without)))


@heads
def test_bfloat16_autocast(name: str) -> None:
    features, present = data(2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert answer(build(name, 2)(features, present)).isfinite().all()


@pytest.mark.parametrize("name", ["concat_mlp", "mean"])
def test_no_auxiliary_heads_where_nobody_trains_them(name: str) -> None:
    head = build(name, 2, auxiliary_weight=0)
    assert head(*data(2, 3)).per_input == {}
    assert not any(key.startswith("auxiliary") for key in head.state_dict())


@heads
def test_backbone_without_pooled_features_is_refused(name: str) -> None:
    component = REGISTRY.get(FusionHeadSpec, name)
    with pytest.raises(RecipeError) as caught:
        component.load()(component.config_class()(), {"boxes": {"spatial": 4}}, OUT)
    assert caught.value.value == "boxes"


def test_mean_is_the_mean_of_what_is_present() -> None:
    head = build("mean", 2)
    features, present = data(2, 2, absent=False)
    present["image"][1] = False
    vectors = {one: head.get_submodule(f"project.{one}")(f.pooled) for one, f in features.items()}
    pooled = answer(head(features, present))
    torch.testing.assert_close(pooled[0], (vectors["text"][0] + vectors["image"][0]) / 2)
    torch.testing.assert_close(pooled[1], vectors["text"][1])


def test_logit_is_the_gated_sum_of_the_inputs_answers() -> None:
    head = build("logit", 3)
    torch.nn.init.normal_(head.get_parameter("weight"), std=2.0)
    fused = head(*data(3, 8))
    gates = torch.stack([fused.gates[one] for one in fused.per_input])
    answers = torch.stack(list(fused.per_input.values()))
    torch.testing.assert_close(fused.logits, (gates[:, :, None] * answers).sum(0))
    _, present = data(3, 8)
    some = torch.stack(list(present.values())).any(0)
    torch.testing.assert_close(gates.sum(0), some.float())
    for one, gate in fused.gates.items():
        assert (gate[~present[one]] == 0).all()


def test_hybrid_is_the_mean_of_the_joint_answer_and_of_those_of_present_inputs() -> None:
    head = build("hybrid", 3)
    features, present = data(3, 8)
    present["text"][0] = present["image"][0] = present["tabular"][0] = False
    joint = head.get_submodule("head")(head.get_submodule("together")(features, present).pooled)
    fused = head(features, present)
    expected = joint.clone()
    for name, own in fused.per_input.items():
        expected += torch.where(present[name][:, None], own, 0.0)
    expected /= 1 + torch.stack(list(present.values())).sum(0)[:, None]  # equal at first
    torch.testing.assert_close(fused.logits, expected)
    assert torch.equal(fused.logits[0], joint[0])  # nothing is there: vectors learned for that

    with torch.no_grad():
        head.get_parameter("weight").copy_(torch.tensor([-90.0, 0.0, -90.0, -90.0]))
    alone = head(features, present)
    there = present["image"]
    assert there.any()
    torch.testing.assert_close(alone.logits[there], alone.per_input["image"][there])
