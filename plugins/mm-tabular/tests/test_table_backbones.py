"""The networks: gradients, independence of rows, missing cells, restoring."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mm_tabular.configs import FTTransformerConfig, MLPConfig, RealMLPConfig, TabMConfig
from mm_tabular.embeddings import PiecewiseNumbers
from mm_tabular.ft_transformer import FTTransformer
from mm_tabular.mlp import MLP
from mm_tabular.realmlp import RealMLP
from mm_tabular.tabm import TabM
from torch import Tensor

from mm_core.api import ConfigError, RecipeError
from mm_core.api.nn import Backbone, BackboneContext

INFO = {
    "numerical_features": ["a", "b", "c"],
    "categorical_features": ["d", "e"],
    "category_counts": [[40, 20], [9, 5, 3, 1, 1]],
}
ONLY_NUMBERS = {"numerical_features": ["a"], "categorical_features": [], "category_counts": []}
ONLY_CATEGORIES = {
    "numerical_features": [],
    "categorical_features": ["d"],
    "category_counts": [[5, 5, 5]],
}

BUILDS: dict[str, Any] = {
    "mlp-periodic": lambda c: MLP(MLPConfig(width=16, n_frequencies=4), c),
    "mlp-linear": lambda c: MLP(MLPConfig(width=16, numbers="linear"), c),
    "mlp-scalar": lambda c: MLP(MLPConfig(width=16, numbers="scalar"), c),
    "mlp-piecewise": lambda c: MLP(MLPConfig(width=16, numbers="piecewise", n_bins=6), c),
    "tabm": lambda c: TabM(TabMConfig(width=16, members=4), c),
    "tabm-scalar": lambda c: TabM(TabMConfig(width=16, members=4, numbers="scalar"), c),
    "realmlp": lambda c: RealMLP(RealMLPConfig(width=16), c),
    "ft": lambda c: FTTransformer(FTTransformerConfig(width=16, n_heads=4, n_blocks=2), c),
}


def build(name: str, info: dict[str, Any] = INFO, seed: int = 0) -> Backbone:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BUILDS[name](BackboneContext({"tabular": info}, {"output_dim": 2}))


def rows(n: int, info: dict[str, Any] = INFO) -> dict[str, dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(n)
    n_num = len(info["numerical_features"])
    missing = torch.rand(n, n_num, generator=draw) < 0.3
    numbers = torch.randn(n, n_num, generator=draw).masked_fill(missing, 0.0)
    codes = [torch.randint(0, 2 + len(c), (n,), generator=draw) for c in info["category_counts"]]
    categorical = torch.stack(codes, 1) if codes else torch.zeros(n, 0, dtype=torch.long)
    return {"tabular": {"numerical": numbers, "missing": missing, "categorical": categorical}}


def pick(inputs: dict[str, dict[str, Tensor]], index: Tensor) -> dict[str, dict[str, Tensor]]:
    return {name: {k: v[index] for k, v in arrays.items()} for name, arrays in inputs.items()}


every = pytest.mark.parametrize("name", list(BUILDS))


@every
def test_shapes_are_as_declared(name: str) -> None:
    model = build(name).eval()
    features = model(rows(6))
    assert features.pooled.shape == (6, model.dims["pooled"])
    if "tokens" in model.dims:
        assert features.tokens.shape == (6, 5, model.dims["tokens"])
        assert features.mask.shape == (6, 5)
        assert features.mask.all()


@every
@pytest.mark.parametrize("info", [INFO, ONLY_NUMBERS, ONLY_CATEGORIES])
def test_every_parameter_gets_a_finite_gradient(name: str, info: dict[str, Any]) -> None:
    model = build(name, info)
    features = model(rows(64, info))
    total = features.pooled.square().sum()
    (total if features.tokens is None else total + features.tokens.square().sum()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().sum() > 0 or "qkv.bias" in key, key


@every
def test_stages_hold_every_parameter_once(name: str) -> None:
    model = build(name)
    staged = [id(p) for stage in model.stages() for p in stage.parameters()]
    assert sorted(staged) == sorted(id(p) for p in model.parameters())


@every
def test_rows_do_not_see_each_other(name: str) -> None:
    model = build(name).eval()
    inputs = rows(8)
    order = torch.tensor([5, 0, 7, 2, 1, 3, 6, 4])
    together = model(inputs).pooled
    torch.testing.assert_close(model(pick(inputs, order)).pooled, together[order])
    for row in range(8):
        alone = model(pick(inputs, torch.tensor([row]))).pooled
        torch.testing.assert_close(alone[0], together[row])


@every
@pytest.mark.parametrize("planted", [float("nan"), float("inf"), 7.0])
def test_what_stands_in_a_missing_cell_changes_nothing(name: str, planted: float) -> None:
    model = build(name)
    model.eval()
    inputs = rows(16)
    numbers, missing = inputs["tabular"]["numerical"], inputs["tabular"]["missing"]
    assert missing.any()
    clean = model(inputs).pooled
    inputs["tabular"]["numerical"] = numbers.masked_fill(missing, planted)
    dirty = model(inputs).pooled
    assert torch.equal(clean, dirty)
    dirty.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@every
def test_missing_is_not_the_same_as_the_median(name: str) -> None:
    model = build(name).eval()
    inputs = rows(16)
    seen = model(inputs).pooled
    inputs["tabular"]["missing"] = torch.zeros_like(inputs["tabular"]["missing"])
    assert not torch.allclose(seen, model(inputs).pooled)


@every
def test_weights_restore_the_same_answers(name: str) -> None:
    first, second = build(name, seed=0).eval(), build(name, seed=1).eval()
    inputs = rows(8)
    assert not torch.equal(first(inputs).pooled, second(inputs).pooled)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs).pooled, second(inputs).pooled)


def test_two_inputs_are_refused() -> None:
    context = BackboneContext({"tabular": INFO, "tabular_2": INFO}, {"output_dim": 2})
    with pytest.raises(RecipeError) as caught:
        MLP(MLPConfig(), context)
    assert caught.value.plugin == "tabular:mlp"
    assert caught.value.remedy


def test_an_input_that_is_no_table_is_refused() -> None:
    with pytest.raises(RecipeError) as caught:
        FTTransformer(FTTransformerConfig(), BackboneContext({"text": {"max_length": 9}}, {}))
    assert caught.value.value == "text"
    assert "inputs.text.processor" in str(caught.value.remedy)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="n_heads"):
        FTTransformerConfig.read({"width": 10, "n_heads": 4}, where="backbones.tabular")


def test_members_of_tabm_differ_and_their_mean_answers() -> None:
    model = build("tabm").eval()
    inputs = rows(8)
    members = model.members(model.embedding(*model.table.arrays(inputs)))
    assert members.shape == (8, 4, 16)
    assert not any(torch.allclose(members[:, 0], members[:, i]) for i in (1, 2, 3))
    torch.testing.assert_close(model(inputs).pooled, members.mean(dim=1))


def test_tabm_trains_one_member_a_row_and_all_alike() -> None:
    model = build("tabm").train()
    for block in model.blocks:
        block.dropout.p = 0.0
    inputs = rows(8)
    members = model.members(model.embedding(*model.table.arrays(inputs)))
    seen = set()
    for _ in range(4):
        near = (members - model(inputs).pooled[:, None]).abs().amax(dim=2) < 1e-5
        assert near.sum(dim=1).tolist() == [1] * 8  # each row is one member's
        assert near.sum(dim=0).tolist() == [2] * 4  # and each member has as many rows
        seen.add(tuple(near.int().argmax(dim=1).tolist()))
    assert len(seen) > 1


def test_piecewise_numbers_are_linear_at_first_and_bend_where_a_bin_begins() -> None:
    numbers = PiecewiseNumbers(1, 2, n_bins=4)
    x = torch.linspace(-5, 5, 101)[:, None]
    missing = torch.zeros_like(x, dtype=torch.bool)
    torch.testing.assert_close(numbers(x, missing), numbers.linear(x, missing))
    with torch.no_grad():
        numbers.weight[0, 0, 2] = 1.0  # the third quarter: from the median on
    added = (numbers(x, missing) - numbers.linear(x, missing))[:, 0, 0].detach()
    assert added[x[:, 0] < 0].abs().max() < 1e-6
    assert added[x[:, 0] > 0.68].sub(1).abs().max() < 1e-6
    with torch.no_grad():
        numbers.weight.zero_()[0, 0, 3] = 1.0  # the last goes on
    added = (numbers(x, missing) - numbers.linear(x, missing))[:, 0, 0].detach()
    assert added[-1] > added[-2] > added[-20] > 1


def test_realmlp_begins_with_units_of_like_size_and_picks_its_bend() -> None:
    wide = RealMLP(RealMLPConfig(width=64), BackboneContext({"tabular": INFO}, {"classes": [0, 1]}))
    assert not any(block[1].mish for block in wide.blocks)
    assert all(block[1].mish for block in build("realmlp").blocks)
    values = torch.randn(4096, 64)
    assert 1.2 < float(wide.blocks[1][0](values).std().detach()) < 1.7  # of weights and biases
    torch.testing.assert_close(
        wide.factors(values[:, : wide.embedding.dim]), values[:, : wide.embedding.dim]
    )
