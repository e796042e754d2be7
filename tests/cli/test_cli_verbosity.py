"""How much ``mm fit`` says on its way."""

from __future__ import annotations

import pytest


@pytest.fixture
def train(small_table, tmp_path):
    small_table.to_csv(tmp_path / "train.csv", index=False)
    return tmp_path / "train.csv"


@pytest.mark.parametrize(
    ("options", "lines", "summary"),
    [
        (("-q",), 0, False),
        (("--verbosity", "0"), 0, False),
        (("--verbosity", "1"), 0, True),
        ((), 2, True),
    ],
)
def test_as_much_as_is_asked_for(mm, train, tmp_path, options, lines, summary):
    settings = ("--set", "training.epochs=2", "--out", tmp_path / "model")
    ran = mm("fit", train, "--label", "kind", *settings, *options)
    assert ran.code == 0
    said = ran.err.splitlines()
    assert sum(line.startswith("epoch ") for line in said) == lines
    assert ("best validation" in ran.err) == summary
    assert ("rows  80" in said) == bool(lines)


def test_two_answers_to_how_much_exclude_each_other(mm, train):
    ran = mm("fit", train, "--label", "kind", "-q", "--verbosity", "2")
    assert ran.code == 2
    assert "exclude each other" in ran.err


def test_a_plan_says_how_many_rows_there_are(mm, train):
    assert mm("plan", train, "--label", "kind").out.startswith("rows  80\n")
