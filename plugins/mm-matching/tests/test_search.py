"""Search, an index on disk, doubles, hard negatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_matching.nearest import nearest, pairs_above
from mm_matching.samples import ASKED, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ColumnError, ConfigError, DataError, MMWarning
from mm_core.testing import forked

ITEMS = pd.DataFrame(
    {"said": WORDS, "sku": [f"s{i}" for i in range(16)], "price": [i % 4 for i in range(16)]}
)


def test_search_finds_the_nearest(trained: MultiModalPredictor, pairs: pd.DataFrame) -> None:
    """Labels of the rows that were given, the nearest first, empty cells left out."""
    found = trained.search(pairs, top_k=2)
    assert found.columns.tolist() == ["query", "rank", "item", "similarity"]
    first = found[found["rank"] == 1]
    assert (first["query"] == first["item"]).mean() > 0.9
    assert (found["similarity"].diff()[1::2] <= 0).all()
    few = trained.search({"asked": [ASKED[1], None]}, {"said": [*WORDS[:3], None]}, top_k=100)
    assert few["query"].tolist() == [0, 0, 0]
    assert few["item"][0] == 1


def test_search_needs_no_fit(texts: Any) -> None:
    """Queries and items in tables of their own, or items alone: the same text is found."""
    items = pd.DataFrame({"said": [*WORDS, ASKED[3]]})
    found = texts().search({"asked": ASKED[2:5]}, items, top_k=1)
    assert found["item"][1] == 16
    assert found["similarity"][1] == pytest.approx(1, abs=1e-5)
    predictor = texts()
    index = predictor.build_index(items)
    assert predictor.search({"asked": [ASKED[3]]}, index, top_k=1)["item"].tolist() == [16]


def test_an_index_keeps_ids_and_columns(trained: MultiModalPredictor, tmp_path: Path) -> None:
    """Filtered, grown, shrunk, saved without pickle, read back the same."""
    index = trained.build_index(ITEMS.head(12), ids="sku", keep=["price", "said"])
    query = {"asked": [ASKED[14], ASKED[2]]}
    assert "s14" not in trained.search(query, index, top_k=20)["item"].tolist()
    trained.add_to_index(index, ITEMS.tail(4), ids="sku")
    found = trained.search(query, index, top_k=1)
    assert found["item"].tolist() == ["s14", "s2"]
    assert found["price"].tolist() == [2, 2]
    cheap = trained.search(query, index, top_k=20, filter={"price": [0, 1]})
    assert set(cheap["price"]) == {0, 1}
    assert len(cheap) == 16
    assert repr(index).startswith("<Index of 16 items of width ")
    assert repr(index).endswith("side response, exact, keeps price, said>")
    same = trained.search(query, index, top_k=20, filter=lambda frame: frame["price"] < 2)
    assert same.equals(cheap)
    index.delete(["s14"])
    index.save(tmp_path / "index")
    again = trained.load_index(tmp_path / "index")
    assert trained.search(query, again, 5).equals(trained.search(query, index, 5))
    assert trained.search(query, tmp_path / "index", 5).equals(trained.search(query, index, 5))
    assert sorted(one.name for one in (tmp_path / "index").iterdir()) == [
        "columns.parquet",
        "index.json",
        "vectors.npy",
    ]


def test_an_index_of_another_model_is_refused(
    trained: MultiModalPredictor, texts: Any, tmp_path: Path
) -> None:
    """And a damaged one, and what is none."""
    other = texts(**{"training.seed": 5})
    index = other.build_index(ITEMS)
    with pytest.raises(ArtifactError, match="another model"):
        trained.search({"asked": ASKED}, index)
    index.save(tmp_path / "index")
    with pytest.raises(ArtifactError, match="another model"):
        trained.load_index(tmp_path / "index")
    trained.build_index(ITEMS).save(tmp_path / "index")
    (tmp_path / "index" / "columns.parquet").write_bytes(b"altered")
    with pytest.raises(ArtifactError, match=r"columns\.parquet"):
        trained.load_index(tmp_path / "index")
    (tmp_path / "index" / "index.json").write_text("{}")
    with pytest.raises(ArtifactError, match="no index"):
        trained.load_index(tmp_path / "index")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="no index"):
        index.save(tmp_path / "mine")


def test_what_search_cannot_do_is_said(trained: MultiModalPredictor, pairs: pd.DataFrame) -> None:
    """Before anything is read, or with the column or id that is wrong."""
    with pytest.raises(ConfigError, match="top_k=0"):
        trained.search(pairs, top_k=0)
    with pytest.raises(ColumnError, match="role response"):
        trained.search(pairs, pairs[["asked"]])
    with pytest.raises(DataError, match="'s0' stands there twice"):
        trained.build_index(ITEMS.assign(sku="s0"), ids="sku")
    index = trained.build_index(ITEMS, ids="sku", keep=["price"])
    with pytest.raises(DataError, match="'s0' stands there twice"):
        trained.add_to_index(index, ITEMS.head(1), ids="sku")
    with pytest.raises(DataError, match="'s99'"):
        index.delete(["s99"])
    with pytest.raises(ColumnError) as caught:
        trained.search(pairs, index, filter={"prise": 1})
    assert "price" in str(caught.value.remedy)
    with pytest.raises(ConfigError, match="3 ids for 16 items"):
        trained.build_index(ITEMS, ids=[1, 2, 3])
    with pytest.warns(MMWarning, match="1 of 2 items hold nothing"):
        assert len(trained.build_index({"said": ["a red disc", None]})) == 1


def test_a_graph_finds_the_same(trained: MultiModalPredictor, tmp_path: Path) -> None:
    """faiss: grown, shrunk, saved and read back as an exact index is."""
    pytest.importorskip("faiss", reason="pip install mm-matching[faiss]")
    exact, graph = (
        trained.build_index(ITEMS.head(12), ids="sku", kind=kind) for kind in ("exact", "faiss")
    )
    for index in (exact, graph):
        trained.add_to_index(index, ITEMS.tail(4), ids="sku")
        index.delete(["s1"])
    graph.save(tmp_path / "index")
    query = {"asked": ASKED}
    wanted = trained.search(query, exact, top_k=3)
    for index in (graph, trained.load_index(tmp_path / "index")):
        found = trained.search(query, index, top_k=3)
        assert np.allclose(found["similarity"], wanted["similarity"], atol=1e-5)
    with pytest.raises(ConfigError, match="kind='tree'"):
        trained.build_index(ITEMS, kind="tree")


def test_doubles_are_found(trained: MultiModalPredictor) -> None:
    """Each pair once, with a number for those that belong together."""
    rows = pd.DataFrame({"said": [WORDS[0], WORDS[7], WORDS[0], WORDS[7], WORDS[0], None]})
    found = trained.duplicates(rows, threshold=0.9999, side="response")
    assert sorted(zip(found["first"], found["second"], strict=True)) == [
        (0, 2),
        (0, 4),
        (1, 3),
        (2, 4),
    ]
    assert found.groupby("group").size().tolist() == [3, 1]
    with pytest.raises(ConfigError, match="threshold=2"):
        trained.duplicates(rows, threshold=2)


def test_hard_negatives_are_wrong_and_near(
    trained: MultiModalPredictor, pairs: pd.DataFrame
) -> None:
    """Nearer than chance, and never the right one."""
    mined = trained.mine_negatives(pairs, per_query=2, skip=1.0)
    assert (mined["negative"] != mined["said"]).all()
    assert mined.index.value_counts().max() <= 2
    hard = trained.predict(mined.assign(said=mined.negative)[["asked", "said"]])
    chance = trained.predict(pairs.assign(said=np.roll(pairs.said, 7)))
    assert hard.mean() > chance.mean()


def test_the_nearest_are_those_of_a_full_sort() -> None:
    """In blocks or at once; of equal ones the first."""
    rng = np.random.default_rng(0)
    items = rng.integers(-1, 2, size=(500, 4)).astype(np.float32)
    queries = rng.normal(size=(50, 4)).astype(np.float32)
    cosines = queries @ items.T
    wanted = np.argsort(-cosines, axis=1, kind="stable")
    for k in (1, 7, 500, 900):
        places, found = nearest(queries, items, k)
        assert (places == wanted[:, :k]).all()
        assert np.allclose(found, np.take_along_axis(cosines, places, axis=1))
    first, second, _ = pairs_above(items, 2.0)
    full = np.argwhere(np.triu(items @ items.T >= 2.0, 1))
    assert (np.stack([first, second], axis=1) == full).all()


def test_from_the_command_line(trained: MultiModalPredictor, tmp_path: Path) -> None:
    """``mm index``, then ``mm search``, each in a process of its own."""
    trained.save(tmp_path / "model")
    ITEMS.to_csv(tmp_path / "items.csv", index=False)
    pd.DataFrame({"asked": ASKED[4:7]}).to_csv(tmp_path / "asked.csv", index=False)
    made = _mm("index", "model", "items.csv", "--out", "index", "--id", "sku", at=tmp_path)
    assert json.loads(made)["items"] == 16
    options = ("--option", "items=index", "--option", "top_k=2", "--out", "found.csv")
    _mm("search", "model", "asked.csv", *options, at=tmp_path)
    found = pd.read_csv(tmp_path / "found.csv")
    wanted = trained.search({"asked": ASKED[4:7]}, ITEMS.set_index("sku"), top_k=2)
    assert found["item"].tolist() == wanted["item"].tolist()


def _mm(*typed: str, at: Path) -> str:
    done = forked.mm(*typed, "--json", cwd=at)
    assert done.returncode == 0, done.stderr
    return done.stdout
