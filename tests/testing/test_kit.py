"""Expected failures, mistakes in samples, and what an author sees in pytest and in a terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mm_core.api import ConfigError, PluginLoadError, UnknownComponentError
from mm_core.testing import forked
from mm_core.testing.kit import cases

SOUND = Path(__file__).with_name("files").joinpath("sound.py").read_text()
LONELY = "fusion_head-gate-rows_are_independent"
COUPLED = SOUND.replace(
    "shares = shares.masked_fill(~there, 0.0)\n",
    "shares = shares.masked_fill(~there, 0.0)\n        shares = shares / (1 + shares.mean(0))\n",
)
TRIAL = 'trials=(Trial("backbone", "mean", {"width": 6}),'
NOTED = (
    TRIAL + 'Trial("fusion_head", "gate", xfail={"rows_are_independent": "shares are relative"}),'
)


@pytest.fixture
def plugin(tmp_path):
    """``plugin(text)`` writes the one-file plugin ``sound`` and gives its path."""

    def write(text: str) -> Path:
        file = tmp_path / "sound.py"
        file.write_text(text)
        return file

    return write


def _case(file: Path, name: str):
    return next(case for case in cases("sound", [file]) if case.id == name)


def test_an_expected_failure_is_run_and_shown_with_its_reason(plugin):
    outcome = _case(plugin(COUPLED.replace(TRIAL, NOTED)), LONELY).outcome()
    assert (outcome.result, outcome.message, outcome.good) == (
        "xfailed",
        "shares are relative",
        True,
    )


def test_an_expected_failure_that_passes_is_a_failure(plugin):
    outcome = _case(plugin(SOUND.replace(TRIAL, NOTED)), LONELY).outcome()
    assert (outcome.result, outcome.good) == ("xpassed", False)
    assert "take the xfail out" in outcome.message


@pytest.mark.parametrize("absent", ["no_such_module", "no_such_module.part", "json.no_such_part"])
def test_what_stands_on_an_extra_that_is_not_installed_is_not_tried(plugin, absent):
    extra = f'Trial("fusion_head", "gate", needs=("math", "{absent}")),'
    file = plugin(SOUND.replace(TRIAL, TRIAL + extra))
    outcome = _case(file, LONELY).outcome()
    assert outcome.result == "skipped"
    assert outcome.message.startswith(f"{absent} is not installed")
    assert _case(file, "fusion_head-gate-settings_are_described").outcome().result == "passed"
    there = plugin(SOUND.replace(TRIAL, TRIAL + extra.replace(f', "{absent}"', ",")))
    assert _case(there, LONELY).outcome().result == "passed"


def test_a_check_that_is_not_there_cannot_be_expected_to_fail(plugin):
    misspelt = NOTED.replace("rows_are_independent", "rows_independent")
    with pytest.raises(ConfigError, match="'rows_independent'") as caught:
        cases("sound", [plugin(SOUND.replace(TRIAL, misspelt))])
    assert "rows_are_independent" in caught.value.remedy


def test_a_component_that_is_not_there_cannot_be_tried(plugin):
    with pytest.raises(ConfigError, match="backbone 'median'") as caught:
        cases("sound", [plugin(SOUND.replace('"backbone", "mean", {', '"backbone", "median", {'))])
    assert "backbone mean" in caught.value.remedy


def test_samples_that_are_not_there(plugin):
    with pytest.raises(PluginLoadError, match="'sound:SAMPLE'"):
        cases("sound", [plugin(SOUND.replace("sound:SAMPLES", "sound:SAMPLE"))])


def test_without_samples_the_checks_say_what_to_give(plugin):
    file = plugin(SOUND.replace(', samples="sound:SAMPLES"', ""))
    assert "give a SampleColumn" in _case(file, "processor-split-keeps_every_row").outcome().message
    assert "give a SampleTask" in _case(file, "task-parity-weighs_rows").outcome().message


def test_an_unknown_plugin():
    with pytest.raises(UnknownComponentError) as caught:
        cases("tabula")
    assert caught.value.remedy == "did you mean 'tabular'?"


def _pytest(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    command = ["-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_it.py"]
    return forked.python(command, cwd=folder)


TEST = """
import pytest

@pytest.mark.mm_plugin("sound.py")
def test_conformance(conformance_check):
    if "independent" in conformance_check.id or "shelf" in conformance_check.id:
        conformance_check()
"""


def test_in_pytest_each_check_is_a_test(plugin, tmp_path):
    plugin(COUPLED.replace(TRIAL, NOTED))
    ran = _pytest(tmp_path, TEST)
    assert ran.returncode == 0, ran.stdout
    assert f"XFAIL test_it.py::test_conformance[{LONELY}] - shares are relative" in ran.stdout
    assert "PASSED test_it.py::test_conformance[checkpoint_source-shelf-" in ran.stdout
    plugin(COUPLED)
    ran = _pytest(tmp_path, TEST)
    assert f"FAILED test_it.py::test_conformance[{LONELY}]" in ran.stdout
    assert "alone instead of among 5" in ran.stdout


def test_in_pytest_the_mark_is_asked_for(tmp_path):
    ran = _pytest(tmp_path, "def test_conformance(conformance_check):\n    pass\n")
    assert ran.returncode
    assert '@pytest.mark.mm_plugin("name of the plugin")' in ran.stdout + ran.stderr


def _check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.mm("plugins", "check", *arguments)


def test_in_the_terminal(plugin):
    file = str(plugin(COUPLED))
    ran = _check("sound", "--plugin", file, "--only", "rows_are")
    assert ran.returncode == 1
    lines = ran.stdout.splitlines()
    assert lines[:4] == [
        "backbone mean                    1 of 1 rules kept",
        "fusion_head gate                 0 of 1 rules kept",
        "  FAIL  rows_are_independent",
        "      rule: At prediction a row's answer does not depend on the rows beside it.",
    ]
    assert lines[-1] == "2 passed, 1 failed"
    found = json.loads(_check("sound", "--plugin", file, "--only", "rows_are", "--json").stdout)
    assert found["counts"] == {"passed": 2, "failed": 1}
    assert found["checks"][1]["component"] == "fusion_head gate"


def test_in_the_terminal_expected_failures_are_counted(plugin):
    file = str(plugin(COUPLED.replace(TRIAL, NOTED)))
    ran = _check("sound", "--plugin", file, "--only", "rows_are")
    assert ran.returncode == 0, ran.stderr
    assert "  expected failure  rows_are_independent" in ran.stdout
    assert ran.stdout.endswith("2 passed, 0 failed, 1 failed as expected\n")
