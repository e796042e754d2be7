"""Settings typed as options are told by their name."""

from __future__ import annotations

import pytest

from mm_core.api.commands import settings


@pytest.mark.parametrize("command", ["fit", "plan"])
@pytest.mark.parametrize("typed", [["--epochs", "2"], ["--epochs=2"]])
def test_a_setting_as_an_option_says_how_it_is_given(folder, mm, command, typed):
    ran = mm(command, folder / "train.csv", "--label", "y", *typed)
    assert ran.code == 2
    assert "--set training.epochs=2" in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("{'a': [1, None], 'b': 'x'}", {"a": [1, None], "b": "x"}),
        ('{"a": true}', {"a": True}),
        ("['a', 2.5]", ["a", 2.5]),
        ("{1: 2.0}", {"1": 2.0}),
        ("{'a', 'b'}", "{'a', 'b'}"),
        ("{a: b}", "{a: b}"),
        ("[x", "[x"),
        ("'a'", "'a'"),
    ],
)
def test_a_value_is_json_or_a_list_or_dict_of_python_or_a_text(typed, value):
    assert settings([f"key={typed}"]) == {"key": value}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--label", "y", "--lr", "0.1"], "--set training.learning_rate=0.1"),
        (["--target", "y"], "--label y"),
        (["--target=y"], "--label y"),
    ],
)
def test_names_of_other_libraries_say_what_they_are_here(folder, mm, typed, meant):
    ran = mm("plan", folder / "train.csv", *typed)
    assert ran.code == 2
    assert meant in " ".join(ran.err.replace("│", " ").split())


def test_a_short_name_is_told_in_full(folder, mm):
    ran = mm("plan", folder / "train.csv", "--label", "y", "--set", "epochs=2")
    assert ran.code == 2
    assert "did you mean 'training.epochs'?" in ran.err


def test_what_is_no_setting_is_an_unknown_option(folder, mm):
    ran = mm("plan", folder / "train.csv", "--label", "y", "--epoxy", "2")
    assert ran.code == 2
    assert "No such option" in ran.err
