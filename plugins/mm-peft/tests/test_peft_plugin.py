"""What the plugin costs where it is not used."""

from __future__ import annotations

import subprocess
import sys

import pytest


def _imported(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_plugin_is_light():
    loaded = _imported("from mm_peft import plugin, configs\nplugin.mm_adapters()")
    assert not loaded & {"torch", "peft", "transformers", "pandas", "numpy"}


def test_peft_is_imported_only_where_its_layers_are_used():
    assert "peft" not in _imported("import mm_peft.freezing, mm_peft.selection")


@pytest.mark.mm_plugin("peft")
def test_peft_conformance(conformance_check):
    conformance_check()
