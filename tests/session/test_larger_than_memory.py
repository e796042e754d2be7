"""Tables that are read, answered and written a part at a time."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import BadCellError, ConfigError, DataError
from mm_core.data import chunks

pytestmark = pytest.mark.usefixtures("module_on_cpu")

BRIEF = {"training.epochs": 2, "backbones.tabular.width": 16, "backbones.tabular.n_blocks": 1}


def _rows(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    colour = pd.Series(rng.choice(["red", "green", "blue"], n), dtype="str")
    return pd.DataFrame(
        {"size": rng.normal(size=n), "count": rng.integers(0, 9, n), "colour": colour}
    )


@pytest.fixture(scope="module")
def predictor():
    frame = _rows(200)
    frame["y"] = np.where(frame["size"] + (frame.colour == "red") > 0.3, "big", "small")
    return MultiModalPredictor("y", hyperparameters=BRIEF, verbosity=0).fit(frame)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(chunks.read_chunks, "__defaults__", (7,))


def _write(frame: pd.DataFrame, path) -> None:
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)


@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.jsonl"])
def test_answers_in_parts_are_those_of_the_whole(predictor, small_parts, tmp_path, source, target):
    frame = _rows(40)
    _write(frame, tmp_path / source)
    written = predictor.predict(tmp_path / source, out=tmp_path / target)
    assert (written.rows, written.columns) == (40, ("y",))
    read = {".parquet": pd.read_parquet, ".csv": pd.read_csv}.get(
        written.path.suffix, lambda path: pd.read_json(path, lines=True)
    )
    pd.testing.assert_series_equal(read(written.path)["y"], predictor.predict(frame))
    assert list(tmp_path.glob("*.part")) == []


def test_probabilities_in_parts_keep_the_index(predictor, small_parts, tmp_path):
    frame = _rows(20).set_index(pd.Index([f"row {i}" for i in range(20)], name="id"))
    frame.to_parquet(tmp_path / "in.parquet")
    predictor.predict_proba(tmp_path / "in.parquet", out=tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(found, predictor.predict_proba(frame), atol=1e-6)


def test_a_column_is_of_one_type_in_all_parts(tmp_path):
    """Whole numbers in the first rows, a missing one and a word later."""
    frame = pd.DataFrame({"a": ["1", "2", "3", "", "5", "6"], "b": ["1", "2", "3", "4", "x", "6"]})
    frame.to_csv(tmp_path / "in.csv", index=False)
    whole = pd.DataFrame({"a": [1, 2, 3, np.nan, 5, 6]})
    parts = list(chunks.read_chunks(tmp_path / "in.csv", _registry(), 2))
    assert [len(part) for part in parts] == [2, 2, 2]
    assert {str(part.table.frame["a"].dtype) for part in parts} == {"float64"}
    joined = pd.concat([part.table.frame for part in parts], ignore_index=True)
    pd.testing.assert_series_equal(joined["a"], whole["a"])
    assert joined["b"].tolist() == ["1", "2", "3", "4", "x", "6"]


def test_integers_missing_in_a_later_part_are_floats_in_all(tmp_path):
    frame = pd.DataFrame({"a": pd.array([1, 2, None, 4], dtype="Int64"), "b": [1, 2, 3, 4]})
    frame.to_parquet(tmp_path / "in.parquet")
    plain = pd.read_parquet(tmp_path / "in.parquet")
    parts = list(chunks.read_chunks(tmp_path / "in.parquet", _registry(), 2))
    for name in ("a", "b"):
        assert {part.table.frame[name].dtype for part in parts} == {plain[name].dtype}


def test_scores_in_parts_are_those_of_the_whole(predictor, small_parts, tmp_path):
    frame = _rows(60)
    frame["y"] = np.where(frame["size"] > 0, "big", "small")
    _write(frame, tmp_path / "in.parquet")
    found = predictor.evaluate(tmp_path / "in.parquet", metrics=["accuracy", "roc_auc"])
    assert found == pytest.approx(predictor.evaluate(frame, metrics=["accuracy", "roc_auc"]))
    _, answers = predictor.evaluate(tmp_path / "in.parquet", return_pred=True)
    assert answers.tolist() == predictor.predict(frame).tolist()
    assert answers.index.tolist() == list(range(60))


def test_an_unreadable_cell_is_named_by_its_row_in_the_file(predictor, small_parts, tmp_path):
    frame = _rows(40).astype({"size": str})
    frame.loc[33, "size"] = "broken"
    _write(frame, tmp_path / "in.parquet")
    (tmp_path / "out.csv").write_text("older answers")
    with pytest.raises(BadCellError) as caught:
        predictor.predict(tmp_path / "in.parquet", out=tmp_path / "out.csv")
    assert list(caught.value.rows) == [33]
    assert (tmp_path / "out.csv").read_text() == "older answers"
    assert list(tmp_path.glob("*.part")) == []


def test_an_unknown_ending_is_refused_before_any_row_is_read(predictor, tmp_path):
    with pytest.raises(ConfigError, match=r"out\.xml"):
        predictor.predict(tmp_path / "nowhere.parquet", out=tmp_path / "out.xml")
    with pytest.raises(DataError, match="nowhere"):
        predictor.predict(tmp_path / "nowhere.parquet", out=tmp_path / "out.csv")


def test_batch_size_device_and_precision_of_a_prediction(predictor):
    frame = _rows(30)
    whole = predictor.predict_proba(frame)
    pd.testing.assert_frame_equal(
        predictor.predict_proba(frame, batch_size=7, device="cpu"), whole, atol=1e-6
    )
    half = predictor.predict_proba(frame, precision="bf16-mixed")
    assert 0 < np.abs(half - whole).to_numpy().max() < 0.05
    with pytest.raises(ConfigError, match="device='cuda:77'"):
        predictor.predict(frame, device="cuda:77")
    with pytest.raises(ConfigError, match="precision='8'"):
        predictor.predict(frame, precision="8")
    pd.testing.assert_frame_equal(predictor.predict_proba(frame), whole)


def _registry():
    from mm_core.plugins.registry import default_registry

    return default_registry()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """400,000 rows of 40 numbers (128 MB) need what 200,000 need."""
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(40)]
    frame = pd.DataFrame(rng.normal(size=(300, 40)), columns=names)
    frame["y"] = np.where(frame["x0"] > 0, "big", "small")
    MultiModalPredictor("y", hyperparameters=BRIEF, verbosity=0).fit(frame).save(tmp_path / "model")
    sizes = (200_000, 400_000)
    for n in sizes:
        pd.DataFrame(rng.normal(size=(n, 40)), columns=names).to_parquet(tmp_path / f"{n}.parquet")
    code = textwrap.dedent(f"""
        import resource
        from mm_core import MultiModalPredictor
        predictor = MultiModalPredictor.load("model")
        for n in {sizes}:
            rows = predictor.predict(f"{{n}}.parquet", out=f"{{n}}.out.parquet").rows
            print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    """)
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    peaks = {}
    for n, line in zip(sizes, said.stdout.splitlines()[-2:], strict=True):
        rows, peak = line.split()
        assert int(rows) == n == len(pd.read_parquet(tmp_path / f"{n}.out.parquet"))
        peaks[n] = float(peak)  # of one process: what its start takes is in both
    assert peaks[400_000] - peaks[200_000] < 60, peaks
