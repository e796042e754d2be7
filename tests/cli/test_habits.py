"""Settings typed as options are told by their name."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("command", ["fit", "plan"])
@pytest.mark.parametrize("typed", [["--epochs", "2"], ["--epochs=2"]])
def test_a_setting_as_an_option_says_how_it_is_given(folder, mm, command, typed):
    ran = mm(command, folder / "train.csv", "--label", "y", *typed)
    assert ran.code == 2
    assert "--set training.epochs=2" in " ".join(ran.err.replace("│", " ").split())


def test_a_short_name_is_told_in_full(folder, mm):
    ran = mm("plan", folder / "train.csv", "--label", "y", "--set", "epochs=2")
    assert ran.code == 2
    assert "did you mean 'training.epochs'?" in ran.err


def test_what_is_no_setting_is_an_unknown_option(folder, mm):
    ran = mm("plan", folder / "train.csv", "--label", "y", "--epoxy", "2")
    assert ran.code == 2
    assert "No such option" in ran.err
