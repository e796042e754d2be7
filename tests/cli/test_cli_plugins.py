"""``mm plugins``, ``mm presets``: complete, light, and untroubled by broken plugins."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

NOISY = """
from mm_core.api import BackboneSpec, CheckpointCard, PluginInfo, PresetSpec, hookimpl

print("noise on standard output")


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Makes noise.")


@hookimpl
def mm_backbones():
    card = CheckpointCard(
        name="loud", summary="Very loud.", parameters=22_700_000, license="MIT", reference="arxiv:1"
    )
    return [
        BackboneSpec(
            name="drum", target="noisy:Drum", config="mm_core.builtin.configs:ConcatMLPConfig",
            summary="Beats.", modalities=("tabular",), cards=(card,),
        ),
        BackboneSpec(
            name="flute", target="noisy:Flute", config="noisy:Missing", summary="Whistles.",
            modalities=("tabular",),
        ),
    ]


@hookimpl
def mm_presets():
    return [
        PresetSpec(
            name="loud_quality", summary="At full volume.", components=("noisy:drum",),
            values={"dropout": 0.5},
        )
    ]
"""


@pytest.fixture
def noisy(tmp_path):
    file = tmp_path / "noisy.py"
    file.write_text(NOISY)
    return file


@pytest.fixture
def broken(tmp_path):
    """A folder for PYTHONPATH with an installed distribution whose plugin cannot be imported."""
    info = tmp_path / "mm_wreck-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mm-wreck\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[mm_core.plugins]\nwreck = mm_wreck.plugin\n")
    return tmp_path


def test_list_names_plugins_and_components_by_kind(mm):
    said = json.loads(mm("plugins", "list", "--json").out)
    plugins = {plugin["name"]: plugin for plugin in said["plugins"]}
    assert plugins["tabular"]["distribution"] == "mm-tabular"
    assert plugins["tabular"]["components"]["backbone"] == [
        "ft_transformer",
        "mlp",
        "realmlp",
        "tabm",
    ]
    assert "binary" in plugins["core"]["components"]["task"]
    assert said["problems"] == []
    lines = mm("plugins", "list").out.splitlines()
    assert "  backbone   ft_transformer, mlp, realmlp, tabm" in lines
    assert max(map(len, lines)) <= 80


def test_broken_plugins_are_reported_and_break_nothing(broken, script):
    env = {"PYTHONPATH": str(broken)}
    listed = script("plugins", "list", "--json", env=env)
    assert listed.code == 0, listed.err
    said = json.loads(listed.out)
    assert "tabular" in {plugin["name"] for plugin in said["plugins"]}
    [problem] = said["problems"]
    assert problem["name"] == "wreck"
    assert problem["version"] == "1.2"
    assert "No module named 'mm_wreck'" in problem["error"]
    assert "MM_DISABLE_PLUGINS=wreck" in problem["remedy"]
    shown = script("plugins", "show", "wreck", env=env)
    assert shown.code == 0
    assert "No module named" in shown.out


def test_what_plugins_print_never_mixes_with_the_answer(noisy, mm):
    ran = mm("plugins", "list", "--plugin", noisy, "--json")
    assert "noisy" in {plugin["name"] for plugin in json.loads(ran.out)["plugins"]}
    assert "noise on standard output" in ran.err


def test_show_gives_settings_checkpoints_and_problems(noisy, mm):
    said = json.loads(mm("plugins", "show", "noisy", "--plugin", noisy, "--json").out)
    parts = {part["id"]: part for part in said["components"]}
    assert parts["noisy:drum"]["cards"][0]["name"] == "loud"
    for setting in parts["noisy:drum"]["settings"].values():
        assert setting.keys() == {"type", "default", "required", "description"}
        assert setting["description"]
    assert "'noisy:Missing' cannot be imported" in parts["noisy:flute"]["problem"]
    text = mm("plugins", "show", "noisy", "--plugin", noisy).out
    assert "checkpoint loud: Very loud. (22.7M parameters, MIT, arxiv:1)" in text
    assert "problem: noisy:flute: config 'noisy:Missing' cannot be imported" in text


def test_show_takes_a_component(mm):
    said = json.loads(mm("plugins", "show", "tabular:mlp", "--json").out)
    assert [part["id"] for part in said["components"]] == ["tabular:mlp"]
    assert said["components"][0]["settings"]["width"]["default"] == 256
    assert said["components"][0]["search_space"]["dropout"] == "uniform(0, 0.4)"
    text = " ".join(mm("plugins", "show", "mlp").out.split())
    assert "width = 256" in text
    assert "width = choice(128, 256, 512)" in text


def test_show_helps_with_unknown_names(mm, far):
    near = mm("plugins", "show", "tabulr")
    assert near.code == 2
    assert "did you mean 'tabular'?" in near.err
    assert "pip install mm-far" in mm("plugins", "show", "far").err
    assert "pip install mm-far" in mm("plugins", "show", "tensor_train").err


def test_presets_show_what_they_set(noisy, mm):
    said = json.loads(mm("presets", "--plugin", noisy, "--json").out)
    assert [name for name, preset in said.items() if preset["default"]] == ["high_quality"]
    assert said["loud_quality"]["parts"] == [
        {
            "plugin": "noisy",
            "summary": "At full volume.",
            "components": ["noisy:drum"],
            "values": {"dropout": 0.5},
        }
    ]
    text = mm("presets", "--plugin", noisy).out
    assert "high_quality (default)" in text
    assert "  noisy:drum: At full volume.\n    dropout = 0.5" in text


def test_a_plugin_asked_for_must_load(folder, mm, tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("import no_such_module")
    ran = mm("plan", folder / "train.csv", "--label", "y", "--plugin", file)
    assert ran.code == 1
    assert "No module named 'no_such_module'" in ran.err


def test_a_broken_installed_plugin_is_noted_where_it_may_matter(broken, folder, script):
    env = {"PYTHONPATH": str(broken)}
    ran = script("plan", folder / "train.csv", "--label", "y", env=env)
    assert ran.code == 0
    assert "note: not used: plugin 'wreck' (mm-wreck 1.2)" in ran.err


LIGHT = [["--help"], ["plugins", "list"], ["plugins", "show", "tabular"], ["presets", "--json"]]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_looking_around_imports_nothing_heavy(arguments):
    assert _imported(arguments, ["torch", "pandas", "numpy", "transformers", "lightning"]) == []


def test_help_imports_nothing_heavy_though_it_lists_what_plugins_bring():
    heavy = ["torch", "pandas", "numpy", "transformers", "lightning", "timm", "pyarrow"]
    assert _imported(["--help"], heavy) == []


def test_the_version_does_not_even_read_the_plugins():
    assert _imported(["--version"], ["mm_core.plugins", "mm_core.api"]) == []


def test_inspect_imports_no_torch(model):
    assert _imported(["inspect", str(model)], ["torch", "transformers", "lightning"]) == []


def _imported(arguments: list[str], names: list[str]) -> list[str]:
    """Those of ``names`` that ``mm`` with these arguments has imported when it is done."""
    code = (
        "import sys\n"
        "from mm_core.cli import main\n"
        f"sys.argv = ['mm', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('found:', *(name for name in {names!r} if name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()[-1].split()[1:]
