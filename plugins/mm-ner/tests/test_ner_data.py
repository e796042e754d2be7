"""Files of other tools are read as they are, written again, and told where they are damaged."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mm_ner.chunks import entities_of, parts_of, tagged
from mm_ner.claims import conll, spans, tokens
from mm_ner.labels import read_entities, write_entities
from mm_ner.readers import read_conll, read_spans, read_tokens
from typer.testing import CliRunner

from mm_core.api import DataError
from mm_core.cli.app import app

WORDS = ["Ann", "Lee", "left", "New", "York", "Rome", "now"]
WANTED = [(0, 7, "PER"), (13, 21, "LOC"), (22, 26, "LOC")]


@pytest.mark.parametrize(
    "tags",
    [
        "B-PER I-PER O B-LOC I-LOC B-LOC O",
        "I-PER I-PER O I-LOC I-LOC B-LOC O",  # IOB1
        "B-PER L-PER O B-LOC L-LOC U-LOC O",  # BILOU
        "B-PER E-PER O B-LOC E-LOC S-LOC O",  # IOBES
        "B-PER E-PER O B-LOC E-LOC I-LOC O",  # damaged: what goes on with nothing begins
    ],
)
def test_all_ways_to_tag_say_the_same(tags: str) -> None:
    """In characters of the words with a space between two."""
    text, found = entities_of(WORDS, [parts_of(one) or ("", "") for one in tags.split()])
    assert text == " ".join(WORDS)
    assert found == WANTED


def test_what_is_written_is_read_again() -> None:
    """Words are cut where an entity ends inside of one; groups may have dashes."""
    text = "Ann\tLee's  un\u00e9 New-York (Rome)"
    entities = [(0, 7, "PER"), (11, 12, "x-y"), (15, 23, "LOC"), (25, 29, "LOC")]
    words, tags = zip(*tagged(text, entities), strict=True)
    assert "".join(words) == "".join(text.split())
    again, found = entities_of(words, [parts_of(one) or ("", "") for one in tags])
    bare = [("".join(text[a:b].split()), group) for a, b, group in entities]
    assert [("".join(again[a:b].split()), group) for a, b, group in found] == bare


def test_a_conll_file_is_rows_of_sentences(tmp_path: Path) -> None:
    """Four columns or two, tabs or spaces, comments, documents, and a word that is a #."""
    file = tmp_path / "train.conll"
    file.write_text(
        "-DOCSTART- -X- -X- O\n\n# id 7\nAnn NNP B-NP I-PER\nleft VBD O O\n\n\n"
        "New York\tB-LOC\r\n#\tO\n-DOCSTART- O\n\n# O\n",
        encoding="utf-8-sig",
    )
    assert conll(file)
    frame = read_conll(file).frame
    assert frame["text"].tolist() == ["Ann left", "New York #", "#"]
    assert [read_entities(one) for one in frame["entities"]] == [
        [(0, 3, "PER")],
        [(0, 8, "LOC")],
        [],
    ]


@pytest.mark.parametrize(
    ("reader", "content", "said"),
    [
        (read_conll, "Ann B-PER\nleft\n", "line 2 .* has one column"),
        (read_conll, "Ann B-PER\n\nleft X\n", "line 3 .* ends with 'X'"),
        (read_conll, "Ann B-\n", "line 1 .* ends with 'B-'"),
        (read_conll, "\n\n", "has no row"),
        (read_tokens, '{"tokens": ["a"], "ner_tags": []}', "line 1 .* 1 tokens and 0 tags"),
        (read_tokens, '{"tokens": ["a"], "ner_tags": [3]}', "line 1 .* no texts"),
        (read_tokens, '{"tokens": ["a"], "ner_tags": ["Q-X"]}', "line 1 .* 'Q-X'"),
        (read_tokens, '{"tokens": ["a"], "ner_tags": ["O"]}\n{', "line 2 .* is no JSON"),
        (read_spans, '{"text": "ab", "label": []}\n[]', "line 2 .* no JSON object"),
        (read_spans, '{"text": "ab", "label": [[0, 2]]}', "line 1 .* is no span"),
        (read_spans, '{"text": "ab", "label": [[1, 1, "X"]]}', "line 1 .* has no character"),
        (read_spans, '{"text": "ab", "label": [[0, "1", "X"]]}', "line 1 .* no whole number"),
        (read_spans, '{"text": 3, "label": []}', "line 1 .* lacks text"),
        (read_spans, '{"text": "a", "spans": [], "answer": "reject"}', "line 1 .* not accepted"),
    ],
)
def test_damaged_files_are_told(reader, content: str, said: str, tmp_path: Path) -> None:
    """With the line and the file."""
    file = tmp_path / "rows.jsonl"
    file.write_text("\n\n" if content == "" else content, encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        reader(file)
    assert caught.value.remedy


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    """Latin-1 in place of UTF-8."""
    file = tmp_path / "rows.conll"
    file.write_bytes("Z\u00fcrich B-LOC".encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read"):
        read_conll(file)


def test_a_file_is_claimed_by_its_own_reader(tmp_path: Path) -> None:
    """And a table of our own by none."""
    own = json.dumps({"text": "Rome", "entities": json.loads(write_entities([(0, 4, "L")], True))})
    lines = {
        "tokens": '{"tokens": ["a"], "tags": ["O"]}',
        "doccano": '{"id": 1, "text": "Rome", "label": [[0, 4, "LOC"]]}',
        "prodigy": '{"text": "Rome", "spans": [{"start": 0, "end": 4, "label": "LOC"}]}',
        "relation": '{"text": "Rome", "entities": [{"start_offset": 0, "end_offset": 4, '
        '"label": "LOC", "id": 3}], "relations": []}',
        "own": own,
        "other": '{"text": "Rome", "label": "city"}',
        "list": '{"text": "Rome", "label": ["city"]}',
        # Nothing in the first line says of what the lists are.
        "late list": '{"text": "a", "label": []}\n{"text": "Rome", "label": ["city"]}',
        "late own": '{"text": "a", "entities": []}\n' + own,
        "empty": '{"text": "a", "label": []}',
        "accepted": '{"text": "Rome", "label": "LOC", "spans": [{"start": 0, "end": 4, '
        '"label": "LOC"}]}',
    }
    claims = {}
    for name, line in lines.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text(line + "\n", encoding="utf-8")
        claims[name] = (conll(file), tokens(file), spans(file))
        if claims[name] == (False, False, True):
            (cell,) = read_spans(file).frame["entities"]
            assert read_entities(cell) == [(0, 4, "LOC")]
    by = {name: claim.index(True) if any(claim) else None for name, claim in claims.items()}
    assert by == {
        "tokens": 1,
        "doccano": 2,
        "prodigy": 2,
        "relation": 2,
        "own": None,
        "other": None,
        "list": None,
        "late list": None,
        "late own": None,
        "empty": None,
        "accepted": 2,
    }
    late = tmp_path / "late.jsonl"
    late.write_text('{"text": "a", "label": []}\n{"text": "Rome", "label": [[0, 4, "LOC"]]}\n')
    assert spans(late)
    assert not any(claim(one) for claim in (conll, tokens, spans) for one in (7, "nowhere", None))


def test_convert_goes_both_ways(tmp_path: Path) -> None:
    """CoNLL, CSV and lines of JSON; entities are the same at the end."""
    start = pd.DataFrame(
        {
            "said": ["We had ramen in New York", "Nothing"],
            "entities": [write_entities([(7, 12, "Dish"), (16, 24, "Place")], True), "[]"],
        }
    )
    start.to_csv(tmp_path / "a.csv", index=False)
    way = ["a.csv", "b.conll", "c.jsonl", "d.csv"]
    for source, target in pairwise(way):
        done = run("convert", tmp_path / source, tmp_path / target)
        assert json.loads(done)["entities"] == 2
    for form in ("tokens", "doccano"):
        run("convert", tmp_path / "d.csv", tmp_path / f"{form}.jsonl", "--to", form)
        run("convert", tmp_path / f"{form}.jsonl", tmp_path / "e.csv")
        end = pd.read_csv(tmp_path / "e.csv")
        assert end["text"].tolist() == start["said"].tolist()
        assert end["entities"].tolist() == start["entities"].tolist()


@pytest.mark.parametrize("command", [["check"], ["convert", "b.conll"]])
def test_a_column_of_entities_that_is_not_there_is_told(command: list[str], tmp_path: Path) -> None:
    """Texts without entities would be written in its place."""
    pd.DataFrame({"text": ["Rome"], "places": ["[]"]}).to_csv(tmp_path / "a.csv", index=False)
    name, *target = command
    words = ["ner", name, tmp_path / "a.csv", *(tmp_path / one for one in target)]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code
    assert "no column 'entities'" in done.output
    assert not (tmp_path / "b.conll").exists()


def test_check_lists_what_is_wrong(tmp_path: Path) -> None:
    """By row; and the exit status says so."""
    text = "We had ramen in Rome."
    cells = {
        "good": [(7, 12, "Dish"), (16, 20, "Place")],
        "white space at an end": [(6, 12, "Dish")],
        "begins or ends inside of a word": [(7, 11, "Dish")],
        "beyond its text": [(16, 30, "Place")],
    }
    frame = pd.DataFrame(
        {"text": text, "entities": [write_entities(c, True) for c in cells.values()]}
    )
    frame.loc[4] = [text, "[1]"]
    frame.loc[5] = [text, np.nan]
    frame.to_csv(tmp_path / "a.csv", index=False)
    report = json.loads(run("check", tmp_path / "a.csv", code=1))
    assert report["groups"] == {"Dish": 3, "Place": 2}
    assert {one["row"]: one["what"] for one in report["wrong"]} == {
        **{row: what for row, what in enumerate(cells) if row},
        4: "no list of entities",
        5: "no list of entities",
    }
    assert json.loads(run("check", tmp_path / "a.csv", "--text", "text", code=1)) == report
    frame[:1].to_csv(tmp_path / "b.csv", index=False)
    assert json.loads(run("check", tmp_path / "b.csv"))["wrong"] == []


def run(*words: object, code: int = 0) -> str:
    """What ``mm ner ... --json`` prints."""
    done = CliRunner().invoke(app, ["ner", *map(str, words), "--json"])
    assert done.exit_code == code, done.output
    return done.stdout
