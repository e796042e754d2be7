"""Trees learn, stop, are weighed, are kept as text, and answer where there is no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError

pytest.importorskip("lightgbm", reason="lightgbm is not installed")

SMALL = {"fit": "lightgbm:trees", "fit.threads": 1, "fit.rounds": 200, "fit.patience": 20}


def table(n: int = 400) -> pd.DataFrame:
    """Labels hang on a number, a category and on whether a cell is missing."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "height": rng.normal(size=n),
            "place": rng.choice(["north", "south", "west"], n),
            "age": np.where(rng.random(n) < 0.3, np.nan, rng.integers(20, 60, n)),
        }
    )
    score = rows.height + 2.0 * (rows.place == "south") - 3.0 * rows.age.isna()
    rows["price"] = 1e5 + 1e4 * score
    rows["sold"] = np.where(score > 0, "yes", "no")
    rows["level"] = pd.cut(score, [-np.inf, -1.5, 0.5, np.inf], labels=["low", "mid", "high"])
    return rows.astype({"level": str})


LABELS = ("price", "sold", "level")


def fit(label: str, rows: pd.DataFrame | None = None, **settings: Any) -> MultiModalPredictor:
    """A model of these rows; keyword arguments with a dot are settings of the recipe."""
    rows = table() if rows is None else rows
    kept = rows.drop(columns=[name for name in LABELS if name != label])
    return MultiModalPredictor(label, hyperparameters=SMALL | settings, verbosity=0).fit(kept)


@pytest.fixture(scope="module")
def fitted() -> dict[str, MultiModalPredictor]:
    """A model of each kind of label."""
    return {label: fit(label) for label in LABELS}


@pytest.mark.parametrize(
    ("label", "metric", "bound"),
    [("sold", "roc_auc", 0.97), ("level", "accuracy", 0.9), ("price", "r2", 0.95)],
)
def test_each_kind_of_label_is_learned(
    fitted: dict[str, MultiModalPredictor], label: str, metric: str, bound: float
) -> None:
    """Two classes, three, and a number in its own unit; no network is in it."""
    model = fitted[label]
    assert model.evaluate(table(), metric)[metric] > bound
    assert model.recipe.backbones == {}
    assert model.recipe.fusion is None
    with pytest.raises(ConfigError, match="no network"):
        model.merge_adapters()


def test_missing_cells_say_something(fitted: dict[str, MultiModalPredictor]) -> None:
    """They are no number: rows that differ in nothing else get other answers."""
    row = pd.DataFrame({"height": [0.0, 0.0], "place": ["north"] * 2, "age": [40, np.nan]})
    there, missing = fitted["price"].predict(row)
    assert there - missing > 2e4


def test_categories_never_seen_are_answered(fitted: dict[str, MultiModalPredictor]) -> None:
    """Between those that are known."""
    row = pd.DataFrame({"height": [0.0], "place": ["moon"], "age": [40]})
    assert np.isfinite(fitted["price"].predict(row)).all()


def test_the_history_has_scores_and_the_best_rounds_are_kept() -> None:
    """It stops early; what is kept is the model of the best round, not the last."""
    model = fit("sold", **{"fit.patience": 10, "fit.learning_rate": 0.5})
    history = model.history
    assert {"epoch", "step", "seconds", "loss", "roc_auc"} <= set(history)
    assert history.epoch.iloc[-1] < 200
    assert (history.loss.diff().dropna() < 0).all()
    best = history.roc_auc.idxmax()
    assert best < len(history) - 1
    text = model._model.engine._model
    assert text.count("Tree=") == history.epoch[best]


def test_rows_of_no_weight_teach_nothing() -> None:
    """Their labels may be anything."""
    rows = table()
    wrong = rows.sold.map({"yes": "no", "no": "yes"})
    spoilt = pd.concat([rows.assign(w=1.0), rows.assign(sold=wrong, w=0.0)], ignore_index=True)
    kept = spoilt.drop(columns=["price", "level"])
    model = MultiModalPredictor("sold", hyperparameters=SMALL, verbosity=0)
    model.fit(kept, sample_weight="w", tuning_data=rows.assign(w=1.0))
    assert model.evaluate(rows)["roc_auc"] > 0.97


def test_the_time_limit_ends_it() -> None:
    """With the trees that there are."""
    rows = table().drop(columns=["price", "level"])
    settings = SMALL | {"fit.rounds": 10**6, "fit.patience": 10**6, "fit.learning_rate": 1e-4}
    model = MultiModalPredictor("sold", hyperparameters=settings, verbosity=0)
    model.fit(rows, time_limit=2)
    assert len(model.predict(rows)) == len(rows)
    assert model.history.epoch.iloc[-1] < 10**6


def test_the_same_seed_gives_the_same_trees() -> None:
    """And another seed others."""
    texts = [fit("sold", **{"training.seed": seed})._model.engine._model for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_settings_of_networks_are_refused() -> None:
    """They would not be used."""
    with pytest.raises(ConfigError, match="backbones"):
        fit("sold", **{"backbones.tabular.id": "tabular:mlp"})


def test_several_labels_of_a_row_are_refused() -> None:
    """With the task's name and what to do."""
    rows = table().assign(tags=[["a"] if i % 2 else ["b"] for i in range(400)])
    model = MultiModalPredictor("tags", "multilabel", hyperparameters=SMALL, verbosity=0)
    with pytest.raises(ConfigError, match="core:multilabel"):
        model.fit(rows.drop(columns=list(LABELS)))


_BLOCKED = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is not to be imported")

HEAVY = {"torch", "torchvision", "torchmetrics", "transformers", "timm", "lightning"}
sys.meta_path.insert(0, Refuse())
import pandas as pd
from mm_core import MultiModalPredictor

rows = pd.read_json(sys.argv[2], orient="split")
model = MultiModalPredictor.load(sys.argv[1])
found = {"answer": model.predict(rows).tolist(), "scores": model.evaluate(rows)}
if sys.argv[3] != "price":
    found["proba"] = model.predict_proba(rows).to_numpy().tolist()
print(json.dumps(found))
"""


@pytest.mark.parametrize("label", LABELS)
def test_a_process_without_torch_gives_the_same_answers(
    fitted: dict[str, MultiModalPredictor], label: str, tmp_path: Path
) -> None:
    """Importing torch, or what stands on it, raises there."""
    model, rows = fitted[label], table()
    folder = model.save(tmp_path / "model")
    rows.to_json(tmp_path / "rows.json", orient="split", double_precision=15)
    command = [sys.executable, "-c", _BLOCKED, folder, tmp_path / "rows.json", label]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["answer"] == pytest.approx(model.predict(rows).tolist())
    assert found["scores"] == pytest.approx(model.evaluate(rows))
    if label != "price":
        assert np.allclose(found["proba"], model.predict_proba(rows))


def test_a_folder_holds_text_and_an_altered_one_is_refused(
    fitted: dict[str, MultiModalPredictor], tmp_path: Path
) -> None:
    """No pickle; a changed tree is found by its hash."""
    folder = fitted["sold"].save(tmp_path / "model")
    files = [path for path in (folder / "engine").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["trees.txt"]
    text = files[0].read_text(encoding="utf-8")
    files[0].write_text(text.replace("leaf_value=", "leaf_value=9", 1), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"trees\.txt"):
        MultiModalPredictor.load(folder)


def test_inspect_names_the_runtime(fitted: dict[str, MultiModalPredictor], tmp_path: Path) -> None:
    """And the plugins that loading needs."""
    folder = fitted["sold"].save(tmp_path / "model")
    command = [Path(sys.executable).with_name("mm"), "inspect", folder]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "lightgbm:booster" in said
    assert "mm-lightgbm" in said
