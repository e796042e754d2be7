"""CSV files: a column is what all of its cells are; how the file is written is told or asked."""

from __future__ import annotations

import gzip
import warnings

import numpy as np
import pandas as pd
import pytest

from mm_core import CSVFile
from mm_core.api.errors import ConfigError, DataError, MMWarning
from mm_core.data import chunks, rows
from mm_core.plugins.registry import Registry

REGISTRY = Registry(entry_points=[])


def frame_of(data):
    return rows.read_rows(data, REGISTRY).table.frame


def write(folder, text, name="rows.csv", **encoding):
    path = folder / name
    path.write_text(text, **encoding)
    return path


@pytest.mark.parametrize("at", [0, 3000])
def test_a_leading_zero_anywhere_makes_codes_of_the_column(tmp_path, at):
    cells = [str(number) for number in range(10_000, 14_000)]
    cells[at] = "00501"
    path = write(tmp_path, "zip,n\n" + "".join(f"{cell},1\n" for cell in cells))
    assert frame_of(path)["zip"].tolist() == cells
    parts = [part.table.frame for part in chunks.read_chunks(path, REGISTRY, rows=700)]
    assert [len(part) for part in parts] == [700] * 5 + [500]
    assert pd.concat(parts)["zip"].tolist() == cells


def test_a_leading_zero_behind_a_blank_makes_codes_too(tmp_path):
    assert frame_of(write(tmp_path, "n, zip\n1, 00501\n2, 10001\n"))[" zip"].tolist() == (
        [" 00501", " 10001"]
    )


@pytest.mark.parametrize("word", ["NA", "None", "null", "n/a", "nan"])
def test_missing_words_are_words_among_words_and_missing_among_numbers(tmp_path, word):
    path = write(tmp_path, f"place,n,sure\n{word},1,True\nUS,{word},False\n,3,{word}\n")
    with pytest.warns(MMWarning, match=rf"'place' \(1 of '{word}'\)"):
        frame = frame_of(path)
    assert frame["place"].tolist()[:2] == [word, "US"]
    assert frame["place"].isna().tolist() == [False, False, True]
    np.testing.assert_array_equal(frame["n"], [1.0, np.nan, 3.0])
    assert frame["sure"].tolist()[:2] == [True, False]
    assert frame["sure"].isna().tolist() == [False, False, True]


def test_numbers_are_read_to_their_last_digit_and_whole_ones_stay_whole(tmp_path):
    values = np.random.default_rng(0).normal(size=500) * 1e5
    path = write(
        tmp_path,
        "x,n,big\n" + "".join(f"{v!r}, {i},{2**63 + i}\n" for i, v in enumerate(values.tolist())),
    )
    frame = frame_of(path)
    np.testing.assert_array_equal(frame["x"], values)
    assert frame.dtypes.astype(str).to_dict() == {"x": "float64", "n": "int64", "big": "uint64"}


def test_whole_numbers_beyond_64_bits_stay_texts(tmp_path):
    long = "123456789012345678901234"
    assert frame_of(write(tmp_path, f"x\n1\n{long}\n"))["x"].tolist() == ["1", long]


FORMS = {
    "semicolons, commas": {"sep": ";", "decimal": ","},
    "semicolons, points": {"sep": ";"},
    "tabs, UTF-16": {"sep": "\t", "encoding": "utf-16"},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_file_leaves_no_doubt_about_is_found_and_told(tmp_path, form):
    frame = pd.DataFrame(
        {"size": [1.5, 2.25, 3.0, -4.5], "city": ["Köln", "Bonn", "a, b", None], "n": [1, 2, 3, 4]}
    )
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False, **FORMS[form])
    with pytest.warns(MMWarning, match="is read with separator"):
        read = frame_of(path)
    pd.testing.assert_frame_equal(read, frame)


def test_dots_between_thousands_beside_decimal_commas(tmp_path):
    path = write(tmp_path, "a;b\n1.234,5;1.000\n2,25;12\n")
    with pytest.warns(MMWarning, match="decimal ,"):
        assert frame_of(path).to_dict("list") == {"a": [1234.5, 2.25], "b": [1000.0, 12.0]}


@pytest.mark.parametrize("plain", ["343", "0,5", "1,13", "1300"])
def test_commas_that_may_part_thousands_are_told(tmp_path, plain):
    path = write(tmp_path, f'y,z\n"1,132",1\n{plain!r},2\n'.replace("'", '"'))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        read = frame_of(CSVFile(path, decimal=","))
    assert read["y"][0] == 1.132
    assert [str(one.message) for one in told if "'y' has three digits" in str(one.message)] == (
        [str(told[0].message)] if plain == "343" else []
    )


@pytest.mark.parametrize("point", ["1.25", "0.125"])
def test_a_point_that_parts_no_thousands_speaks_against_decimal_commas(tmp_path, point):
    path = write(tmp_path, f"a;b\n1,5;{point}\n2,5;1.125\n")
    with pytest.warns(MMWarning, match="separator ;"):
        assert frame_of(path)["a"].tolist() == ["1,5", "2,5"]


def test_a_text_with_semicolons_is_one_column(tmp_path):
    path = write(tmp_path, "text;note\none; two; three\nfour\n")
    assert list(frame_of(path)) == ["text;note"]


def test_options_say_what_cannot_be_found(tmp_path):
    path = write(tmp_path, 'größe,n\n"1,5",1\n"2,5",2\n', encoding="cp1252")
    with pytest.raises(DataError, match=r"not in utf-8 .*\n.*encoding=cp1252"):
        frame_of(path)
    read = frame_of(CSVFile(path, encoding="cp1252", decimal=","))
    assert read.to_dict("list") == {"größe": [1.5, 2.5], "n": [1.0, 2.0]}
    odd = write(tmp_path, "a#b\n1#2\n", "rows.txt")
    assert frame_of(CSVFile(odd, separator="#")).to_dict("list") == {"a": [1], "b": [2]}


def test_options_that_mean_nothing_are_refused(tmp_path):
    path = write(tmp_path, "a\n1\n")
    with pytest.raises(ConfigError, match="no encoding 'cp12525'"):
        frame_of(CSVFile(path, encoding="cp12525"))
    with pytest.raises(ConfigError, match="decimal"):
        CSVFile(path, decimal=";")
    with pytest.raises(ConfigError, match="separator"):
        CSVFile(path, separator="")
    with pytest.raises(DataError, match="no CSV file"):
        frame_of(CSVFile(write(tmp_path, "", "rows.parquet"), separator=";"))


def test_packed_files_are_read(tmp_path):
    path = tmp_path / "rows.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("a,b\n1,x\n2,y\n")
    assert frame_of(path).to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    parts = [part.table.frame for part in chunks.read_chunks(path, REGISTRY, rows=1)]
    assert [part.to_dict("list") for part in parts] == [
        {"a": [1], "b": ["x"]},
        {"a": [2], "b": ["y"]},
    ]


def test_short_rows_and_unnamed_columns_are_read_as_ever(tmp_path):
    frame = frame_of(write(tmp_path, ",a,b\n0,1,x\n1,2\n"))
    assert list(frame) == ["Unnamed: 0", "a", "b"]
    assert frame["b"].tolist()[0] == "x"
    assert frame["b"].isna().tolist() == [False, True]
