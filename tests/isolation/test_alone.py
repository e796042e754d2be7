"""A plugin needs the core and what it declares, and nothing else of this repository."""

from __future__ import annotations

import zipfile
from pathlib import Path

HERE = Path(__file__).parent
TARGETS = """
import sys
from mm_core.testing.kit import cases
of_the_plugin = [case for case in cases(sys.argv[1], []) if case.id.startswith("plugin-")]
assert of_the_plugin
print([case() for case in of_the_plugin])
"""
"""What it names can be imported where nothing else is; its own tests run the whole kit."""


def test_plugin_alone(plugin_name, with_needed, alone, heavy, reads_cells, tmp_path):
    environment = alone(plugin_name)
    there = environment.facts()
    assert there["distributions"] == sorted(["mm-core", *(f"mm-{one}" for one in with_needed)])
    assert sorted(there["entry_points"]) == with_needed
    assert there["plugins"] == sorted(["core", *with_needed])
    assert there["problems"] == []
    assert there["heavy"] == heavy
    assert Path(there["core"]).is_relative_to(environment.site)

    listed = environment.mm("plugins", "list")
    assert {plugin["name"] for plugin in listed["plugins"]} == {"core", *with_needed}
    shown = environment.mm("plugins", "show", plugin_name)
    assert shown["components"]
    assert not [part for part in shown["components"] if part.get("problem")]

    if reads_cells:
        environment.python(HERE / "fit.py", plugin_name, tmp_path)
        environment.python(HERE / "load.py", tmp_path)
    environment.python("-c", TARGETS, plugin_name)


def test_core_alone_says_what_to_install(alone, tmp_path):
    environment = alone("core")
    there = environment.facts()
    assert there["distributions"] == ["mm-core"]
    assert there["plugins"] == ["core"]
    assert there["heavy"] == []
    (tmp_path / "train.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    done = environment.run("mm", "plan", tmp_path / "train.csv", "--label", "y")
    assert done.returncode == 1
    assert "pip install mm-tabular" in done.stderr


def test_tables_alone_say_what_the_other_columns_need(alone, tmp_path):
    rows = "".join(
        f"{i},free text number {i} that only a reader reads,{i % 2}\n" for i in range(60)
    )
    (tmp_path / "train.csv").write_text("x,note,y\n" + rows)
    plan = alone("tabular").mm("plan", tmp_path / "train.csv", "--label", "y")
    columns = {column["name"]: column for column in plan["schema"]["columns"]}
    assert columns["x"]["modality"] == "tabular:tabular"
    assert columns["note"]["modality"] is None
    assert "pip install mm-text" in columns["note"]["reason"]


def test_wheels_hold_their_package_and_nothing_else(plugin_name, wheel):
    package, version = wheel(plugin_name).name.split("-")[:2]
    with zipfile.ZipFile(wheel(plugin_name)) as file:
        tops = {name.split("/")[0] for name in file.namelist()}
    assert package == f"mm_{plugin_name}"
    assert tops == {package, f"{package}-{version}.dist-info"}
