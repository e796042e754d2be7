"""What a user reads after a mistake, and the exit code a script reads: 1 failure, 2 usage."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer

from mm_core.cli.options import column_types, settings


def fails(ran, code: int, *words: str) -> None:
    """The exit code is right, standard output is empty, and the message holds the words."""
    said = " ".join(ran.err.replace("│", " ").split())
    assert ran.code == code, said
    assert ran.out == ""
    assert "Traceback" not in said
    for word in words:
        assert word in said


def test_real_process_exits_with_a_plain_message(script, folder):
    ran = script("plan", "train.csv", "--label", "y", "--set", "trainng.epochs=3", cwd=folder)
    fails(ran, 2, "error: unknown key 'trainng.epochs'", "-> did you mean 'training'?")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, ["--label"]),
        (["--label", "Y"], 1, ["label column 'Y' is not in the data"]),
        (["--label", "y", "--set", "training.epoch=3"], 2, ["did you mean training.epochs?"]),
        (["--label", "y", "--set", "training.epochs=many"], 2, ["training.epochs = 'many'"]),
        (["--label", "y", "--set", "training.epochs"], 2, ["key=value"]),
        (["--label", "y", "--set", "a=1", "--set", "a=2"], 2, ["a is given twice: '1' and '2'"]),
        (["--label", "y", "--preset", "hgh_quality"], 2, ["did you mean 'high_quality'?"]),
        (["--label", "y", "--column-type", "city=categoricl"], 2, ["did you mean 'categorical'?"]),
        (["--label", "y", "--column-type", "town=text"], 1, ["'town', which is not in the data"]),
        (["--label", "y", "--problem-type", "binry"], 2, ["did you mean 'core:binary'?"]),
        (["--label", "y", "--seed", "-1"], 2, ["--seed"]),
        (["--label", "y", "--plugin", "nowhere.py"], 2, ["nowhere.py"]),
        (["--label", "y", "--labl", "z"], 2, ["--labl"]),
    ],
)
def test_plan_refuses(options, code, words, folder, mm):
    ran = mm("plan", folder / "train.csv", *options)
    fails(ran, code, *words)


def test_fit_needs_rows_and_a_label(folder, mm):
    fails(mm("fit", folder / "nope.csv", "--label", "y"), 1, "no file", "-> check the path")
    ran = mm("fit", folder / "train.csv", "--label", "y", "--time-limit", "-1")
    fails(ran, 2, "--time-limit")
    fails(mm("fit", folder / "train.csv"), 2, "name the label column", "or give a --recipe")


def test_a_folder_that_is_no_model_is_refused_before_training(folder, mm):
    ran = mm("fit", folder / "train.csv", "--label", "y", "--out", folder)
    fails(ran, 1, "holds no saved model", "-> give an empty folder or a new name")
    assert "epoch" not in ran.err


def test_a_recipe_and_settings_exclude_each_other(folder, model, mm):
    recipe = model / "recipe.json"
    ran = mm("fit", folder / "train.csv", "--recipe", recipe, "--seed", "3", "--set", "a=1")
    fails(ran, 2, "leave out --set, --seed")
    ran = mm("fit", folder / "train.csv", "--recipe", recipe, "--label", "city")
    fails(ran, 2, "the recipe is for the label y")


def test_predicting_needs_a_model_and_a_known_ending(folder, model, mm, tmp_path):
    fails(mm("predict", tmp_path, folder / "test.csv"), 1, "is no saved model")
    fails(mm("inspect", tmp_path), 1, "is no saved model")
    fails(mm("predict", model, folder / "test.csv", "--out", "x.xls"), 2, ".csv, .parquet, .jsonl")
    fails(mm("embed", model, folder / "test.csv", "--out", "x.csv"), 2, ".npy, .parquet")
    fails(mm("predict", model, folder / "test.csv", "--on-error", "skip"), 2, "--on-error")


def test_unwritable_output_is_said_plainly(folder, model, mm, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "pred.csv"
    fails(mm("predict", model, folder / "test.csv", "--out", out), 1, "cannot write")


def test_evaluate_without_label_or_with_an_unfit_metric(folder, model, mm, tmp_path):
    (tmp_path / "bare.csv").write_text("x,city\n1,ulm\n")
    fails(mm("evaluate", model, tmp_path / "bare.csv"), 1, "label column 'y' is not in the data")
    ran = mm("evaluate", model, folder / "test.csv", "--metric", "rmse")
    fails(ran, 2, "'rmse' is not defined for binary")


def test_traceback_on_demand(mm, tmp_path):
    for ran in (mm("inspect", tmp_path, "-v"), mm("inspect", tmp_path, MM_DEBUG="1")):
        assert ran.code == 1
        assert "Traceback" in ran.err
        assert ran.err.rstrip().endswith("-> give the folder that save(), or mm fit --out, wrote")


def test_an_unexpected_exception_keeps_its_traceback():
    code = (
        "import sys, mm_core.cli, mm_core.cli.catalogue as catalogue\n"
        "catalogue.overview = None\n"
        "sys.argv = ['mm', 'plugins', 'list']\n"
        "mm_core.cli.main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "Traceback (most recent call last)" in ran.stderr
    assert "TypeError: 'NoneType' object is not callable" in ran.stderr


def test_unknown_commands_suggest_the_nearest(mm):
    fails(mm("fitt"), 2, "Did you mean 'fit'?")
    fails(mm("plugins", "lst"), 2, "Did you mean 'list'?")


def test_settings_are_json_or_else_strings():
    given = [
        "a=3",
        "b=0.1",
        "c=true",
        'd=["x", "y"]',
        "e=null",
        "f=text:hf",
        'g="3"',
        "h=a=b",
        "i=",
    ]
    assert settings(given) == {
        "a": 3,
        "b": 0.1,
        "c": True,
        "d": ["x", "y"],
        "e": None,
        "f": "text:hf",
        "g": "3",
        "h": "a=b",
        "i": "",
    }


def test_column_types_split_at_the_last_equals_sign():
    assert column_types(["a=b=numerical"]) == {"a=b": "numerical"}
    with pytest.raises(typer.BadParameter, match="column=kind"):
        column_types(["numerical"])


def test_a_place_that_takes_no_model_is_one_line(model, mm):
    ran = mm("save", model, "--out", "/proc/model")
    assert ran.code == 1
    assert "cannot be saved in '/proc/model'" in ran.err
    assert "save it elsewhere" in " ".join(ran.err.split())


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_signs_that_the_terminal_lacks_are_escaped_and_told(as_json, script, tmp_path):
    rows = "".join(f"{i},{'高い' if i % 2 else 'ö'}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f"größe,y\n{rows}", encoding="utf-8")
    told = {"PYTHONIOENCODING": "ascii"}
    ran = script("plan", "t.csv", "--label", "y", *as_json, cwd=tmp_path, env=told)
    assert ran.code == 0
    assert r"gr\u00f6\u00dfe" in ran.out
    assert "ascii, the encoding of the output, lacks signs" in ran.err
    assert not as_json or json.loads(ran.out)["inputs"]["tabular"]["columns"] == ["größe"]


def test_how_a_csv_is_written_can_be_said(mm, tmp_path):
    rows = "".join(f'"{i},5",{"ja" if i % 2 else "nö"}\n' for i in range(40))
    path = tmp_path / "t.csv"
    path.write_text(f"preis,y\n{rows}", encoding="cp1252")
    fails(mm("plan", path, "--label", "y"), 1, "not in utf-8", "--csv encoding=cp1252")
    asked = ["--label", "y", "--csv", "encoding=cp1252", "--csv", "decimal=,", "--json"]
    plan = json.loads(mm("plan", path, *asked).out)
    assert plan["schema"]["columns"][0]["kind"] == "numerical"
    fails(mm("plan", path, "--label", "y", "--csv", "decimel=,"), 2, "did you mean 'decimal'?")
