"""Install only what you use: pip with its registry, in environments that share nothing."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_plugin_in_a_clean_environment(
    plugin_name, with_needed, wheel, environment, heavy, reads_cells, tmp_path
):
    venv.create(environment.folder, with_pip=True)
    # What it needs of this repository comes as wheels too: no registry has them yet.
    wheels = [str(wheel(name)) for name in ("core", *with_needed)]
    # Without the network guard of the tests: pip reaches its registry.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = str(environment.folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wheels], check=True, env=plain)

    there = environment.facts()
    assert there["plugins"] == sorted(["core", *with_needed])
    assert there["problems"] == []
    assert there["heavy"] == heavy
    checked = environment.mm("plugins", "check", plugin_name)["checks"]
    assert {one["result"] for one in checked} <= {"passed", "skipped", "xfailed"}
    if reads_cells:
        environment.python(HERE / "fit.py", plugin_name, tmp_path)
        environment.python(HERE / "load.py", tmp_path)
