"""``mm plugins doctor``, ``new`` and ``schema`` as they are typed."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def crashing(tmp_path):
    """A folder for PYTHONPATH with a plugin that ends the process that imports it."""
    info = tmp_path / "mm_wreck-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mm-wreck\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[mm_core.plugins]\nwreck = mm_wreck\n")
    (tmp_path / "mm_wreck.py").write_text("print('noise')\nimport os\nos._exit(0)\n")
    return tmp_path


def test_doctor_finds_nothing_wrong_here(mm, monkeypatch):
    monkeypatch.setenv("MM_PLUGINS", "image,tabular,text")
    ran = mm("plugins", "doctor")
    assert ran.code == 0
    for name in ("image", "tabular", "text"):
        assert f"{name}  (mm-{name} 0.1.0)" in ran.out
    assert re.search("^core ", ran.out, re.MULTILINE)
    assert ran.out.splitlines()[-1] == "nothing is wrong"
    assert max(map(len, ran.out.splitlines())) <= 80


def test_doctor_outlives_a_plugin_that_ends_every_process(crashing, script):
    env = {"PYTHONPATH": str(crashing), "MM_PLUGINS": "tabular,wreck"}
    ran = script("plugins", "doctor", "--json", env=env)
    assert ran.code == 1, ran.err
    said = json.loads(ran.out)
    assert said["wrong"] == 1
    assert [one["name"] for one in said["plugins"]] == ["core", "tabular", "wreck"]
    (wreck,) = [one for one in said["plugins"] if one["name"] == "wreck"]
    (finding,) = wreck["findings"]
    assert finding["code"] == "crash"
    assert "with exit code 0 while importing its light module mm_wreck" in finding["message"]
    text = script("plugins", "doctor", "wreck", env=env).out
    assert "MM_DISABLE_PLUGINS=wreck" in text
    assert text.splitlines()[-1] == "1 thing wrong: wreck"


def test_doctor_of_an_unknown_plugin_is_a_usage_error(mm):
    ran = mm("plugins", "doctor", "tabulr")
    assert ran.code == 2
    assert "did you mean 'tabular'?" in ran.err


def test_new_says_what_to_type_next(mm, tmp_path):
    folder = tmp_path / "my heads"
    ran = mm("plugins", "new", "fusion", "my-heads", "--out", folder)
    assert ran.code == 0, ran.err
    assert (folder / "mm_my_heads" / "plugin.py").exists()
    *_, install, test, check = ran.out.splitlines()
    assert install == f"  pip install -e '{folder}[test]'"
    assert test == f"  python -m pytest '{folder}'"
    assert check == "  mm plugins check my_heads"


def test_new_helps_with_what_was_mistyped(mm, tmp_path):
    kind = mm("plugins", "new", "fussion", "x", "--out", tmp_path / "x")
    assert kind.code == 2
    assert "did you mean 'fusion'?" in kind.err
    taken = mm("plugins", "new", "fusion", "tabular", "--out", tmp_path / "x")
    assert taken.code == 1
    assert "taken by the plugin of mm-tabular" in taken.err


def test_schema_is_written_or_printed(mm, tmp_path):
    printed = mm("plugins", "schema")
    assert json.loads(printed.out)["$schema"].endswith("draft/2020-12/schema")
    file = tmp_path / "mm.schema.json"
    assert str(file) in mm("plugins", "schema", "--out", file).out
    assert json.loads(file.read_text()) == json.loads(printed.out)
    assert mm("plugins", "schema", "--out", tmp_path).code == 1  # a folder
