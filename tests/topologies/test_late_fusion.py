"""Late fusion: presence, losses, latents, embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from mm_core.api import ConfigError, Criterion, RecipeError, State
from mm_core.api.nn import (
    Backbone,
    BackboneContext,
    Batch,
    Features,
    Fused,
    FusionHead,
    Parts,
)
from mm_core.api.specs import FusionHeadSpec
from mm_core.builtin.configs import MulticlassConfig
from mm_core.builtin.losses.classes import CrossEntropy
from mm_core.builtin.losses.configs import CrossEntropyConfig
from mm_core.builtin.tasks.multiclass import Multiclass
from mm_core.plugins import Registry
from mm_core.topologies.late_fusion import LateFusion

REGISTRY = Registry(entry_points=[])
HEADS = ["concat_mlp", "mean", "logit", "hybrid"]
N = 8
CRITERION = Criterion(CrossEntropy(CrossEntropyConfig()), "class")


class Net(Backbone):
    """Linear -> BatchNorm over its inputs, summed; counts the rows it was given."""

    def __init__(self, inputs: tuple[str, ...], dim: int, tokens: bool = False) -> None:
        super().__init__(None, BackboneContext(inputs={}, task={}))
        self.linear = nn.ModuleDict({one: nn.Linear(3, dim) for one in inputs})
        self.norm = nn.BatchNorm1d(dim)
        self.dim = dim
        self.tokens = tokens
        self.rows: list[int] = []

    @property
    def dims(self) -> Mapping[str, int]:
        return {"pooled": self.dim, **({"tokens": self.dim} if self.tokens else {})}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        total = sum(self.linear[one](arrays["x"]) for one, arrays in inputs.items())
        assert isinstance(total, Tensor)
        self.rows.append(len(total))
        features = Features(pooled=self.norm(total))
        if self.tokens:
            features.tokens = total[:, None].expand(-1, 4, -1)
            features.mask = torch.ones(len(total), 4, dtype=torch.bool)
        return features


def task() -> Multiclass:
    built = Multiclass(MulticlassConfig(), ["y"])
    built.criterion = CRITERION
    built.learn(pd.DataFrame({"y": ["a", "b", "c"]}))
    return built


def build(
    backbones: dict[str, tuple[str, ...]], fusion: str | None = None, **settings: Any
) -> LateFusion:
    torch.manual_seed(0)
    parts = {one: Net(inputs, 4 + i, i == 0) for i, (one, inputs) in enumerate(backbones.items())}
    head = None
    if fusion is not None:
        component = REGISTRY.get(FusionHeadSpec, fusion)
        dims = {one: net.dims for one, net in parts.items()}
        head = component.load()(component.config_class()(**settings), dims, 3)
    return LateFusion(Parts(parts, backbones, task(), head))


def batch(names: tuple[str, ...], seed: int = 0, n: int = N) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        inputs={one: {"x": torch.randn(n, 3, generator=generator)} for one in names},
        present={one: torch.rand(n, generator=generator) < 0.6 for one in names},
        targets={"class": torch.randint(0, 3, (n,), generator=generator)},
    )


def with_nan(clean: Batch) -> Batch:
    inputs = {
        one: {"x": arrays["x"].masked_fill(~clean.present[one][:, None], float("nan"))}
        for one, arrays in clean.inputs.items()
    }
    return Batch(inputs, clean.present, clean.targets, clean.weight)


TWO = {"text": ("text",), "image": ("image",)}
JOINT = {"clip": ("text", "image"), "tabular": ("tabular",)}


@pytest.mark.parametrize("fusion", HEADS)
@pytest.mark.parametrize("backbones", [TWO, JOINT], ids=["two", "joint"])
@pytest.mark.parametrize("training", [False, True])
def test_nan_in_absent_slots_changes_nothing(
    fusion: str, backbones: dict[str, tuple[str, ...]], training: bool
) -> None:
    names = tuple(one for inputs in backbones.values() for one in inputs)

    def run(data: Batch) -> tuple[Tensor, Tensor, list[Tensor]]:
        model = build(backbones, fusion, dropout=0.0).train(training)
        outputs = model(data)
        loss = model.loss(outputs, data)
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        return outputs["logits"], loss, gradients

    clean = batch(names)
    assert all((~one).any() for one in clean.present.values())
    logits, loss, gradients = run(clean)
    nan_logits, nan_loss, nan_gradients = run(with_nan(clean))
    assert torch.equal(logits, nan_logits)
    assert torch.equal(loss, nan_loss)
    assert logits.isfinite().all()
    assert len(gradients) == len(nan_gradients) > 0
    for one, other in zip(gradients, nan_gradients, strict=True):
        assert torch.equal(one, other)


def test_backbones_run_on_present_rows_only_and_answers_go_back_in_place() -> None:
    model = build(TWO, "concat_mlp").eval()
    data = batch(("text", "image"))
    latents = model.encode(data)
    for one, backbone in model.backbones.items():
        present = data.present[one]
        assert backbone.rows == [int(present.sum())]
        assert (latents[f"{one}.pooled"][~present] == 0).all()
        alone = backbone({one: data.inputs[one]}).pooled
        torch.testing.assert_close(latents[f"{one}.pooled"][present], alone[present])
    assert latents["text.tokens"].shape == (N, 4, 4)
    assert latents["text.mask"].any(dim=1).tolist() == data.present["text"].tolist()
    assert "image.tokens" not in latents


def test_a_wholly_absent_input_skips_its_backbone() -> None:
    model = build(TWO, "concat_mlp").eval()
    data = batch(("text", "image"))
    data.present["text"][:] = False
    latents = model.encode(data)
    assert model.backbones["text"].rows == []
    assert latents["text.pooled"].shape == (N, 4)
    assert (latents["text.pooled"] == 0).all()
    assert not latents["text.mask"].any()
    assert model(with_nan(data))["logits"].isfinite().all()


def test_a_backbone_of_two_inputs_runs_where_either_is_present() -> None:
    model = build(JOINT, "mean").eval()
    data = batch(("text", "image", "tabular"))
    either = data.present["text"] | data.present["image"]
    assert int(either.sum()) < N
    model.encode(data)
    assert model.backbones["clip"].rows == [int(either.sum())]


@pytest.mark.parametrize("n_present", [0, 1])
def test_training_with_few_present_rows_does_not_break_batch_norm(n_present: int) -> None:
    model = build(TWO, "concat_mlp").train()
    data = batch(("text", "image"))
    data.present["text"][:] = False
    data.present["text"][:n_present] = True
    loss = model.loss(model(with_nan(data)), data)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    statistics = dict(model.backbones["text"].named_buffers())
    assert all(value.isfinite().all() for value in statistics.values())


def test_a_batch_of_one_row_trains_through_batch_norm() -> None:
    model = build({"text": ("text",)}).train()
    before = {k: v.clone() for k, v in model.backbones["text"].named_buffers()}
    data = batch(("text",))
    one = Batch(
        inputs={"text": {key: value[:1] for key, value in data.inputs["text"].items()}},
        present={"text": torch.ones(1, dtype=torch.bool)},
    )
    model(one)["logits"].sum().backward()
    assert model.backbones["text"].norm.training
    after = dict(model.backbones["text"].named_buffers())
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_single_backbone_bypasses_fusion() -> None:
    model = build({"text": ("text",)}).eval()
    data = batch(("text",))
    pooled = model.encode(data)["text.pooled"]
    outputs = model(data)
    assert model.head is not None
    torch.testing.assert_close(outputs["logits"], model.head(pooled))
    assert outputs["per_input"] == {}
    assert torch.equal(model.embed(data), pooled)
    plain = model.task.loss(outputs["logits"], data.targets, None)
    assert torch.equal(model.loss(outputs, data), plain)
    # Presence counts below the cut too: a cached latent of a row now masked must not be read.
    nobody = {"text": torch.zeros(N, dtype=torch.bool)}
    masked = model.forward_latents({"text.pooled": pooled + float("nan")}, nobody)["logits"]
    assert masked.isfinite().all()


@pytest.mark.parametrize("fusion", HEADS)
def test_loss_adds_the_mean_of_the_inputs_own_losses(fusion: str) -> None:
    model = build(TWO, fusion, auxiliary_weight=0.7).eval()
    data = batch(("text", "image"))
    data.weight = torch.rand(N, generator=torch.Generator().manual_seed(3)) + 0.1
    outputs = model(data)
    own = []
    for one, present in data.present.items():
        targets = {"class": data.targets["class"][present]}
        own.append(
            model.task.loss(outputs["per_input"][one][present], targets, data.weight[present])
        )
    fused = model.task.loss(outputs["logits"], data.targets, data.weight)
    expected = fused + 0.7 * (own[0] + own[1]) / 2
    torch.testing.assert_close(model.loss(outputs, data), expected)
    outputs["aux_losses"] = {"align": torch.tensor(2.0)}
    torch.testing.assert_close(model.loss(outputs, data), expected + 2.0)
    data.present["image"][:] = False
    outputs = model(data)
    targets = {"class": data.targets["class"][data.present["text"]]}
    only = model.task.loss(
        outputs["per_input"]["text"][data.present["text"]],
        targets,
        data.weight[data.present["text"]],
    )
    fused = model.task.loss(outputs["logits"], data.targets, data.weight)
    torch.testing.assert_close(model.loss(outputs, data), fused + 0.7 * only)


def test_the_head_has_the_last_word_on_the_loss() -> None:
    """It is given the outputs with what it kept, and the loss by the targets of any batch."""
    model = build(TWO, "core:mean").eval()
    data = batch(("text", "image"))
    plain, asked = model.loss(model(data), data), []

    def blended(outputs, of_batch, of):
        asked.append(outputs["kept"])
        turned = {name: value.flip(0) for name, value in of_batch.targets.items()}
        return of(of_batch) + 2 * of(replace(of_batch, targets=turned))

    assert model.fusion is not None
    model.fusion.loss = blended
    turned = replace(data, targets={"class": data.targets["class"].flip(0)})
    found = model.loss(model(data), data)
    del model.fusion.loss
    torch.testing.assert_close(found, plain + 2 * model.loss(model(data), turned))
    assert asked == [{}]


@pytest.mark.parametrize("fusion", HEADS)
def test_latents_reload_and_rows_one_by_one_give_the_same_answer(fusion: str) -> None:
    model = build(TWO, fusion).eval()
    data = batch(("text", "image"))
    logits = model.predict(data)["logits"]
    assert torch.equal(model.forward_latents(model.encode(data), data.present)["logits"], logits)
    fresh = build(TWO, fusion).eval()
    for parameter in fresh.parameters():
        nn.init.zeros_(parameter)
    fresh.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(fresh.predict(data)["logits"], logits)
    for row in range(N):
        one = Batch(
            {name: {"x": arrays["x"][row : row + 1]} for name, arrays in data.inputs.items()},
            {name: present[row : row + 1] for name, present in data.present.items()},
        )
        torch.testing.assert_close(model.predict(one)["logits"][0], logits[row], atol=1e-6, rtol=0)


def test_embed_is_the_fused_vector_or_the_vectors_in_a_row() -> None:
    data = batch(("text", "image"))
    assert build(TWO, "concat_mlp", hidden=6).eval().embed(data).shape == (N, 6)
    model = build(TWO, "logit").eval()
    latents = model.encode(data)
    expected = torch.cat([latents[f"{one}.pooled"] for one in model.backbones], dim=1)
    assert torch.equal(model.embed(data), expected)


@pytest.mark.parametrize("fusion", HEADS)
def test_embeddings_are_the_fused_vector_and_those_of_each_backbone(fusion: str) -> None:
    model = build(TWO, fusion).eval()
    data = with_nan(batch(("text", "image")))
    assert model.embeddings == ("fused", "text", "image")
    latents = model.encode(data)
    for one in ("text", "image"):
        assert torch.equal(model.embed(data, of=one), latents[f"{one}.pooled"])
    assert torch.equal(model.embed(data, of="fused"), model.embed(data))
    with pytest.raises(ConfigError, match="no embedding 'imgae'") as caught:
        model.embed(data, of="imgae")
    remedy = caught.value.remedy or ""
    assert "did you mean 'image'?" in remedy
    assert "fused, text, image" in remedy


def test_gates_come_out_of_predict_for_decoding() -> None:
    data = batch(("text", "image"))
    found = build(TWO, "logit").eval().predict(data)
    assert set(found) == {"logits", "gates.text", "gates.image"}
    assert (found["gates.text"][~data.present["text"]] == 0).all()
    assert set(build(TWO, "mean").eval().predict(data)) == {"logits"}


def test_a_topology_says_what_it_was_built_for_and_has_no_state_unless_it_says_so() -> None:
    net = Net(("a",), 4)
    plain = LateFusion(Parts({"a": net}, {"a": ("a",)}, task()))
    assert (plain.roles, plain.infos, plain.config.model_dump()) == ({}, {}, {})
    assert plain.state() == State()
    plain.load_state(State({"anything": 1}))
    roles, infos = {"query": ("a",)}, {"a": {"n": 3}}
    told = LateFusion(
        Parts({"a": net}, {"a": ("a",)}, task(), None, MulticlassConfig(), roles, infos)
    )
    assert (told.roles, told.infos) == (roles, infos)
    assert isinstance(told.config, MulticlassConfig)


class Mapped(Net):
    """It gives feature maps, and a name of its own."""

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        features = super().forward(inputs)
        assert features.pooled is not None
        fine = features.pooled[:, :, None, None].expand(-1, -1, 4, 4)
        features.spatial = [fine, fine[:, :, ::2, ::2]]
        features.extra = {"scale": features.pooled[:, 0]}
        return features

    @property
    def dims(self) -> Mapping[str, Any]:
        return {"pooled": self.dim, "spatial": [self.dim, self.dim]}


class MapHead(FusionHead):
    """Reads the coarse map and ``extra``."""

    def __init__(self, inputs: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(None, inputs, 3)
        self.dim = sum(dims["spatial"][1] for dims in inputs.values())

    def forward(self, features: Mapping[str, Features], present: Mapping[str, Tensor]) -> Fused:
        return Fused(
            pooled=torch.cat(
                [
                    one.spatial[1].mean((2, 3)) * one.extra["scale"][:, None].sign()
                    for one in features.values()
                ],
                dim=1,
            )
        )


@pytest.mark.parametrize("absent", [False, True])
def test_a_fusion_head_gets_feature_maps_and_extra_features(absent: bool) -> None:
    """They went missing between the backbones and the head: `plan` passed, `fit` failed."""
    nets = {"text": Mapped(("text",), 4), "image": Mapped(("image",), 6)}
    head = MapHead({one: net.dims for one, net in nets.items()})
    model = LateFusion(Parts(nets, TWO, task(), head)).eval()
    data = batch(("text", "image"))
    if absent:
        data.present["image"][:] = False
    assert model(with_nan(data))["logits"].isfinite().all()
    assert model.embed(with_nan(data)).shape == (N, 10)
    assert (model.embed(data)[:, 4:] == 0).all().item() is absent


def test_logit_head_answers_itself_and_has_no_head_above() -> None:
    model = build(TWO, "logit").eval()
    assert model.head is None
    assert set(model(batch(("text", "image")))["gates"]) == {"text", "image"}


def test_several_backbones_need_a_fusion_head() -> None:
    with pytest.raises(RecipeError) as caught:
        build(TWO)
    assert "core:concat_mlp" in (caught.value.remedy or "")


def test_ragged_targets_are_taken_by_row() -> None:
    class Ragged(Multiclass):
        def loss(self, logits: Tensor, targets: Any, weight: Tensor | None) -> Tensor:
            first = torch.tensor([row[0] for row in targets["many"]])
            return super().loss(logits, {"class": first}, weight)

    model = build(TWO, "concat_mlp").eval()
    data = batch(("text", "image"))
    outputs = model(data)
    expected = model.loss(outputs, data)
    model.task = Ragged(MulticlassConfig(), ["y"])
    model.task.criterion = CRITERION
    data.targets = {"many": [[int(one)] * 2 for one in data.targets["class"]]}
    torch.testing.assert_close(model.loss(outputs, data), expected)


def test_the_joint_model_learns_a_planted_rule_from_both_inputs() -> None:
    model = build(TWO, "concat_mlp", dropout=0.0).train()
    data = batch(("text", "image"), n=96)
    data.present = {one: torch.ones(96, dtype=torch.bool) for one in data.present}
    sign = (data.inputs["text"]["x"][:, 0] > 0).long() + (
        data.inputs["image"]["x"][:, 0] > 0
    ).long()
    data.targets = {"class": sign}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(model(data), data).backward()
        optimizer.step()
    answers = np.asarray(model.eval().predict(data)["logits"].argmax(1))
    assert (answers == sign.numpy()).mean() > 0.9
