"""``mm export``: whatever exporter is there, and what it says of itself."""

from __future__ import annotations

import json

import pytest

PLUGIN = """
from pathlib import Path
from mm_core.api import Exporter, ExporterSpec, ExportReport, PluginInfo, hookimpl


class Names(Exporter):
    def check(self, model):
        return [] if {takes} else ["it is too old"]

    def export(self, job):
        job.path.mkdir()
        (job.path / "export.json").write_text('{{"anything": 1}}')
        n = 0 if job.sample is None else len(job.sample)
        return ExportReport(job.path, None, None, 0.0, {{"rows": n, "ms": {{"one": 1.5}}}})


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Names.")


@hookimpl
def mm_exporters():
    return [ExporterSpec(name="{name}", summary="Names.", target="{file}:Names")]
"""


@pytest.fixture
def exporter(tmp_path):
    """A one-file plugin with an exporter of that name."""

    def made(name, takes=True):
        file = tmp_path / f"{name}.py"
        file.write_text(PLUGIN.format(name=name, takes=takes, file=name))
        return file

    return made


def test_what_the_exporter_says_is_shown(mm, model, folder, exporter, tmp_path):
    file, out = exporter("names"), tmp_path / "out"
    given = ("--format", "names", "--sample", folder / "test.csv", "--plugin", file)
    ran = mm("export", model, out, *given)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[1:] == ["rows: 40", "ms: one 1.5"]
    ran = mm("export", model, tmp_path / "again", *given, "--json")
    told = json.loads(ran.out)
    assert told["details"] == {"rows": 40, "ms": {"one": 1.5}}
    assert told["max_abs_diff"] is None


def test_without_a_name_the_only_one_that_takes_the_model(
    mm, model, exporter, tmp_path, monkeypatch
):
    monkeypatch.setenv("MM_PLUGINS", "tabular")
    one, two, old = exporter("one"), exporter("two"), exporter("old", takes=False)
    ran = mm("export", model, tmp_path / "a", "--plugin", one, "--plugin", old)
    assert ran.code == 0, ran.err
    ran = mm("export", model, tmp_path / "b", "--plugin", one, "--plugin", two)
    assert ran.code != 0
    assert "one:one, two:two" in ran.err
    ran = mm("export", model, tmp_path / "c", "--plugin", old)
    assert "no exporter takes this model" in ran.err
    ran = mm("export", model, tmp_path / "c", "--plugin", old, "--format", "old")
    assert "too old" in ran.err
