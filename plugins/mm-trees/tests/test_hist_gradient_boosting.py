"""What scikit-learn's trees do that the others do not: their file, their rounds, their limits."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError

FIT = {"fit": "trees:hist_gradient_boosting", "fit.threads": 1, "fit.rounds": 60}


def table(n: int = 300) -> pd.DataFrame:
    """A price that hangs on a number and on a place, with noise."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"height": rng.normal(size=n), "place": rng.choice([*"abcd"], n)})
    rows["price"] = rows.height + 2 * (rows.place == "a") + rng.normal(size=n) / 2
    return rows


def fit(
    rows: pd.DataFrame | None = None, limit: float | None = None, **more: Any
) -> MultiModalPredictor:
    """A model of the price."""
    model = MultiModalPredictor("price", hyperparameters=FIT | more, verbosity=0)
    return model.fit(table() if rows is None else rows, time_limit=limit)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    return fit().save(tmp_path_factory.mktemp("trees") / "model")


def altered(folder: Path, to: Path, change: Callable[[dict[str, str]], None]) -> Path:
    """A copy of a saved model whose texts someone has changed, and the hashes with them.

    Args:
        folder: the model.
        to: of the copy.
        change: what is done to name -> text of the JSON members of the trees' file.
    """
    model = MultiModalPredictor.load(folder).save(to / "model")
    path = model / "engine" / "trees_0.skops"
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    texts = {name: members[name].decode() for name in members if name.endswith(".json")}
    change(texts)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, data in {**members, **{k: v.encode() for k, v in texts.items()}}.items():
            file.writestr(name, data)
    manifest = model / "mm_model.json"
    old, new = (hashlib.sha256(data).hexdigest() for data in (path.read_bytes(), made.getvalue()))
    path.write_bytes(made.getvalue())
    manifest.write_text(manifest.read_text().replace(old, new))
    return model


def replaced(name: str, old: str, new: str) -> Callable[[dict[str, str]], None]:
    """The change that puts one word for another."""

    def change(texts: dict[str, str]) -> None:
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"__class__":"check_array","__module__":"sklearn.utils.validation"',
         '"__class__":"system","__module__":"os"'),
        ('"__class__":"TreePredictor","__module__":"sklearn.ensemble._hist_gradient_boosting.predictor"',
         '"__class__":"Popen","__module__":"subprocess"'),
    ],
    ids=["function", "type"],
)  # fmt: skip
def test_a_file_that_names_another_type_is_refused(
    folder: Path, tmp_path: Path, old: str, new: str
) -> None:
    """Though its hash is right: what may be built stands in the code."""
    model = altered(folder, tmp_path, replaced("schema.json", old, new))
    name = "os.system" if "system" in new else "subprocess.Popen"
    with pytest.raises(ArtifactError, match=name):
        MultiModalPredictor.load(model)


def test_an_estimator_that_is_no_trees_is_refused(folder: Path, tmp_path: Path) -> None:
    """Others of scikit-learn can be built, and are none of ours."""
    import skops.io
    from sklearn.linear_model import Ridge

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(Ridge()))) as file:
        schema = file.read("schema.json").decode()
    model = altered(folder, tmp_path, lambda texts: texts.update({"schema.json": schema}))
    with pytest.raises(ArtifactError, match="Ridge"):
        MultiModalPredictor.load(model)


def test_another_scikit_learn_is_told(folder: Path, tmp_path: Path) -> None:
    """With both versions, once, whatever it is that still can be read."""
    change = replaced("made_with.json", sklearn.__version__, "1.0.2")
    model = altered(folder, tmp_path, change)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loaded = MultiModalPredictor.load(model)
    (one,) = [str(each.message) for each in told if "scikit-learn" in str(each.message)]
    assert "1.0.2" in one
    assert sklearn.__version__ in one
    assert loaded.predict(table()).tolist() == (
        MultiModalPredictor.load(folder).predict(table()).tolist()
    )


def test_what_another_scikit_learn_made_and_this_one_cannot_read_names_both(
    folder: Path, tmp_path: Path
) -> None:
    """And what to type."""

    def change(texts: dict[str, str]) -> None:
        replaced("made_with.json", sklearn.__version__, "9.9.0")(texts)
        replaced("schema.json", '"HalfSquaredError"', '"HalfCubedError"')(texts)

    model = altered(folder, tmp_path, change)
    with pytest.raises(ArtifactError, match=rf"9\.9\.0(.|\n)*{sklearn.__version__}") as caught:
        MultiModalPredictor.load(model)
    assert "pip install scikit-learn==9.9.0" in str(caught.value)


def test_rounds_that_are_kept_are_those_that_were_scored() -> None:
    """They are grown once more: the model answers as well as its best score said."""
    rows, held = table(), table(500).iloc[300:]
    more = {"fit.learning_rate": 0.5, "fit.validate_every": 3, "fit.feature_share": 0.5}
    model = MultiModalPredictor("price", hyperparameters=FIT | more, verbosity=0)
    model.fit(rows, tuning_data=held)
    history = model.history
    assert history.epoch[history.rmse.idxmin()] < history.epoch.max()
    assert model.evaluate(held, "rmse")["rmse"] == pytest.approx(history.rmse.min())


def test_a_time_limit_that_is_not_reached_changes_no_tree() -> None:
    """Growing in several runs, with the clock between, comes to the same file; where the loss has
    become no smaller for long enough just when a run ends, too."""
    more = {"fit.rounds": 200, "fit.feature_share": 0.5, "fit.learning_rate": 1.0}
    least = int(fit(**more, **{"fit.patience": 10}).history.epoch.max()) - 10
    for patience in (10, 32 - least):  # runs end after 1, 2, 4, 8, 16, 32 rounds
        one, other = (
            fit(limit=limit, **more, **{"fit.patience": patience}) for limit in (None, 600)
        )
        assert one._model.engine._files == other._model.engine._files
        assert one.history.epoch.max() == other.history.epoch.max() == least + patience


def test_rare_categories_of_many_are_one(tmp_path: Path) -> None:
    """scikit-learn's trees tell 255 apart: the most frequent ones."""
    rng = np.random.default_rng(1)
    often = np.repeat([f"often {n}" for n in range(250)], 20)
    rows = pd.DataFrame({"place": [*often, *(f"rare {n}" for n in range(200) for _ in range(2))]})
    rows["height"] = rng.normal(size=len(rows))
    high = rows.place.str.startswith("often") & rows.place.str.endswith(("1", "3", "5", "7", "9"))
    rows["price"] = 10.0 * high
    rows["price"] += rng.normal(size=len(rows)) / 10
    model = fit(rows)
    assert model.evaluate(rows, "r2")["r2"] > 0.8
    found = model.predict(rows.assign(height=0.0))
    assert found[rows.place.str.startswith("rare")].nunique() < 10
    loaded = MultiModalPredictor.load(model.save(tmp_path / "model"))
    assert loaded.predict(rows).tolist() == model.predict(rows).tolist()


def test_columns_of_nothing_are_learned() -> None:
    """Missing in all rows of training, and there later on."""
    rows = table().assign(empty=np.nan)
    model = fit(rows)
    assert np.isfinite(model.predict(rows.assign(empty=1.0))).all()


def test_losses_that_it_has_not_are_refused() -> None:
    """With those that it has."""
    with pytest.raises(ConfigError, match=r"core:huber(.|\n)*core:mae"):
        fit(**{"training.loss": "huber"})
