"""Reading rows: nothing shifted, renamed or lost in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mm_core.api import ColumnError, DataError, Table
from mm_core.data import rows as module
from mm_core.data.chunks import read_chunks
from mm_core.data.separated import CSVFile
from mm_core.plugins.registry import Registry


def read_rows(data):
    return module.read_rows(data, Registry(entry_points=[]))


@pytest.mark.parametrize("text", ["a,b\n0,1.5,2\n1,2.5,3\n", "a,b\n1,2\n1,2,3\n"])
def test_rows_longer_than_the_header_are_refused(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert caught.value.remedy


def test_empty_fields_at_the_end_shift_nothing(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1.5,2,\n2.5,3,\n")
    frame = read_rows(path).table.frame
    assert frame.to_dict("list") == {"a": [1.5, 2.5], "b": [2, 3]}


def test_codes_with_leading_zeros_stay_codes(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("zip,n,share\n01234,1,0.5\n98765,2,0\n")
    frame = read_rows(path).table.frame
    assert frame["zip"].tolist() == ["01234", "98765"]
    assert frame["share"].tolist() == [0.5, 0.0]


@pytest.mark.parametrize("kind", [pd.array, pd.Index, range, np.array, list, tuple])
def test_a_dict_of_columns(kind):
    column = kind(3) if kind is range else kind([1.0, 2.0, 3.0])
    rows = read_rows({"a": column, "b": ["x", "y", "z"]})
    assert len(rows) == 3


def test_a_dict_of_cells_is_one_row():
    assert len(read_rows({"a": 1.0, "b": "x", "c": b"bytes"})) == 1


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl", ".json"])
def test_every_file_format(tmp_path, ending):
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", "y, z"]})
    path = tmp_path / f"rows{ending}"
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".json": lambda: frame.to_json(path, orient="records"),
    }
    writers[ending]()
    rows = read_rows(path)
    assert rows.table.folder == tmp_path
    pd.testing.assert_frame_equal(rows.table.frame, frame, check_dtype=False)


def test_a_table_keeps_the_folder_that_its_cells_start_at(tmp_path):
    (tmp_path / "rows.csv").write_text("a\nx.png\ny.png\n")
    table = read_rows(tmp_path / "rows.csv").table
    changed = read_rows(Table(table.frame.assign(b=None), table.folder)).table
    assert changed.folder == tmp_path
    assert changed.frame["a"].tolist() == ["x.png", "y.png"]


def test_a_named_index_is_a_column_of_a_file_and_of_the_same_table_of_arrow(tmp_path):
    frame = pd.DataFrame({"id": [3, 4], "x": [1.5, 2.5]}).set_index("id")
    frame.to_parquet(tmp_path / "t.parquet")
    for data in (tmp_path / "t.parquet", pa.Table.from_pandas(frame)):
        read = read_rows(data).table.frame
        assert list(read) == ["id", "x"]
        assert read["id"].tolist() == [3, 4]


def test_tables_of_arrow_and_polars_are_read():
    columns = {"a": [1.5, None], "b": ["x", "007"]}
    wanted = pd.DataFrame(columns)
    pd.testing.assert_frame_equal(read_rows(pa.table(columns)).table.frame, wanted)

    class DataFrame:  # polars is not installed: what is asked of it
        def to_pandas(self):
            return wanted.copy()

    class LazyFrame:
        def collect(self):
            return DataFrame()

    DataFrame.__module__ = LazyFrame.__module__ = "polars.frame"
    for table in (DataFrame(), LazyFrame()):
        pd.testing.assert_frame_equal(read_rows(table).table.frame, wanted)


def test_an_array_has_no_names_and_is_told_how_to_get_them():
    with pytest.raises(DataError, match=r"shape \(3, 2\) has no names(.|\n)*pd.DataFrame\("):
        read_rows(np.zeros((3, 2)))


def test_an_excel_file_names_the_package_that_reads_it(tmp_path, monkeypatch):
    (tmp_path / "rows.xlsx").write_bytes(b"")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'mm-core\[excel\]'"):
        read_rows(tmp_path / "rows.xlsx")


def test_cells_of_excel_are_what_they_are_there(tmp_path):
    day = pd.Timestamp("2024-01-01")
    cells = {"zip": ["007", "7"], "n": [1, None], "word": ["NA", ""], "day": [day, None]}
    pd.DataFrame(cells).to_excel(tmp_path / "rows.xlsx", index=False)
    frame = read_rows(tmp_path / "rows.xlsx").table.frame
    assert frame["zip"].tolist() == ["007", "7"]
    assert frame["n"].tolist()[0] == 1.0
    assert frame["word"].tolist()[0] == "NA"
    assert frame["day"].tolist()[0] == day
    assert frame.isna().sum().to_dict() == {"zip": 0, "n": 1, "word": 1, "day": 1}


@pytest.mark.parametrize("lines", [True, False])
def test_a_string_of_json_stays_one(tmp_path, lines):
    rows = [{"zip": "007", "day": "2024-01-01", "n": 0.1 + 0.2}, {"zip": "1_2", "n": 1.0}]
    path = tmp_path / ("rows.jsonl" if lines else "rows.json")
    texts = [json.dumps(row) for row in rows]
    path.write_text("\n".join(texts) if lines else f"[{','.join(texts)}]")
    frame = read_rows(path).table.frame
    assert frame["zip"].tolist() == ["007", "1_2"]
    assert frame["day"].tolist()[0] == "2024-01-01"
    assert frame["n"].tolist() == [0.1 + 0.2, 1.0]


ADDRESSES = {
    "http://x.org/a.csv": "curl -L -o a.csv http://x.org/a.csv",
    "https://x.org/a.csv?raw=1": "curl -L -o a.csv 'https://x.org/a.csv?raw=1'",
    "https://x.org/export": "curl -L -o data.csv https://x.org/export",
    "http://[abc/d.csv": "curl -L -o data.csv 'http://[abc/d.csv'",
    "s3://bucket/a.parquet": "aws s3 cp s3://bucket/a.parquet a.parquet",
    "hf://datasets/one/a.jsonl": "give the path of the file: 'a.jsonl'",
    "file:///home/one/a.csv": "without 'file://'",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_told_as_it_was_typed(address):
    for data in (address, CSVFile(address)):
        with pytest.raises(DataError) as caught:
            read_rows(data)
        assert str(caught.value).startswith(f"{address!r} is an address")
        assert ADDRESSES[address] in caught.value.remedy
    with pytest.raises(DataError, match="is an address"):
        next(read_chunks(address, Registry(entry_points=[])))


def test_a_path_that_was_an_address_and_a_drive_and_a_folder_with_a_colon(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"'http://x\.org/a\.csv' is an address"):
        read_rows(Path("http://x.org/a.csv"))
    with pytest.raises(DataError, match=r"no file 'C:/a\.csv'"):
        read_rows("C:/a.csv")
    monkeypatch.chdir(tmp_path)
    Path("run:").mkdir()
    Path("run:/a.csv").write_text("x\n1\n")
    assert len(read_rows("run:/a.csv")) == 1


@pytest.mark.parametrize("orient", ["split", "table"])
def test_json_of_another_form_is_told_which_is_read(tmp_path, orient):
    path = tmp_path / "rows.json"
    pd.DataFrame({"a": [1, 2, 3], "b": [3, 4, 5]}).to_json(path, orient=orient)
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert "orient='records'" in caught.value.remedy


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (pd.Index(list("abcde"), name="id"), ["id"]),
        (pd.RangeIndex(10, 20, 2, name="id"), ["id"]),
        (pd.MultiIndex.from_arrays([list("aabbc"), range(5)], names=["id", None]), ["id"]),
        (pd.MultiIndex.from_arrays([list("aabbc"), range(5)], names=["id", "n"]), ["id", "n"]),
        (pd.RangeIndex(5), []),
        (pd.Index(list("abcde")), []),
    ],
)
def test_an_index_of_parquet_that_has_a_name_is_a_column(tmp_path, index, names):
    path = tmp_path / "rows.parquet"
    frame = pd.DataFrame({"x": np.arange(5) + 0.5}, index=index)
    frame.to_parquet(path)
    rows = read_rows(path)
    assert list(rows.table.frame) == [*names, "x"]
    for name in names:
        assert rows.table.frame[name].tolist() == list(index.get_level_values(name))
    assert list(rows.index) == list(index)  # answers keep it
    parts = list(read_chunks(path, Registry(entry_points=[]), 2))
    whole = pd.concat([part.table.frame for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(whole, rows.table.frame)
    assert [one for part in parts for one in part.index] == list(index)


def test_an_index_of_parquet_with_the_name_of_a_column_is_refused(tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5]}, index=pd.Index(["a", "b"], name="x"))
    frame.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises((ColumnError, DataError), match="x"):
        read_rows(tmp_path / "rows.parquet")


def test_lists_of_texts_are_lists_in_whatever_form_they_come(tmp_path):
    frame = pd.DataFrame({"photo": [["a.jpg", "b.jpg"], None, ["c.jpg"]], "x": [1, 2, 3]})
    frame["deep"] = [[["a"], ["b", "c"]]] * 3
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    ways = [frame, tmp_path / "rows.jsonl", tmp_path / "rows.parquet"]
    ways += [pd.read_parquet(ways[-1]), pa.Table.from_pandas(frame)]
    for data in ways:
        cells = read_rows(data).table.frame
        assert cells["photo"].dropna().tolist() == [["a.jpg", "b.jpg"], ["c.jpg"]]
        assert cells["deep"].tolist() == [[["a"], ["b", "c"]]] * 3


def test_arrays_of_numbers_stay_arrays(tmp_path):
    pd.DataFrame({"v": [[1.0, 2.0], [3.0]]}).to_parquet(tmp_path / "rows.parquet")
    cells = read_rows(tmp_path / "rows.parquet").table.frame["v"]
    assert [type(cell) for cell in cells] == [np.ndarray] * 2
