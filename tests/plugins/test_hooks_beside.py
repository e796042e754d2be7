"""The hooks of what stands beside the network, used from outside by one file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import (
    AmbiguousComponentError,
    Batch,
    DataError,
    Engine,
    MMWarning,
    PluginError,
    RunSettings,
    RuntimeSpec,
)
from mm_core.cli.app import app
from mm_core.data.rows import read_rows
from mm_core.plugins.registry import Registry, default_registry
from mm_core.testing.authoring.doctor import examine

BESIDE = Path(__file__).parent / "files" / "beside.py"
QUICK = {"training.epochs": 1, "backbones.tabular.width": 8}

COMMAND = """
from mm_core.api import CommandSpec, PluginInfo, hookimpl

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")

@hookimpl
def mm_commands():
    return [CommandSpec(name="{name}", summary="Do {name}.", target="{target}")]
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """``rows.lines``: what the reader claims."""
    random = np.random.default_rng(0)
    x = random.normal(size=40)
    kind = random.choice(["low", "high"], 40)
    lines = [["id", "x", "kind", "y"]]
    lines += [
        [f"r{i}", round(v, 3), k, "yes" if v > 0 else "no"]
        for i, (v, k) in enumerate(zip(x, kind, strict=True))
    ]
    path = tmp_path / "rows.lines"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def predictor(**given) -> MultiModalPredictor:
    return MultiModalPredictor(
        "y", hyperparameters=QUICK, verbosity=0, plugins=[BESIDE, *given.pop("files", ())], **given
    )


def mm(*arguments, **environ):
    done = CliRunner(env={"COLUMNS": "100", **environ}).invoke(app, [str(one) for one in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def heard(one: MultiModalPredictor) -> list:
    (plugin,) = [p for p in one._registry.plugins if p.name == "beside"]
    return plugin.find("beside:HEARD")


# ---- runtimes ----------------------------------------------------------------------------------


def test_hook_mm_runtimes(tmp_path):
    component = Registry(entry_points=[], local=[BESIDE]).get(RuntimeSpec, "table")
    assert component.id == "beside:table"
    assert issubclass(component.load(), Engine)
    engine = component.load()([[0.0, 1.0]])
    values = engine.write(tmp_path, None, standalone=True)
    again = component.load().read(tmp_path, values, None)
    batch = Batch(inputs={"x": {"code": np.zeros(3, int)}}, present={"x": np.ones(3, bool)})
    assert again.run(batch, None, RunSettings())["logits"].tolist() == [[0.0, 1.0]] * 3


# ---- readers -----------------------------------------------------------------------------------


def test_hook_mm_readers(rows, tmp_path):
    model = predictor()
    assert model.plan(rows).columns.plan("kind").modality == "tabular:tabular"
    model.fit(rows, tuning_data=str(rows))
    answers = model.predict(str(rows))
    assert answers.index.tolist() == [f"r{i}" for i in range(40)]
    assert set(model.evaluate(rows)) == {"roc_auc"}
    model.save(tmp_path / "model")
    out = tmp_path / "pred.csv"
    done = mm("predict", tmp_path / "model", rows, "--plugin", BESIDE, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert pd.read_csv(out)["y"].tolist() == answers.tolist()
    assert pd.read_csv(out)["id"].tolist() == answers.index.tolist()


def test_without_an_index_of_its_own_rows_are_counted(tmp_path):
    path = tmp_path / "rows.lines"
    path.write_text('["a"]\n[5]\n[6]\n')
    found = read_rows(path, Registry(entry_points=[], local=[BESIDE]))
    assert found.index.tolist() == [0, 1]
    assert found.table.folder == tmp_path


FOLDERS = """
from pathlib import Path
import pandas as pd
from mm_core.api import PluginInfo, ReaderSpec, Table, hookimpl

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Folders of classes.")

@hookimpl
def mm_readers():
    return [ReaderSpec(name="folder", summary="A folder of folders.", claims="{stem}:claims",
                       target="{stem}:read", order={order})]

def claims(data):
    return isinstance(data, str | Path) and Path(data).is_dir()

def read(data):
    files = sorted(Path(data).glob("*/*"))
    size = [float(file.stat().st_size) for file in files]
    return Table(pd.DataFrame({{"size": size, "y": [{y} for file in files]}}), Path(data))
"""


def _folders(tmp_path: Path, stem: str, order: int, y: str = "file.parent.name") -> Path:
    file = tmp_path / f"{stem}.py"
    file.write_text(FOLDERS.format(stem=stem, order=order, y=y))
    return file


def test_a_folder_can_be_data_on_the_command_line(tmp_path):
    for name, size in (("big", 900), ("small", 3)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(20):
            (tmp_path / "data" / name / f"{i}.bin").write_bytes(b"x" * (size + i))
    file = _folders(tmp_path, "classes", 50)
    quick = [part for key, value in QUICK.items() for part in ("--set", f"{key}={value}")]
    done = mm(
        *("fit", tmp_path / "data", "--label", "y", *quick, "--plugin", file),
        *("--out", tmp_path / "model", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    scored = mm("evaluate", tmp_path / "model", f"{tmp_path}/data", "--plugin", file, "--json")
    assert json.loads(scored.stdout)["scores"]["roc_auc"] >= 0


def test_readers_are_asked_in_rising_order(tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "1.bin").write_bytes(b"x")
    files = [_folders(tmp_path, "aa", 60, "'late'"), _folders(tmp_path, "bb", 40, "'early'")]
    found = read_rows(tmp_path / "data", Registry(entry_points=[], local=files))
    assert found.table.frame["y"].tolist() == ["early"]


def test_a_reader_that_fails_is_named(tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "1.bin").write_bytes(b"x")
    wrong = _folders(tmp_path, "wrong", 50, "1 / 0")
    with pytest.raises(DataError, match=r"wrong:folder cannot read .*ZeroDivisionError") as caught:
        read_rows(tmp_path / "data", Registry(entry_points=[], local=[wrong]))
    assert caught.value.plugin == "wrong:folder"
    assert caught.value.remedy
    wrong.write_text(wrong.read_text().replace("return Table(", "return list("))
    wrong.write_text(wrong.read_text().replace(", Path(data))", ")"))
    wrong.write_text(wrong.read_text().replace("1 / 0", "0"))
    with pytest.raises(PluginError, match="wrong:folder gives list") as caught:
        read_rows(tmp_path / "data", Registry(entry_points=[], local=[wrong]))
    assert caught.value.plugin == "wrong:folder"


def test_an_error_of_ours_that_a_reader_raises_gets_its_name(tmp_path):
    (tmp_path / "rows.lines").write_text('["a"]\n[1\n')
    with pytest.raises(DataError, match=r"rows\.lines: Expecting") as caught:
        predictor().plan(tmp_path / "rows.lines")
    assert caught.value.plugin == "beside:lines"


def test_a_reader_that_cannot_be_asked_is_passed_over_and_named(tmp_path):
    wrong = _folders(tmp_path, "wrong", 1).read_text()
    (tmp_path / "wrong.py").write_text(wrong.replace("Path(data).is_dir()", "1 / 0"))
    (tmp_path / "rows.lines").write_text('["a"]\n[5]\n')
    registry = Registry(entry_points=[], local=[tmp_path / "wrong.py", BESIDE])
    with pytest.warns(MMWarning, match="wrong:folder cannot tell"):
        assert len(read_rows(tmp_path / "rows.lines", registry)) == 1


def test_what_nobody_claims_is_refused_with_the_readers_that_are_there(tmp_path):
    registry = Registry(entry_points=[], local=[BESIDE])
    for data in (tmp_path, tmp_path / "rows.xyz", 7):
        with pytest.raises(DataError) as caught:
            read_rows(data, registry)
        assert "beside:lines (Files *.lines" in caught.value.remedy


# ---- commands ----------------------------------------------------------------------------------


def test_hook_mm_commands(rows, tmp_path):
    predictor().fit(rows).save(tmp_path / "model")
    said = mm("--plugin", BESIDE, "hello", tmp_path / "model", "--times", 2)
    assert said.exit_code == 0, said.stderr
    assert said.stdout == "hello, core:binary\nhello, core:binary\n"
    said = mm("--plugin", BESIDE, "beside:hello", tmp_path / "model", "--json")
    assert json.loads(said.stdout) == {"hello": "core:binary"}
    wrong = mm("--plugin", BESIDE, "hello", tmp_path / "nothing")
    assert wrong.exit_code == 1
    assert "error: " in wrong.stderr
    assert mm("--plugin", BESIDE, "hello").exit_code == 2
    shown = mm("plugins", "show", "beside:hello", "--plugin", BESIDE, "--json")
    (facts,) = json.loads(shown.stdout)["components"]
    assert facts["summary"] == "Greet a model."
    help_ = mm("--plugin", BESIDE, "--help").stdout
    assert "Greet a model." in help_
    assert "Train a model on a table" in help_


def test_a_command_of_several_is_a_group(tmp_path):
    assert mm("--plugin", BESIDE, "boxes", "draw", 3).stdout == "###\n"
    assert json.loads(mm("--plugin", BESIDE, "boxes", "count", "##", "--json").stdout) == 2
    help_ = mm("--plugin", BESIDE, "boxes", "--help").stdout
    assert "All of boxes." in help_
    assert "Count them." in help_
    wrong = mm("--plugin", BESIDE, "boxes", "paint")
    assert wrong.exit_code == 2
    assert "paint" in wrong.stderr


@pytest.fixture
def installed(install, site):
    """``installed(plugin, command, target)``: a plugin with a command."""
    default_registry.cache_clear()

    def make(plugin, command, target="mmfix_no_such_module:run"):
        (site / f"mmfix_{plugin}_run.py").write_text(
            "from mm_core.api.commands import Answer\n\n\n"
            f"def run():\n    return Answer('{plugin}', '{plugin}')\n\n\n"
            "def rough():\n    return 7\n\n\n"
            "def fails():\n    raise KeyError('x')\n"
        )
        install(plugin, COMMAND.format(name=command, target=target))

    yield make
    default_registry.cache_clear()


def test_a_command_is_listed_without_its_module(installed):
    installed("lost", "wander")
    assert "Do wander." in mm("--help").stdout
    typed = mm("wander")
    assert typed.exit_code == 1
    assert "lost:wander" in typed.stderr
    assert "cannot be imported" in typed.stderr
    assert mm("presets").exit_code == 0


def test_two_plugins_with_one_name_are_told_apart_by_their_ids(installed):
    installed("one", "retell", "mmfix_one_run:run")
    installed("two", "retell", "mmfix_two_run:run")
    both = mm("retell")
    assert both.exit_code == 2
    assert "one:retell, two:retell" in both.stderr
    assert [mm(f"{name}:retell").stdout for name in ("one", "two")] == ["one\n", "two\n"]
    listed = mm("--help").stdout
    assert "one:retell" in listed
    assert "two:retell" in listed


@pytest.mark.parametrize("name", ["fit", "plugins"])
def test_a_name_of_the_core_stays_the_cores(name, installed):
    installed("cuckoo", name, "mmfix_cuckoo_run:run")
    assert f"cuckoo:{name}" in mm("--help").stdout
    assert mm(f"cuckoo:{name}").stdout == "cuckoo\n"
    assert "cuckoo" not in mm(name, "--help").stdout
    (found,) = examine("cuckoo")
    (finding,) = [one for one in found.findings if one.code == "command-name"]
    assert finding.severity == "wrong"
    assert f"mm cuckoo:{name}" in finding.message


def test_whatever_a_command_does_is_told_in_its_name(installed):
    installed("rough", "go", "mmfix_rough_run:rough")
    installed("falls", "slip", "mmfix_falls_run:fails")
    rough, falls = mm("go"), mm("slip")
    assert (rough.exit_code, falls.exit_code) == (1, 1)
    assert "the command rough:go gave int, not an Answer" in rough.stderr
    assert "the command falls:slip failed: KeyError" in falls.stderr
    assert "Traceback" not in falls.stderr
    assert "Traceback" in mm("slip", MM_DEBUG="1").stderr


def test_an_unknown_command_names_what_is_near_and_what_is_broken(installed, install):
    installed("one", "retell", "mmfix_one_run:run")
    install("broken", "raise RuntimeError('not today')")
    said = mm("retel")
    assert said.exit_code == 2
    assert "did you mean 'retell'?" in said.stderr
    assert "not today" in said.stderr
    assert mm("one:retell").stdout == "one\n"


# ---- methods -----------------------------------------------------------------------------------


def test_hook_mm_methods(rows, tmp_path):
    model = predictor()
    assert {"surest"} == {"surest", "scores_of_it", "mean_of_it"} & set(dir(model))
    model.fit(rows).save(tmp_path / "model")
    found = model.surest(rows, top=2)["row"]
    assert found.iloc[0] == model.predict_proba(rows).max(axis=1).idxmax()
    for other in ("scores_of_it", "mean_of_it"):  # of another runtime, of another task
        with pytest.raises(AttributeError, match=other):
            getattr(model, other)
    typed = mm(
        "--plugin", BESIDE, "surest", tmp_path / "model", rows, "--option", "top=2", "--json"
    )
    assert [one["row"] for one in json.loads(typed.stdout)["surest"]] == list(found)
    regression = predictor(problem_type="regression")
    assert "mean_of_it" in dir(regression)


def test_a_method_of_two_plugins_is_refused_with_what_to_do(rows, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(BESIDE.read_text().replace("beside:", "other:"))
    with pytest.raises(AmbiguousComponentError, match="beside:surest, other:surest") as caught:
        _ = predictor(files=[other]).surest
    assert "MM_DISABLE_PLUGINS" in caught.value.remedy


# ---- notes -------------------------------------------------------------------------------------


def test_hook_mm_notes(rows, tmp_path, capsys):
    recipe = predictor().plan(rows)
    (note,) = recipe.notes
    assert (note.text, note.by) == ("40 rows are seen once", "beside:epochs")
    assert "to try: --set training.epochs=5 instead of what is set for training.epochs" in str(
        recipe
    )
    assert note.text in recipe._repr_html_()
    assert "notes" not in json.loads(recipe.to_json())  # no part of what is done
    assert "notes" not in str(predictor().plan(rows, hyperparameters=dict(note.settings)))

    typed = ("--plugin", BESIDE, "plan", rows, "--label", "y", "--set", "training.epochs=1")
    assert "40 rows are seen once  <- beside:epochs" in mm(*typed).stdout
    (told,) = json.loads(mm(*typed, "--json").stdout)["notes"]
    assert told == note.model_dump()

    model = predictor().fit(rows, verbosity=2)
    assert note.text in capsys.readouterr().err
    assert model.recipe == recipe
    assert model.plan(rows).notes == ()  # trained further: its recipe stands already


@pytest.mark.parametrize("gives", ["return [7]", "1 / 0"])
def test_a_note_that_fails_disturbs_no_plan(rows, tmp_path, gives):
    mute = tmp_path / "mute.py"
    text = BESIDE.read_text().replace("beside:", "mute:")
    mute.write_text(text.replace("    rows = f", f"    {gives}\n    rows = f"))
    with pytest.warns(MMWarning, match="mute:epochs failed when it was asked for notes"):
        recipe = predictor(files=[mute]).plan(rows)
    assert [note.by for note in recipe.notes] == ["beside:epochs"]


def test_a_note_cannot_change_the_recipe(rows, tmp_path):
    rude = tmp_path / "rude.py"
    text = BESIDE.read_text().replace("beside:", "rude:")
    change = '    planned.recipe.inputs.clear()\n    planned.recipe.origins["fit.id"] = "me"\n'
    rude.write_text(text.replace("    rows = f", f"{change}    rows = f"))
    recipe = predictor(files=[rude]).plan(rows)
    assert recipe == predictor().plan(rows)
    assert len(recipe.notes) == 2


# ---- life-cycle --------------------------------------------------------------------------------


def test_hook_mm_recipe_ready(rows):
    model = predictor()
    heard(model).clear()
    model.plan(rows)
    assert heard(model) == []
    model.fit(rows)
    assert heard(model)[0] == ("recipe", "core:binary")


def test_hook_mm_fit_end(rows):
    model = predictor()
    heard(model).clear()
    model.fit(rows)
    assert heard(model)[1:] == [("fit", "core:binary", 1)]
    model.fit(rows)
    assert [one[0] for one in heard(model)] == ["recipe", "fit"] * 2


def test_hook_mm_artifact_saved(rows, tmp_path):
    model = predictor(path=tmp_path / "fitted")
    heard(model).clear()
    model.fit(rows)
    model.save(tmp_path / "saved")
    saved = [one for one in heard(model) if one[0] == "saved"]
    assert [one[1] for one in saved] == ["fitted", "saved"]
    assert "mm_model.json" in saved[0][2]


def test_a_listener_that_fails_disturbs_no_fit(rows, tmp_path):
    deaf = tmp_path / "deaf.py"
    deaf.write_text(
        BESIDE.read_text()
        .replace("beside:", "deaf:")
        .replace('HEARD.append(("fit"', '(1 / 0)(("fit"')
    )
    model = predictor(files=[deaf])
    with pytest.warns(MMWarning) as said:
        model.fit(rows)
    (warning,) = [str(one.message) for one in said if "deaf" in str(one.message)]
    assert warning.startswith("deaf:note failed when it was told of fit end")
    assert "ZeroDivisionError" in warning
    assert len(model.predict(rows)) == 40


def test_other_processes_tell_nobody(rows, monkeypatch):
    from mm_core.api import FitEndSpec
    from mm_core.lifecycle import tell

    registry = Registry(entry_points=[], local=[BESIDE])
    (plugin,) = [p for p in registry.plugins if p.name == "beside"]
    told = plugin.find("beside:HEARD")
    told.clear()
    monkeypatch.setenv("RANK", "1")
    tell(registry, FitEndSpec, None, None)
    assert told == []
