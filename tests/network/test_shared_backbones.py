"""A backbone under two names: one module, one processor, learned from both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors

from mm_core import MultiModalPredictor
from mm_core.api import BadCellError
from mm_core.api.processors import Table
from mm_core.inference import embed
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.optimizer import parameter_groups
from mm_core.training.loop.weights import changing

PAIRS = Path(__file__).parent / "files" / "pairs.py"
SIDES = {"query": ["said", "size", "price"], "response": ["heard", "form", "cost"]}
PLAIN = {
    "backbones.query_text.checkpoint": "random",
    "backbones.query_tabular.width": 8,
    "training.epochs": 1,
}


def rows(n: int = 40, seed: int = 0) -> pd.DataFrame:
    """Words, categories and prices of two sides; some categories are seen on one side only."""
    rng = np.random.default_rng(seed)
    words = [f"{one} thing {row}" for row, one in enumerate(rng.choice(["red", "blue"], n))]
    other = [f"{one} item {row}" for row, one in enumerate(rng.choice(["red", "green"], n))]
    return pd.DataFrame(
        {
            "said": words,
            "size": rng.choice(["small", "large"], n),
            "price": rng.normal(10, 2, n).round(2),
            "heard": other,
            "form": rng.choice(["small", "huge"], n),
            "cost": rng.normal(50, 9, n).round(2),
            "same": np.where([a[0] == b[0] for a, b in zip(words, other, strict=True)], "y", "n"),
        }
    )


def fit(frame: pd.DataFrame, **settings: object) -> MultiModalPredictor:
    return MultiModalPredictor(
        "same",
        problem_type="pairs:pair",
        roles=SIDES,
        hyperparameters=PLAIN | settings,
        plugins=[PAIRS],
        verbosity=0,
    ).fit(frame)


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    return fit(rows())


def vectors(predictor: MultiModalPredictor, frame: pd.DataFrame, of: str) -> np.ndarray:
    model = predictor._model
    encoded = model.pipeline.encode(Table(frame.reset_index(drop=True), Path()))
    return embed(model, encoded, of)[0]


def test_both_names_are_one_module_trained_and_kept_once(fitted):
    topology = fitted._model.topology
    assert topology.shared == {
        "response_text": "query_text",
        "response_tabular": "query_tabular",
    }
    for own, known in topology.shared.items():
        assert topology.backbones[own] is topology.backbones[known]
    assert {role: set(inputs) for role, inputs in topology.roles.items()} == {
        "query": {"query_text", "query_tabular"},
        "response": {"response_text", "response_tabular"},
    }
    assert set(topology.infos) == set(fitted.recipe.inputs)
    training = TrainingConfig(learning_rate=1e-4, head_learning_rate=1e-2)
    rates = {"query_text": 3e-3, "response_text": 7e-1}
    groups = parameter_groups(topology, training, rates)
    given = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(given) == len(set(given)) == len(list(topology.parameters()))
    assert {group["lr"] for group in groups} == {1e-2, 3e-3}
    assert len({value.data_ptr() for value in changing(topology).values()}) == len(
        changing(topology)
    )


def test_a_side_is_read_as_the_other_would_read_it(fitted):
    """Columns are called differently; categories, words and scales are learned from both."""
    frame = rows(8, seed=3)
    frame.loc[2, ["heard", "said"]] = None
    frame.loc[3, ["form", "cost", "size", "price"]] = None
    query, response = SIDES.values()
    swapped = frame.rename(columns=dict(zip(query + response, response + query, strict=True)))
    for kind in ("text", "tabular"):
        one = vectors(fitted, frame, f"query_{kind}")
        other = vectors(fitted, frame, f"response_{kind}")
        assert not np.array_equal(one, other)
        np.testing.assert_array_equal(vectors(fitted, swapped, f"query_{kind}"), other)
        np.testing.assert_array_equal(vectors(fitted, swapped, f"response_{kind}"), one)
    table = fitted._model.processors["query_tabular"]
    (counts,) = table.info["category_counts"]
    assert len(counts) == 3  # small, large and, of the other side, huge
    assert sum(counts) > 40
    assert fitted._model.processors["response_tabular"].info == table.info


def test_saved_once_and_loaded_as_one(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with safetensors.safe_open(tmp_path / "model/engine/weights.safetensors", "np") as file:
        sizes = sum(file.get_tensor(name).size for name in file.keys())  # noqa: SIM118
    topology = fitted._model.topology
    buffers = {value.data_ptr(): value for value in topology.state_dict().values()}
    assert sizes == sum(value.numel() for value in buffers.values())
    assert not (tmp_path / "model/inputs/response_text").exists()
    loaded = MultiModalPredictor.load(tmp_path / "model", plugins=[PAIRS], verbosity=0)
    again = loaded._model.topology
    assert again.backbones["response_text"] is again.backbones["query_text"]
    frame = rows(12, seed=5)
    pd.testing.assert_frame_equal(loaded.predict_proba(frame), fitted.predict_proba(frame))
    further = loaded.fit(rows(30, seed=6))._model.topology
    assert further.backbones["response_tabular"] is further.backbones["query_tabular"]


def test_cells_are_told_under_their_own_column(fitted):
    frame = rows(5, seed=7).astype({"cost": object, "price": object})
    frame.loc[3, "cost"] = "a lot"
    with pytest.raises(BadCellError) as caught:
        fitted.predict(frame)
    assert [(cell.row, cell.column) for cell in caught.value.cells] == [(3, "cost")]


def test_a_shared_backbone_with_an_adapter_trains_recomputes_and_is_merged():
    settings = {
        "backbones.query_text.adapter": "lora",
        "training.gradient_checkpointing": True,
        "training.average": "uniform_soup",
    }
    predictor = fit(rows(), **settings)
    frame = rows(9, seed=8)
    expected = predictor.predict_proba(frame)
    predictor.merge_adapters()
    adapters = {key: said for key, said in predictor.recipe.origins.items() if "adapter" in key}
    assert {adapters[f"backbones.{side}_text.adapter"] for side in SIDES} == {"merged"}
    assert not any(".adapter." in key for key in adapters)
    assert all(part.adapter is None for part in predictor.recipe.backbones.values())
    np.testing.assert_allclose(predictor.predict_proba(frame), expected, atol=1e-5)
