"""Queries, items and pairs in three tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_matching.api import ById
from mm_matching.by_id import read
from mm_matching.samples import ASKED, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import ColumnError, DataError

QUESTIONS = pd.Series(ASKED, index=[f"q{i}" for i in range(16)])
ANSWERS = {f"a{i}": word for i, word in enumerate(WORDS)}
IDS = pd.DataFrame(
    {"asked": [f"q{i}" for i in range(16)], "said": [f"a{i}" for i in range(16)]},
    index=[f"row {i}" for i in range(16)],
)


def test_ids_stand_for_what_they_mean(trained: MultiModalPredictor, pairs: pd.DataFrame) -> None:
    """Answers, scores and search are those of the rows written out, by the labels of the rows."""
    given = ById(IDS, {"asked": QUESTIONS, "said": ANSWERS})
    assert trained.predict(given).equals(trained.predict(pairs))
    assert trained.evaluate(given) == trained.evaluate(pairs)
    assert trained.search(given, top_k=2).equals(trained.search(pairs, top_k=2))


def test_a_fit_reads_them(texts: Any, pairs: pd.DataFrame) -> None:
    """As it reads the rows written out."""
    settings = {"training.epochs": 2}
    given = ById(IDS, {"asked": QUESTIONS, "said": ANSWERS})
    one, other = (texts(**settings).fit(rows, tuning_data=pairs) for rows in (given, pairs))
    assert one.history.loss.tolist() == other.history.loss.tolist()


def test_items_of_no_pair_are_candidates(trained: MultiModalPredictor) -> None:
    """Candidates of any number, whatever the number of queries: each is ranked."""
    few = ById(IDS.head(3), {"asked": QUESTIONS, "said": ANSWERS}, candidates=("said",))
    assert len(read(few).frame) == 16
    alone = ById(IDS.head(3).assign(said=["a9", "a1", "a2"]), few.tables)
    assert (
        trained.evaluate(alone, "mrr")["mrr"]
        > trained.evaluate(ById(alone.rows, few.tables, ("said",)), "mrr")["mrr"]
    )
    answer = trained.predict(few)
    assert answer.index.tolist()[:4] == ["row 0", "row 1", "row 2", "said=a3"]
    assert np.isnan(answer[3:].to_numpy(float)).all()


def test_a_table_of_several_columns_stands_beside(tmp_path: Path) -> None:
    """And one of files is read by its first column."""
    items = pd.DataFrame({"sku": [7, 8], "title": ["disc", "box"], "price": [1.5, 2.0]})
    items.to_csv(tmp_path / "items.csv", index=False)
    rows = pd.DataFrame({"asked": ["a disc?", None], "said": [8, 7]})
    for table in (items, items.set_index("sku"), tmp_path / "items.csv"):
        frame = read(ById(rows, {"said": table})).frame
        assert frame.columns.tolist() == ["asked", "title", "price"]
        assert frame.title.tolist() == ["box", "disc"]


def test_what_does_not_fit_is_said() -> None:
    """With the id, the column and the row."""
    tables = {"asked": QUESTIONS, "said": ANSWERS}
    with pytest.raises(DataError, match="'said' has no id 'a99'") as caught:
        read(ById(IDS.assign(said=[*IDS.said[:15], "a99"]), tables))
    assert list(caught.value.rows) == [15]
    with pytest.raises(DataError, match="'q3' stands twice"):
        read(ById(IDS, {**tables, "asked": QUESTIONS.rename({"q4": "q3"})}))
    with pytest.raises(ColumnError, match="no column 'ask'"):
        read(ById(IDS, {"ask": QUESTIONS}))
    with pytest.raises(ColumnError, match="'asked', which has no table"):
        read(ById(IDS, {"said": ANSWERS}, candidates=("asked",)))
    wide = pd.DataFrame({"asked": ["x"] * 16, "more": ["y"] * 16}, index=list(ANSWERS))
    with pytest.raises(ColumnError, match="two tables have a column 'asked'"):
        read(ById(IDS, {"asked": QUESTIONS, "said": wide}))
