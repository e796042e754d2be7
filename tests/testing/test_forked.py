"""New processes that are forked: what they know, and that they are as started ones are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mm_core.testing import forked

OURS = """
import sys
print(*sorted(name for name in sys.modules if name.partition(".")[0].startswith("mm_")))
print("torch" in sys.modules)
"""


def test_it_knows_libraries_and_nothing_of_ours():
    import mm_core.predictor  # noqa: F401  # known here, and not there

    ours, libraries = forked.python(["-c", OURS]).stdout.splitlines()
    assert ours == ""
    assert libraries == "True"
    assert forked.python(["-c", OURS], libraries=["json", "no_such_library"]).returncode == 0


def test_each_is_new():
    forked.python(["-c", "import mm_core, sys; sys.left_behind = 1"])
    said = forked.python(["-c", "import sys; print(hasattr(sys, 'left_behind'), __name__)"])
    assert said.stdout == "False __main__\n"
    assert "mm_core" not in forked.python(["-c", OURS]).stdout


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("import sys; sys.exit('no good')", 1, "no good\n"),
        ("import os; os._exit(4)", 4, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import sys; print('left', end=''); sys.stderr.write('told')", 0, "told"),
        ("import atexit, sys; atexit.register(sys.stderr.write, 'at last')", 0, "at last"),
    ],
)
def test_it_ends_as_a_process_does(code, status, error):
    done = forked.python(["-c", code])
    assert (done.returncode, done.stderr) == (status, error)


def test_an_error_is_a_traceback():
    done = forked.python(["-c", "1 / 0"])
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_arguments_folder_and_environment_are_its_own(tmp_path):
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    code = "import os, sys, beside; print(sys.argv, os.getcwd(), os.environ['MM_THAT'])"
    environ = {**os.environ, "MM_THAT": "this", "PYTHONPATH": str(tmp_path)}
    done = forked.python(["-c", code, "a", "b"], cwd=Path("/"), env=environ)
    assert done.stdout == "['-c', 'a', 'b'] / this\n"
    module = forked.python(["-m", "beside"], cwd=tmp_path)
    assert (module.returncode, module.stderr) == (0, "")


def test_what_libraries_read_when_imported_asks_for_a_process_from_nothing():
    environ = {**os.environ, "HF_HOME": "/elsewhere"}
    assert forked.python(["-c", OURS], env=environ).stdout.splitlines()[1] == "False"


def test_mm_is_the_command():
    done = forked.mm("inspect", "no such model")
    assert done.returncode in (1, 2)
    assert "error:" in done.stderr
