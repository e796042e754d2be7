"""Mixtures by the paper's formula; encoders of points aligned, searched and asked for classes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from mm_fusemix.adapter import Adapter
from mm_fusemix.fitter import mixtures
from mm_fusion.api import LATENTS
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError
from mm_core.api.nn import Batch
from mm_core.api.tools import model_of
from mm_core.cli.app import app
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT
from mm_core.testing.kit_points import WIDTH

SETTINGS = {
    "fit.new": "keep",  # the kit's layers have no pretrained weights: they stay as they were drawn
    "topology.dim": 32,
    "topology.blocks": 1,
    "training.batch_size": 128,
    "training.head_learning_rate": 3e-3,
    "training.epochs": 30,
    "training.patience": 30,
}


def cells(side: str, values: np.ndarray) -> list[str]:
    return [f"{side} " + " ".join(f"{x:.4f}" for x in row) for row in values]


def seen(n: int, seed: int, *columns: str) -> pd.DataFrame:
    """Rows of which every column shows the same six numbers in its own way."""
    shown = np.random.default_rng(0).normal(size=(len(columns), 6, WIDTH))
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 6))
    return pd.DataFrame(
        {
            name: cells(
                name.split("_")[0], np.tanh(hidden @ own) + 0.05 * rng.normal(size=(n, WIDTH))
            )
            for name, own in zip(columns, shown, strict=True)
        }
    )


def predictor(**given) -> MultiModalPredictor:
    settings = SETTINGS | given.pop("settings", {})
    sides = {"query": "left", "response": "right"} | given
    return MultiModalPredictor(
        problem_type="alignment", hyperparameters=settings, plugins=[KIT], verbosity=0, **sides
    )


def found(model: MultiModalPredictor, rows: pd.DataFrame, asked: str, given: str) -> float:
    """Share of rows of which ``given`` is nearest to their ``asked``."""
    left, right = (model.extract_embedding(rows, of=of) for of in (asked, given))
    return float(((left @ right.T).argmax(axis=1) == np.arange(len(rows))).mean())


@pytest.fixture(scope="module")
def aligned() -> MultiModalPredictor:
    """Not to be changed."""
    return predictor().fit(seen(400, 1, "left", "right"), tuning_data=seen(40, 2, "left", "right"))


# ---- by formula


def test_one_share_mixes_all_inputs_of_two_halves():
    latents = {"a.vector": torch.randn(5, 3), "b.vector": torch.randn(5, 2)}
    codes = {"a.key": torch.tensor([1, 2, 3, 4, 5]), "b.key": torch.tensor([1, 0, 3, 4, 5])}
    present = {"a": torch.ones(5).bool(), "b": codes["b.key"] != 0}
    batch = Batch({LATENTS: latents | codes}, present, {}, torch.arange(5.0))
    mixed = mixtures(batch, torch.tensor(0.3))
    for name, value in latents.items():
        wanted = 0.3 * value[:2] + 0.7 * value[2:4]
        torch.testing.assert_close(mixed.inputs[LATENTS][name], wanted)
    assert mixed.present["b"].tolist() == [True, False]
    assert (mixed.inputs[LATENTS]["b.key"] == 0).tolist() == [False, True]
    torch.testing.assert_close(mixed.weight, 0.3 * batch.weight[:2] + 0.7 * batch.weight[2:4])
    assert len(mixed) == 2


def test_mixtures_of_the_same_rows_have_the_same_code():
    key = torch.tensor([7, 7, 7, 8, 8, 9])
    batch = Batch({LATENTS: {"a.key": key}}, {"a": key != 0})
    first, second, third = mixtures(batch, torch.tensor(0.5)).inputs[LATENTS]["a.key"].tolist()
    assert first == second != third


def test_an_adapter_is_residual_blocks_and_a_projection():
    torch.manual_seed(0)
    adapter = Adapter(6, 4, blocks=2, expansion=4, dropout=0.5).eval()
    x = torch.randn(3, 6)
    wanted = x
    for norm, wide, act, _, narrow in adapter.blocks:
        wanted = wanted + narrow(act(wide(norm(wanted))))
    norm, out = adapter.out
    torch.testing.assert_close(adapter(x), out(norm(wanted)))
    assert adapter.blocks[0][1].out_features == 24
    assert len(Adapter(6, 4, blocks=0, expansion=4, dropout=0.5).blocks) == 0


# ---- as a user does it


def test_what_was_never_seen_finds_its_counterpart_both_ways(aligned, tmp_path):
    rows = seen(60, 3, "left", "right")
    assert aligned.evaluate(rows, "recall@1")["recall@1"] > 0.5  # 1 in 60 by chance
    assert found(aligned, rows, "query", "response") > 0.5
    assert found(aligned, rows, "response", "query") > 0.5
    again = MultiModalPredictor.load(aligned.save(tmp_path / "model"), plugins=[KIT])
    hits = again.search(rows[["left"]], rows[["right"]], top_k=1)
    assert (hits["item"] == hits["query"]).mean() > 0.5
    assert hits.equals(aligned.search(rows[["left"]], rows[["right"]], top_k=1))
    index = again.build_index(rows[["left"]], side="query")
    back = again.search(rows[["right"]], index, top_k=1, side="response")
    assert (back["item"] == back["query"]).mean() > 0.5


def test_encoders_stay_and_the_temperature_is_learned(aligned):
    topology = model_of(aligned).topology
    assert not any(one.requires_grad for one in topology.backbones.parameters())
    assert 0.001 <= topology.temperature.item() <= 0.5
    assert topology.temperature.item() != pytest.approx(0.07, abs=1e-4)
    assert aligned.recipe.fit.id == "fusemix:latent_mix"


def test_three_inputs_lie_in_one_space_and_rows_may_lack_some():
    columns = ("left", "right", "right_too")
    rows = seen(330, 1, *columns)
    rows.loc[rows.index % 3 == 0, "right"] = None
    rows.loc[rows.index % 3 == 1, "right_too"] = None
    settings = {"inputs.one.columns": ["right"], "inputs.two.columns": ["right_too"]}
    model = predictor(response=["right", "right_too"], settings=settings)
    model.fit(rows.iloc[:300], tuning_data=rows.iloc[300:])
    held = seen(60, 4, *columns)
    assert found(model, held, "query", "response") > 0.5
    assert found(model, held.assign(right=None), "query", "response") > 0.3
    assert model_of(model).topology.embeddings == ("query", "response", "one", "two")
    assert found(model, held, "one", "two") > 0.3  # they stand together in a third of the rows


def test_classes_are_found_by_their_names():
    kinds = [f"{colour} {thing}" for colour in ("red", "blue") for thing in ("disc", "box", "ring")]
    labels = {"kind": kinds * 16}
    rows = points(labels, ("left",)).assign(said=labels["kind"])
    settings = {
        "backbones.query_text.checkpoint": "random",
        "backbones.query_text.hidden_size": 16,
        "training.batch_size": 32,
    }
    model = predictor(query="said", response="left", settings=settings)
    model.fit(rows.iloc[:80], tuning_data=rows.iloc[80:], column_types={"said": "text"})
    classes = model.index_classes(kinds, templates=["{}"])
    hits = model.search(rows[["left"]], classes, top_k=1, side="response")
    assert (hits["item"].to_numpy() == rows["said"].to_numpy()).mean() > 0.8
    for said in ([], None, "", 1, ["a", 2]):
        with pytest.raises(ConfigError, match="nothing that says what red"):
            model.index_classes({"red": said})
    with pytest.raises(ConfigError, match="is one text"):
        model.index_classes("red disc")
    for templates in ("a photo of a {}", ["a {}", "a photo"], []):
        with pytest.raises(ConfigError, match="a class is to stand in each"):
            model.index_classes(kinds, templates=templates)
    with pytest.raises(ConfigError, match="is no text"):
        model.index_classes(kinds, side="response")


def test_it_is_fitted_and_searched_on_the_command_line(tmp_path):
    seen(60, 1, "left", "right").to_csv(tmp_path / "pairs.csv", index=False)
    given = {**SETTINGS, "training.epochs": 2}
    settings = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
    typed = ["fit", tmp_path / "pairs.csv", "--problem-type", "alignment", "--plugin", KIT]
    typed += ["--role", "query=left", "--role", "response=right", "--out", tmp_path / "model"]
    runner = CliRunner()
    done = runner.invoke(app, [*map(str, typed), *settings, "--quiet"])
    assert done.exit_code == 0, done.output
    typed = ["search", tmp_path / "model", tmp_path / "pairs.csv", "--plugin", KIT, "--json"]
    done = runner.invoke(app, [*map(str, typed), "--option", "top_k=2"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)) >= 1


def test_what_has_no_pairs_is_refused():
    labels = {"kind": ["a", "b"] * 24}
    rows = points(labels, ("left", "right")).assign(**labels)
    model = MultiModalPredictor(
        "kind", hyperparameters={"fit": "fusemix:latent_mix"}, plugins=[KIT], verbosity=0
    )
    with pytest.raises(ConfigError, match="no pairs that belong together"):
        model.fit(rows)


@pytest.mark.parametrize(
    ("rows", "settings", "remedy"),
    [
        (20, {"training.batch_size": 3}, "training.batch_size to 4 or more"),
        (20, {"training.batch_size": 1, "fit.alpha": None}, "training.batch_size to 2 or more"),
        (3, {}, "give 4 rows or more"),
    ],
)
def test_batches_of_which_nothing_can_be_learned_are_refused(rows, settings, remedy):
    model = predictor(settings=settings | {"training.epochs": 1})
    with pytest.raises(ConfigError, match="no other to differ from: nothing would be") as caught:
        model.fit(seen(rows, 1, "left", "right"), tuning_data=seen(9, 2, "left", "right"))
    assert remedy in caught.value.remedy


def test_the_fewest_rows_a_batch_that_are_taken_teach():
    few = {"training.batch_size": 4, "training.epochs": 1}
    model = predictor(settings=few).fit(
        seen(16, 1, "left", "right"), tuning_data=seen(9, 2, "left", "right")
    )
    assert model.history.loss.iloc[-1] > 0
