"""Trees learn, stop, are weighed, are kept as text, and answer where there is no torch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_trees.api import importances

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError, TrainingError
from mm_core.testing import forked

LIBRARIES = ("catboost", "lightgbm", "hist_gradient_boosting")
SILENT = "trees:hist_gradient_boosting"
"""It says nothing of importances."""
QUICK = {"fit.threads": 1, "fit.rounds": 150, "fit.patience": 20, "fit.learning_rate": 0.1}


def table(n: int = 400) -> pd.DataFrame:
    """Labels hang on a number, a category and on whether a cell is missing."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "height": rng.normal(size=n),
            "place": rng.choice(["north", "south", "west"], n),
            "age": np.where(rng.random(n) < 0.3, np.nan, rng.integers(20, 60, n)),
            "noise": rng.normal(size=n),
        }
    )
    score = rows.height + 2.0 * (rows.place == "south") - 3.0 * rows.age.isna()
    rows["price"] = 1e5 + 1e4 * score
    rows["sold"] = np.where(score > 0, "yes", "no")
    rows["level"] = pd.cut(score, [-np.inf, -1.5, 0.5, np.inf], labels=["low", "mid", "high"])
    rows["tags"] = [
        ["high"] * bool(h > 0) + ["south"] * bool(p == "south")
        for h, p in zip(rows.height, rows.place, strict=True)
    ]
    return rows.astype({"level": str})


LABELS = {"price": "r2", "sold": "roc_auc", "level": "accuracy", "tags": "f1_macro"}
PROBLEMS = {"tags": "multilabel"}


def fit(
    label: str, library: str = "lightgbm", rows: pd.DataFrame | None = None, **settings: Any
) -> MultiModalPredictor:
    """A model of these rows; keyword arguments with a dot are settings of the recipe."""
    rows = table() if rows is None else rows
    kept = rows.drop(columns=[name for name in LABELS if name != label])
    wished = {"fit": f"trees:{library}", **(settings if "fit" in settings else QUICK | settings)}
    model = MultiModalPredictor(label, PROBLEMS.get(label), hyperparameters=wished, verbosity=0)
    return model.fit(kept)


@pytest.fixture(scope="module", params=LIBRARIES)
def fitted(request: pytest.FixtureRequest) -> dict[str, MultiModalPredictor]:
    """A model of each kind of label."""
    return {label: fit(label, request.param) for label in LABELS}


@pytest.mark.parametrize("label", LABELS)
def test_each_kind_of_label_is_learned(fitted: dict[str, MultiModalPredictor], label: str) -> None:
    """Two classes, three, a number in its own unit, sets of labels; no network is in it."""
    model, metric = fitted[label], LABELS[label]
    assert model.evaluate(table(), metric)[metric] > 0.93
    assert model.recipe.backbones == {}
    assert model.recipe.fusion is None
    with pytest.raises(ConfigError, match="no network"):
        model.merge_adapters()


def test_missing_cells_say_something(fitted: dict[str, MultiModalPredictor]) -> None:
    """They are no number: rows that differ in nothing else get other answers."""
    row = pd.DataFrame(
        {"height": [0.0] * 2, "place": ["north"] * 2, "age": [40, np.nan], "noise": [0.0] * 2}
    )
    there, missing = fitted["price"].predict(row)
    assert there - missing > 2e4


def test_categories_never_seen_are_answered(fitted: dict[str, MultiModalPredictor]) -> None:
    """Between those that are known."""
    row = pd.DataFrame({"height": [0.0], "place": ["moon"], "age": [40], "noise": [0.0]})
    assert np.isfinite(fitted["price"].predict(row)).all()


def test_the_history_has_scores_and_the_best_rounds_are_kept(
    fitted: dict[str, MultiModalPredictor],
) -> None:
    """Rounds are scored; what is kept answers as well as the best of them said."""
    model = fitted["price"]
    history = model.history
    assert {"epoch", "step", "seconds", "loss", "rmse"} <= set(history)
    assert len(history) > 3
    engine = model._model.engine
    (file,) = engine._files
    (trees,) = engine._models
    if engine.ending == "skops":
        kept = trees.n_iter_
    else:
        kept = (
            len(json.loads(file)["oblivious_trees"]) if file[:1] == b"{" else file.count(b"Tree=")
        )
    assert kept == history.epoch[history.rmse.idxmin()]


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_stops_when_the_loss_gets_no_smaller(library: str) -> None:
    """Long before all rounds: the label is noise."""
    rng = np.random.default_rng(1)
    rows = table().assign(sold=rng.choice(["yes", "no"], 400))
    model = fit("sold", library, rows, **{"fit.rounds": 3000, "fit.patience": 15})
    assert model.history.epoch.max() < 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(rows)


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_of_no_weight_teach_nothing(library: str) -> None:
    """Their labels may be anything."""
    rows = table()[["height", "place", "age", "sold"]]
    wrong = rows.sold.map({"yes": "no", "no": "yes"})
    spoilt = pd.concat([rows.assign(w=1.0), rows.assign(sold=wrong, w=0.0)], ignore_index=True)
    settings = {"fit": f"trees:{library}", **QUICK}
    model = MultiModalPredictor("sold", hyperparameters=settings, verbosity=0)
    model.fit(spoilt, sample_weight="w", tuning_data=rows.assign(w=1.0))
    assert model.evaluate(rows)["roc_auc"] > 0.97


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_of_classes_move_the_answers(library: str) -> None:
    """A class that counts more is answered more often."""
    rng = np.random.default_rng(2)
    rows = table().assign(sold=np.where(rng.random(400) < 0.5, "yes", "no"))
    few = {"fit.rounds": 20}
    proba = [
        fit("sold", library, rows, **few, **more).predict_proba(rows)["yes"].mean()
        for more in ({}, {"training.class_weights": {"yes": 9, "no": 1}})
    ]
    assert proba[1] > proba[0] + 0.1


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_quantile_lies_where_it_says(library: str) -> None:
    """``training.loss=quantile``: nine of ten rows are below."""
    rng = np.random.default_rng(3)
    rows = table(800).assign(price=rng.normal(size=800))
    wished = {"training.loss": "quantile", "training.loss.level": 0.9, "fit.rounds": 40}
    model = fit("price", library, rows, **wished)
    share = (rows.price < model.predict(rows)).mean()
    assert 0.8 < share < 0.97
    assert model.recipe.data.validation_metric == "core:mean_pinball_loss"


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_time_limit_ends_it(library: str) -> None:
    """With the trees that there are."""
    rows = table().drop(columns=[name for name in LABELS if name != "sold"])
    endless = {"fit.rounds": 10**5, "fit.patience": 10**5, "fit.learning_rate": 1e-5}
    settings = {"fit": f"trees:{library}", **QUICK, **endless}
    model = MultiModalPredictor("sold", hyperparameters=settings, verbosity=0)
    model.fit(rows, time_limit=1)
    assert len(model.predict(rows)) == len(rows)
    assert model.history.epoch.iloc[-1] < 10**5


def test_scores_are_not_made_for_long_after_the_time_limit() -> None:
    """Of the first rounds some, and that of the smallest loss, which comes long after those."""
    endless = {"fit.rounds": 100_000, "fit.patience": 100_000, "fit.learning_rate": 1e-4}
    rows = table().drop(columns=[name for name in LABELS if name != "price"])
    wished = {"fit": "trees:lightgbm", "fit.threads": 1, "fit.validate_every": 1, **endless}
    model = MultiModalPredictor("price", hyperparameters=wished, verbosity=0)
    model.fit(rows, time_limit=1)
    *early, last = model.history["epoch"]
    assert last > 2 * len(early)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_label_that_a_fold_lacks_is_learned_by_the_other_folds(library: str) -> None:
    pytest.importorskip("mm_ensemble")
    rows = table(120)
    rows["tags"] = [[*tags, "alone"] if n == 7 else tags for n, tags in enumerate(rows.tags)]
    members = {"trees": {"id": f"trees:{library}", "rounds": 10, "threads": 1}}
    wished = {"fit": "ensemble:bagged", "fit.folds": 2, "fit.members": members}
    model = fit("tags", rows=rows, **wished)
    assert "alone" in model.predict_proba(rows)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_class_that_a_fold_lacks_is_one_of_the_classes(library: str) -> None:
    pytest.importorskip("mm_ensemble")
    rows = table(200)
    rows.loc[7, "level"] = "alone"
    model = fit(
        "level",
        rows=rows,
        **{
            "fit": "ensemble:bagged",
            "fit.folds": 2,
            "fit.members": {"trees": {"id": f"trees:{library}", "rounds": 20, "threads": 1}},
        },
    )
    proba = model.predict_proba(rows)
    assert list(proba) == ["alone", "high", "low", "mid"]
    assert np.isfinite(proba.to_numpy()).all()
    assert (model.predict(rows.drop(index=7)) == rows.level.drop(index=7)).mean() > 0.7


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("library", "setting", "said"),
    [
        ("lightgbm", {"fit.min_rows": 3_000_000_000}, "LightGBM cannot learn.*min_data_in_leaf"),
        ("catboost", {"fit.device": "gpu"}, "on a GPU(.|\n)*fit.device=cpu"),
    ],
)
def test_an_error_of_the_library_is_told(library: str, setting: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        fit("price", library, **setting)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_same_seed_gives_the_same_file(library: str) -> None:
    """And another seed another."""
    few = {"fit.rounds": 10} | ({} if library == "catboost" else {"fit.feature_share": 0.6})
    files = [
        fit("sold", library, **few, **{"training.seed": seed})._model.engine._files
        for seed in (1, 1, 2)
    ]
    assert files[0] == files[1] != files[2]


def test_importances_name_columns(fitted: dict[str, MultiModalPredictor]) -> None:
    """What the label hangs on comes first, noise last; they sum to 1."""
    if fitted["price"].recipe.fit.id == SILENT:
        with pytest.raises(ConfigError, match="does not say") as caught:
            importances(fitted["price"])
        assert "mm explain" in caught.value.remedy
        return
    for label in ("price", "tags"):
        found = importances(fitted[label])
        assert sum(found.values()) == pytest.approx(1)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert set(found) == {"height", "place", "age", "noise"}
    assert min(importances(fitted["price"]), key=importances(fitted["price"]).get) == "noise"


def test_settings_of_networks_are_refused() -> None:
    """They would not be used."""
    with pytest.raises(ConfigError, match="backbones"):
        fit("sold", **{"backbones.tabular.id": "tabular:mlp"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"training.loss": "focal"}, "core:focal"),
        ({"training.loss": "cross_entropy", "training.loss.label_smoothing": 0.1}, "smoothing"),
    ],
)
def test_losses_that_trees_do_not_know_are_refused(settings: dict[str, Any], said: str) -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match=said) as caught:
        fit("sold", **settings)
    assert "core:finetune" in caught.value.remedy


_BLOCKED = (
    f"SILENT = {SILENT!r}"
    + """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            print(f"{name} is asked for", file=sys.stderr)
            raise ImportError(f"{name} is not to be imported")

HEAVY = {"torch", "torchvision", "torchmetrics", "transformers", "timm", "lightning"}
sys.meta_path.insert(0, Refuse())
import pandas as pd
from mm_core import MultiModalPredictor
from mm_trees.api import importances

rows = pd.read_json(sys.argv[1], orient="split")
found = {}
for label in sys.argv[3:]:
    model = MultiModalPredictor.load(f"{sys.argv[2]}/{label}")
    found[label] = {
        "answer": model.predict(rows).tolist(),
        "scores": model.evaluate(rows),
        "importances": model.recipe.fit.id != SILENT and importances(model),
    }
print(json.dumps(found))
"""
)


def test_a_process_without_torch_gives_the_same_answers(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """Importing torch, or what stands on it, raises there."""
    rows = table()
    for label, model in fitted.items():
        model.save(tmp_path / label)
    rows.to_json(tmp_path / "rows.json", orient="split", double_precision=15)
    command = [sys.executable, "-c", _BLOCKED, tmp_path / "rows.json", tmp_path, *LABELS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "is asked for" not in done.stderr
    found = json.loads(done.stdout)
    for label, model in fitted.items():
        answer = model.predict(rows).tolist()
        if label == "price":
            assert found[label]["answer"] == pytest.approx(answer)
        else:
            assert found[label]["answer"] == answer
        assert found[label]["scores"] == pytest.approx(model.evaluate(rows))
        if model.recipe.fit.id != SILENT:
            assert found[label]["importances"] == pytest.approx(importances(model))


_FIT = """
import sys
import pandas as pd
from mm_core import MultiModalPredictor

rows = pd.read_json(sys.argv[1], orient="split")
rows["size"] = range(len(rows))
MultiModalPredictor(sys.argv[2], verbosity=0).fit(rows.drop(columns=sys.argv[3:]))
print(*{"lightning", "torch", "transformers"} & set(sys.modules))
"""


def test_a_table_alone_is_fitted_without_torch(tmp_path: Path) -> None:
    """It would take longer to import than many a table takes to fit."""
    table().to_json(tmp_path / "rows.json", orient="split")
    label, *others = LABELS
    command = [sys.executable, "-c", _FIT, tmp_path / "rows.json", label, *others]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == ""


def test_a_folder_holds_text_and_an_altered_one_is_refused(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """No pickle; a changed tree is found by its hash."""
    folder = fitted["tags"].save(tmp_path / "model")
    files = sorted(path for path in (folder / "engine").rglob("*") if path.is_file())
    assert [path.stem for path in files] == ["trees_0", "trees_1"]
    files[0].write_bytes(files[0].read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(ArtifactError, match="trees_0"):
        MultiModalPredictor.load(folder)


def test_trees_of_another_number_of_scores_are_refused(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """Of three classes, where the model has a number: its answers would be none."""
    folders = {name: fitted[name].save(tmp_path / name) / "engine" for name in ("price", "level")}
    (old,), (new,) = (list(folder.glob("trees_0.*")) for folder in folders.values())
    manifest = tmp_path / "price" / "mm_model.json"
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (old, new)]
    manifest.write_text(manifest.read_text().replace(*hashes))
    old.write_bytes(new.read_bytes())
    with pytest.raises(ArtifactError, match="3 scores"):
        MultiModalPredictor.load(tmp_path / "price")


def test_other_features_than_the_trees_read_are_refused(
    fitted: dict[str, MultiModalPredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a model whose processors somebody has changed."""
    model = fit("price", rows=table().drop(columns="noise"), **{"fit.rounds": 1})
    monkeypatch.setitem(model._model.__dict__, "engine", fitted["price"]._model.engine)
    with pytest.raises(ArtifactError, match="4 features, not 3"):
        model.predict(table())


def test_inspect_and_importances_in_the_terminal(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """The runtime is named, and columns with their shares are printed, as JSON too."""
    folder = fitted["price"].save(tmp_path / "model")

    def mm(*arguments: Any) -> str:
        done = forked.mm(*arguments)
        done.check_returncode()
        return done.stdout

    assert fitted["price"].recipe.fit.id in mm("inspect", folder)
    if fitted["price"].recipe.fit.id == SILENT:
        return
    first, second, more = mm("importances", folder, "--top", "2").splitlines()
    assert [first.split()[0], second.split()[0]] == list(importances(fitted["price"]))[:2]
    assert more == "and 2 more"
    assert set(json.loads(mm("importances", folder, "--json"))["importances"]) == {
        *("height", "place", "age", "noise")
    }


def test_a_network_has_no_importances() -> None:
    """That is an error that names what to fit."""
    rows = table(40)[["height", "sold"]]
    wished = {"training.epochs": 1, "fit": "core:finetune"}
    model = MultiModalPredictor("sold", hyperparameters=wished, verbosity=0).fit(rows)
    with pytest.raises(ConfigError, match="core:finetune") as caught:
        importances(model)
    assert "trees:catboost" in caught.value.remedy


def test_the_plugin_is_light() -> None:
    """Listing it imports neither library, nor numpy."""
    code = (
        "import sys\nfrom mm_trees import plugin, configs\n"
        "plugin.mm_fitters(), plugin.mm_runtimes(), plugin.mm_commands()\n"
        "print(*{'catboost', 'lightgbm', 'numpy', 'skops', 'sklearn', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
