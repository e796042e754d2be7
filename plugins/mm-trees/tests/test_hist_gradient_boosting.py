"""What scikit-learn's trees do that the others do not: their file, their rounds, their limits."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from mm_trees.skops_file import written
from mm_trees.skops_names import BUILT, named
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.preprocessing import StandardScaler

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


def planted(folder: Path, to: Path, data: bytes) -> Path:
    """A copy of a saved model with another file of trees, and the hash of that one."""
    model = MultiModalPredictor.load(folder).save(to / "model")
    path, manifest = model / "engine" / "trees_0.skops", model / "mm_model.json"
    old, new = (hashlib.sha256(one).hexdigest() for one in (path.read_bytes(), data))
    path.write_bytes(data)
    manifest.write_text(manifest.read_text().replace(old, new))
    return model


def trees_of(folder: Path) -> Any:
    """scikit-learn's, to be altered and planted."""
    return MultiModalPredictor.load(folder)._model.engine._models[0]


def members(folder: Path) -> dict[str, bytes]:
    """What the file of trees holds."""
    with zipfile.ZipFile(folder / "engine" / "trees_0.skops") as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(of: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Such a file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        for name, data in of.items():
            file.writestr(name, data)
    return made.getvalue()


def altered(folder: Path, to: Path, change: Callable[[dict[str, str]], None]) -> Path:
    """A copy of a saved model whose texts someone has changed, and the hashes with them.

    Args:
        folder: the model.
        to: of the copy.
        change: what is done to name -> text of the JSON members of the trees' file.
    """
    found = members(folder)
    texts = {name: found[name].decode() for name in found if name.endswith(".json")}
    change(texts)
    data = zipped({**found, **{name: text.encode() for name, text in texts.items()}})
    return planted(folder, to, data)


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


def test_what_trees_are_made_of_is_what_is_built(folder: Path) -> None:
    """Of all goals, with and without categories, numbers and missing cells, and nothing else."""
    rows = table(60).assign(sold=np.where(table(60).height > 0, "yes", "no"))
    few = {"fit.rounds": 4, "fit.feature_share": 0.6}
    losses = [{}, *({"training.loss": loss} for loss in ("mae", "quantile"))]
    wished = [("sold", ["height"], {}), ("place", ["height"], {}), ("sold", ["place"], {})]
    wished += [("price", ["height", "place"], loss) for loss in losses]
    rows["gap"] = rows.place.where(rows.height > 0)
    wished += [("price", ["height", "gap"], {})]
    found = set()
    for label, columns, more in wished:
        model = MultiModalPredictor(label, hyperparameters=FIT | few | more, verbosity=0)
        (file,) = model.fit(rows[[*columns, label]])._model.engine._files
        with zipfile.ZipFile(io.BytesIO(file)) as parts:
            found |= set(named(json.loads(parts.read("schema.json"))))
    assert found == BUILT


def _other_step(trees: Any) -> None:
    trees._preprocessor = StandardScaler().fit(np.eye(2))


def _other_function(trees: Any) -> None:
    trees._preprocessor.transformers_[1][1].func = np.exp


@pytest.mark.parametrize(
    ("change", "name"),
    [(_other_step, "StandardScaler"), (_other_function, r"numpy\S*\.exp")],
    ids=["estimator", "ufunc"],
)
def test_what_skops_trusts_and_trees_do_not_need_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[Any], None], name: str
) -> None:
    """Inside of trees too."""
    trees = trees_of(folder)
    change(trees)
    with pytest.raises(ArtifactError, match=name):
        MultiModalPredictor.load(planted(folder, tmp_path, written(trees)))


def _nodes(**to: int) -> Callable[[Any], None]:
    def change(trees: Any) -> None:
        for (tree,) in trees._predictors:
            for field, value in to.items():
                tree.nodes[field] = value

    return change


def _no_nodes(trees: Any) -> None:
    tree = trees._predictors[0][0]
    tree.nodes = tree.nodes[:0]


def _narrow_sets(trees: Any) -> None:
    for (tree,) in trees._predictors:
        tree.raw_left_cat_bitsets = tree.raw_left_cat_bitsets[:, :4]


def _no_categories(trees: Any) -> None:
    trees._bin_mapper.is_categorical_[:] = 0


def _fewer_places(trees: Any) -> None:
    trees._bin_mapper.is_categorical_ = trees._bin_mapper.is_categorical_[:1]


def _column_left_out(trees: Any) -> None:
    name, _, columns = trees._preprocessor.transformers_[1]
    trees._preprocessor.transformers_[1] = (name, "drop", columns)


def _other_baseline(trees: Any) -> None:
    trees._baseline_prediction = np.zeros((1, 3))


@pytest.mark.parametrize(
    "change",
    [
        _nodes(feature_idx=2**30),
        _nodes(feature_idx=2),
        _nodes(feature_idx=-1),
        _nodes(left=2**30),
        _nodes(right=2**30),
        _nodes(left=0),
        _nodes(is_categorical=1, bitset_idx=2**30),
        _no_nodes,
        _narrow_sets,
        _no_categories,
        _fewer_places,
        _column_left_out,
        _other_baseline,
    ],
    ids=[
        *("far_column", "next_column", "negative_column", "far_left", "far_right", "endless"),
        *("far_set", "no_nodes", "narrow_sets", "no_categories", "fewer_places", "column_left_out"),
        "other_baseline",
    ],
)
def test_numbers_that_lead_out_of_the_trees_are_refused(
    folder: Path, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    """scikit-learn would read what lies there, end the process, or never end."""
    trees = trees_of(folder)
    change(trees)
    with pytest.raises(ArtifactError, match="altered"):
        MultiModalPredictor.load(planted(folder, tmp_path, written(trees)))


def _with(array: bytes) -> Callable[[Path], bytes]:
    return lambda folder: zipped({**members(folder), "0.npy": array})


def _stamped(offset: int, value: int) -> Callable[[Path], bytes]:
    """A number in the zip's record of each member."""

    def change(folder: Path) -> bytes:
        data = bytearray(zipped(members(folder)))
        at = data.find(b"PK\x01\x02")
        while at >= 0:
            struct.pack_into("<H", data, at + offset, value)
            at = data.find(b"PK\x01\x02", at + 1)
        return bytes(data)

    return change


def _bad_lzma(folder: Path) -> bytes:
    data = bytearray(zipped(members(folder), zipfile.ZIP_LZMA))
    at = 30 + len("made_with.json") + 4  # of the first member: what its packing was set to
    data[at : at + 5] = b"\xff" * 5
    return bytes(data)


def _huge() -> bytes:
    made = io.BytesIO()
    head = {"descr": "<f8", "fortran_order": False, "shape": (2**50,)}
    np.lib.format.write_array_header_1_0(made, head)
    return made.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        lambda folder: b"tree\nversion=v4\n",
        _with(b""),
        _with(_huge()),
        _stamped(8, 1),
        _stamped(10, 77),
        _bad_lzma,
        lambda folder: written(HistGradientBoostingRegressor()),
    ],
    ids=["no_zip", "empty_array", "huge_array", "encrypted", "unknown_packing", "lzma", "unfitted"],
)
def test_a_file_that_is_none_is_refused(
    folder: Path, tmp_path: Path, data: Callable[[Path], bytes]
) -> None:
    """Whatever the libraries that read it raise."""
    with pytest.raises(ArtifactError, match="no trees of scikit-learn"):
        MultiModalPredictor.load(planted(folder, tmp_path, data(folder)))


def test_what_a_file_calls_its_version_is_not_advised(folder: Path, tmp_path: Path) -> None:
    """It would stand in a line to type."""
    text = "1.7.0 evil-package --index-url http://evil.example"
    change = replaced("made_with.json", sklearn.__version__, text)
    with pytest.raises(ArtifactError, match="no version") as caught:
        MultiModalPredictor.load(altered(folder, tmp_path, change))
    assert "pip install" not in str(caught.value)


_MEANWHILE = """
import sys, threading
from importlib import import_module
import sklearn.utils

NAME = "sklearn.externals.array_api_compat.dask"
walk = sklearn.utils.all_estimators

def walk_beside_another_thread():
    other = threading.Thread(target=lambda: print(import_module(NAME).__name__))
    other.start()
    other.join(60)
    return walk()

sklearn.utils.all_estimators = walk_beside_another_thread
before = list(sys.meta_path)
from mm_trees import skops_file
print("torch" in sys.modules, sys.meta_path == before)
"""


def test_another_thread_imports_what_skops_does_without() -> None:
    """That torch is not imported is seen where skops is, nowhere else."""
    done = subprocess.run(
        [sys.executable, "-c", _MEANWHILE], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["sklearn.externals.array_api_compat.dask", "False", "True"]


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
