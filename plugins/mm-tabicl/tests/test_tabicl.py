"""Rows answer from their context, the same alone and among others, and what cannot be is told."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_tabicl import networks
from mm_tabicl.tiny import CHECKPOINTS
from tabicl import TabICLClassifier, TabICLRegressor
from tabicl._model.tabicl import TabICL

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, CheckpointError, ConfigError, MMError, TrainingError

LABELS = {"price": "r2", "sold": "roc_auc", "level": "accuracy"}
COLUMNS = ["height", "place", "age"]


def table(n: int = 200) -> pd.DataFrame:
    """Labels hang on a number and a category; a fifth of another number is missing."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "height": 170 + 10 * rng.normal(size=n),
            "place": rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2]),
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.integers(20, 60, n)),
        }
    )
    score = (rows.height - 170) / 10 + 1.5 * (rows.place == "south") + 3.0 * (rows.place == "west")
    rows["price"] = 1e5 + 1e4 * score
    rows["sold"] = np.where(score > 1, "yes", "no")
    rows["level"] = pd.qcut(score, 5, labels=list("abcde")).astype(str)
    return rows


def fit(label: str, rows: pd.DataFrame | None = None, **settings: Any) -> MultiModalPredictor:
    """A model of these rows; keyword arguments with a dot are settings of the recipe."""
    rows = table() if rows is None else rows
    network = CHECKPOINTS["numbers" if label == "price" else "classes"]
    wished = {"fit": "tabicl:in_context", "fit.checkpoint": network, "fit.estimators": 4}
    model = MultiModalPredictor(label, hyperparameters={**wished, **settings}, verbosity=0)
    return model.fit(rows.drop(columns=[one for one in LABELS if one != label], errors="ignore"))


def said(model: MultiModalPredictor, rows: pd.DataFrame) -> np.ndarray:
    """Numbers, or probabilities."""
    if model.recipe.data.label == ("price",):
        return (np.asarray(model.predict(rows), dtype=np.float64)[:, None] - 1e5) / 1e4
    return model.predict_proba(rows).to_numpy()


@pytest.fixture(scope="module")
def fitted() -> dict[str, MultiModalPredictor]:
    """A model of each kind of label."""
    return {label: fit(label) for label in LABELS}


@pytest.mark.parametrize(("label", "least"), [("price", 0.7), ("sold", 0.9), ("level", 0.4)])
def test_each_kind_of_label_is_answered(
    fitted: dict[str, MultiModalPredictor], label: str, least: float
) -> None:
    """A number, two classes, and five by a network that tells three apart at a time."""
    model = fitted[label]
    assert model.evaluate(table(), LABELS[label])[LABELS[label]] > least
    assert model.recipe.backbones == {}
    assert len(model.history) == 1
    assert np.isfinite(model.history[model.recipe.data.validation_metric.partition(":")[2]]).all()


def test_numbers_are_read_without_ranks(fitted: dict[str, MultiModalPredictor]) -> None:
    """TabICL scales them itself; a user's word counts before the fitter's."""
    key = "inputs.tabular.processor.scaling"
    recipe = fitted["price"].recipe
    assert recipe.inputs["tabular"].processor.config["scaling"] == "standard"
    assert recipe.origin(key) == "fitter tabicl:in_context"
    wished = {"fit": "tabicl:in_context", key: "robust"}
    plan = MultiModalPredictor("price", hyperparameters=wished, verbosity=0).plan(table())
    assert plan.inputs["tabular"].processor.config["scaling"] == "robust"


@pytest.mark.parametrize("label", LABELS)
def test_a_row_is_answered_alike_alone_and_among_others(
    fitted: dict[str, MultiModalPredictor], label: str
) -> None:
    """Those with missing cells, unseen categories and numbers far off among them."""
    odd = pd.DataFrame(
        {
            "height": [1e9, -1e9, np.nan, 170.0],
            "place": ["moon", None, "west", "south"],
            "age": [np.nan, 1e12, np.nan, 30.0],
        }
    )
    rows = pd.concat([odd, table()[COLUMNS].head(8)], ignore_index=True)
    together = said(fitted[label], rows)
    alone = np.concatenate([said(fitted[label], rows.iloc[[at]]) for at in range(len(rows))])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


def test_missing_and_unseen_cells_are_one(fitted: dict[str, MultiModalPredictor]) -> None:
    """As TabICL codes them; other categories are others."""
    rows = pd.DataFrame({"height": [170.0] * 3, "place": [None, "moon", "west"], "age": [30.0] * 3})
    missing, unseen, west = said(fitted["price"], rows)[:, 0]
    assert missing == unseen
    assert abs(west - missing) > 0.1


@pytest.mark.parametrize(
    ("label", "settings", "asked"),
    [
        ("sold", {"task.temperature": False}, {}),
        ("price", {}, {}),
        ("price", {"training.loss": "mae"}, {"output_type": "median"}),
        (
            "price",
            {"training.loss": "quantile", "training.loss.level": 0.8},
            {"output_type": "quantiles", "alphas": [0.8]},
        ),
    ],
)
def test_it_answers_as_the_library_does(
    label: str, settings: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    """A file in TabICL's own format, read by TabICL and by mm: the same rows, the same answers."""
    kind = "numbers" if label == "price" else "classes"
    network = networks.read(Path(CHECKPOINTS[kind]))
    file = tmp_path / "own.ckpt"
    torch.save({"config": dict(network.config), "state_dict": network.module.state_dict()}, file)
    rows = table()[["height", "age", label]].fillna({"age": 40.0})
    wished = {"fit": "tabicl:in_context", "fit.checkpoint": str(file), "training.seed": 3}
    model = MultiModalPredictor(label, hyperparameters={**wished, **settings}, verbosity=0)
    model.fit(rows.head(150), tuning_data=rows.tail(50))
    library = {"model_path": file, "random_state": 3, "device": "cpu", "allow_auto_download": False}
    known, new = rows.head(150), rows.tail(50)[["height", "age"]].to_numpy()
    x, y = known[["height", "age"]].to_numpy(), known[label]
    if label == "sold":
        wanted = TabICLClassifier(**library).fit(x, y).predict_proba(new)
    else:
        numbers = TabICLRegressor(**library).fit(x, y).predict(new, **asked)
        wanted = (numbers.reshape(-1, 1) - 1e5) / 1e4
    np.testing.assert_allclose(said(model, rows.tail(50)), wanted, rtol=0, atol=2e-4)


def test_random_weights_of_the_library_are_read(tmp_path: Path) -> None:
    """A network that no one has taught answers too; a saved one is a checkpoint again."""
    config = {"max_classes": 2, "embed_dim": 8, "col_nhead": 2, "row_nhead": 2, "icl_nhead": 2}
    config |= {"col_num_blocks": 1, "row_num_blocks": 1, "icl_num_blocks": 1, "col_num_inds": 4}
    torch.manual_seed(0)
    weights = TabICL(**config, zero_init=False).state_dict()
    torch.save({"config": config, "state_dict": weights}, tmp_path / "random.ckpt")
    model = fit("sold", table(60), **{"fit.checkpoint": str(tmp_path / "random.ckpt")})
    folder = model.save(tmp_path / "model")
    again = fit(
        "sold", table(60), **{"fit.checkpoint": str(folder / "engine" / "network.safetensors")}
    )
    np.testing.assert_array_equal(said(model, table(20)), said(again, table(20)))


def test_losses_choose_which_number_is_answered() -> None:
    """A high quantile lies above a low one, the median between."""
    rows = table()
    rows["price"] += 2e4 * np.random.default_rng(1).normal(size=len(rows))
    low, high = (
        fit("price", rows, **{"training.loss": "quantile", "training.loss.level": level})
        for level in (0.1, 0.9)
    )
    median = fit("price", rows, **{"training.loss": "mae"})
    answers = [said(one, rows)[:, 0] for one in (low, median, high)]
    assert (np.diff(answers, axis=0) > 0).all()


def test_the_seed_orders_the_views() -> None:
    """Of the same rows; the same one gives the same answers."""
    rows = table()[[*COLUMNS, "price"]]

    def answers(seed: int) -> np.ndarray:
        settings = {"fit.checkpoint": CHECKPOINTS["numbers"], "fit.estimators": 2}
        settings |= {"fit": "tabicl:in_context", "training.seed": seed}
        model = MultiModalPredictor("price", hyperparameters=settings, verbosity=0)
        return said(model.fit(rows, tuning_data=rows.head(20)), rows)

    np.testing.assert_array_equal(answers(1), answers(1))
    assert np.abs(answers(1) - answers(2)).max() > 1e-4


@pytest.mark.parametrize("cache", [pytest.param("repr", marks=pytest.mark.slow), "kv"])
def test_what_is_kept_of_the_context_changes_no_answer(cache: str) -> None:
    """Nor does a row's company."""
    plain, kept = fit("sold"), fit("sold", **{"fit.cache": cache})
    rows = table(20)
    np.testing.assert_allclose(said(plain, rows), said(kept, rows), rtol=0, atol=1e-5)
    alone = np.concatenate([said(kept, rows.iloc[[at]]) for at in range(len(rows))])
    np.testing.assert_allclose(said(kept, rows), alone, rtol=0, atol=1e-6)


def test_a_folder_holds_tensors_and_an_altered_one_is_refused(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """Network and context, both hashed; nothing else is needed, and the answers are the same."""
    folder = fitted["level"].save(tmp_path / "model")
    files = sorted(path.name for path in (folder / "engine").rglob("*") if path.is_file())
    assert files == ["context.safetensors", "network.safetensors"]
    loaded = MultiModalPredictor.load(folder)
    np.testing.assert_array_equal(said(loaded, table()), said(fitted["level"], table()))
    file = folder / "engine" / "context.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ArtifactError, match=r"context\.safetensors"):
        MultiModalPredictor.load(folder)


_AGAIN = """
import sys
import numpy as np, pandas as pd
from mm_core import MultiModalPredictor

rows = pd.read_json(sys.argv[1], orient="split", precise_float=True)
for label in sys.argv[3:]:
    model = MultiModalPredictor.load(f"{sys.argv[2]}/{label}")
    found = model.predict(rows) if label == "price" else model.predict_proba(rows)
    np.save(f"{sys.argv[2]}/{label}.npy", np.asarray(found, dtype=np.float64))
"""


@pytest.mark.slow
def test_a_new_process_gives_the_same_answers(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """With another order of sets, in which TabICL goes through its views."""
    for label, model in fitted.items():
        model.save(tmp_path / label)
    table()[COLUMNS].to_json(tmp_path / "rows.json", orient="split", double_precision=15)
    rows = pd.read_json(tmp_path / "rows.json", orient="split", precise_float=True)
    command = [sys.executable, "-c", _AGAIN, tmp_path / "rows.json", tmp_path, *LABELS]
    for seed in ("1", "2"):
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for label, model in fitted.items():
            found = np.load(tmp_path / f"{label}.npy").reshape(len(rows), -1)
            found = (found - 1e5) / 1e4 if label == "price" else found
            np.testing.assert_allclose(found, said(model, rows), rtol=0, atol=1e-6)


class _Runs:
    """A pickle of it makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def _pickled(folder: Path) -> str:
    torch.save({"config": {}, "state_dict": _Runs(folder / "ran")}, folder / "x.ckpt")
    return str(folder / "x.ckpt")


def _plain_pickle(folder: Path) -> str:
    (folder / "x.ckpt").write_bytes(pickle.dumps(_Runs(folder / "ran")))
    return str(folder / "x.ckpt")


def _with(folder: Path, **more: Any) -> str:
    network = networks.read(Path(CHECKPOINTS["classes"]))
    found = {"config": {**network.config, **more}, "state_dict": network.module.state_dict()}
    torch.save(found, folder / "x.ckpt")
    return str(folder / "x.ckpt")


def _cut_short(folder: Path) -> str:
    (folder / "x.ckpt").write_bytes(b"\x80\x02.")
    return str(folder / "x.ckpt")


def _other_tensors(folder: Path) -> str:
    import safetensors.torch

    safetensors.torch.save_file({"weight": torch.zeros(2)}, folder / "x.safetensors")
    return str(folder / "x.safetensors")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (_pickled, "without running code"),
        (_plain_pickle, "without running code"),
        (_cut_short, "without running code"),
        (lambda folder: _with(folder, embed_dim=16), "do not fit"),
        (lambda folder: _with(folder, row_nhead=0), "do not fit"),
        (lambda folder: _with(folder, hook=1), "other settings"),
        (lambda folder: _with(folder, activation=["gelu"]), "numbers and words"),
        (_other_tensors, "shape"),
        (lambda folder: str(folder / "none.ckpt"), "no such file"),
        (lambda folder: CHECKPOINTS["numbers"], "answers with numbers"),
    ],
)
def test_files_that_are_no_such_network_are_refused(
    tmp_path: Path, made: Any, message: str
) -> None:
    """Nothing in them is run."""
    with pytest.raises(CheckpointError, match=message) as caught:
        fit("sold", table(40), **{"fit.checkpoint": made(tmp_path)})
    assert caught.value.remedy
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("label", ["sold", "price"])
def test_without_weights_and_network_it_says_where_to_get_them(label: str) -> None:
    """By the name that is published, and what to type then."""
    with pytest.raises(CheckpointError, match="cannot be fetched") as caught:
        fit(label, table(40), **{"fit.checkpoint": None})
    name = {"sold": "tabicl-classifier-v2", "price": "tabicl-regressor-v2"}[label]
    assert f"https://huggingface.co/jingang/TabICL/resolve/main/{name}" in caught.value.remedy
    assert "--set fit.checkpoint=FILE" in caught.value.remedy


def test_weights_of_an_earlier_download_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their name, and where none is given; no network is asked."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--jingang--TabICL"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    own = Path(_with(tmp_path))
    own.rename(folder / "snapshots" / "abc" / "tabicl-classifier-v2-20260212.ckpt")
    named = fit("sold", table(40), **{"fit.checkpoint": "tabicl-classifier-v2-20260212.ckpt"})
    newest = fit("sold", table(40), **{"fit.checkpoint": None})
    np.testing.assert_array_equal(said(named, table(9)), said(newest, table(9)))


@pytest.mark.parametrize(
    ("label", "settings", "error", "message"),
    [
        ("sold", {"fit.context_rows": 20}, TrainingError, "fit.context_rows=20"),
        ("level", {"fit.cache": "kv"}, ConfigError, "more than 3 classes"),
        ("sold", {"fit.device": "cud"}, ConfigError, "cud"),
        ("sold", {"training.loss.label_smoothing": 0.1}, ConfigError, "label_smoothing"),
        ("price", {"training.loss": "huber"}, ConfigError, "huber"),
        ("sold", {"training.class_weights": "balanced"}, ConfigError, "class_weights"),
        ("sold", {"training.epochs": 3}, ConfigError, "epochs"),
    ],
)
def test_what_would_not_be_used_is_refused(
    label: str, settings: dict[str, Any], error: type[MMError], message: str
) -> None:
    """With what to type instead."""
    with pytest.raises(error, match=message) as caught:
        fit(label, table(60), **settings)
    assert caught.value.remedy


def test_weights_of_rows_are_refused() -> None:
    """A context has none."""
    rows = table(60)[["height", "sold"]].assign(w=1.5)
    settings = {"fit": "tabicl:in_context", "fit.checkpoint": CHECKPOINTS["classes"]}
    model = MultiModalPredictor("sold", hyperparameters=settings, verbosity=0)
    with pytest.raises(TrainingError, match="rows have weights"):
        model.fit(rows, sample_weight="w")


def test_the_plan_tells_of_too_many_rows() -> None:
    """And what to set, after which it is silent."""
    wished = {"fit": "tabicl:in_context", "fit.context_rows": 20}
    (note,) = MultiModalPredictor("sold", hyperparameters=wished).plan(table(60)).notes
    assert note.by == "tabicl:context_rows"
    assert "60 rows" in note.text
    again = MultiModalPredictor("sold", hyperparameters={**wished, **note.settings})
    assert again.plan(table(60)).notes == ()


def test_the_fit_says_what_the_model_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows and sizes."""
    settings = {"fit": "tabicl:in_context", "fit.checkpoint": CHECKPOINTS["classes"]}
    rows = table(60)[["height", "sold"]]
    MultiModalPredictor("sold", hyperparameters=settings, verbosity=1).fit(rows)
    shown = "".join(capsys.readouterr())
    assert "rows are the context, and the model holds them (0.6 kB)" in shown


def test_the_time_limit_is_told_where_it_is_not_kept() -> None:
    """One pass cannot be cut short."""
    rows = table(60)[["height", "sold"]]
    settings = {"fit": "tabicl:in_context", "fit.checkpoint": CHECKPOINTS["classes"]}
    model = MultiModalPredictor("sold", hyperparameters=settings, verbosity=0)
    with pytest.warns(Warning, match="longer than its time limit"):
        model.fit(rows, time_limit=1e-3)


@pytest.mark.slow
def test_it_is_a_member_of_ensembles() -> None:
    """Beside trees; its settings are those of the slot."""
    pytest.importorskip("mm_ensemble")
    member = {"id": "tabicl:in_context", "checkpoint": CHECKPOINTS["classes"], "estimators": 2}
    members = {"context": member, "trees": "trees:catboost", "leafwise": None}
    settings = {"fit": "ensemble:greedy", "fit.keep": True}
    settings |= {f"fit.members.{name}": one for name, one in members.items()}
    settings |= {"fit.members.features": None, "fit.members.network": None}
    rows = table()[[*COLUMNS, "sold"]]
    model = MultiModalPredictor("sold", hyperparameters=settings, verbosity=0).fit(rows)
    assert {"context.weight", "trees.weight"} <= set(model.history)
    assert model.evaluate(rows)["roc_auc"] > 0.9


def test_the_plugin_is_light() -> None:
    """Listing it imports neither the library nor torch."""
    code = (
        "import sys\nfrom mm_tabicl import plugin, configs, advice, tiny\n"
        "plugin.mm_fitters(), plugin.mm_runtimes(), plugin.mm_notes()\n"
        "print(*{'tabicl', 'numpy', 'torch', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
