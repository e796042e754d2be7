"""What the conformance kit asks of a plugin as a whole: each rule sees its own defect."""

from __future__ import annotations

import pytest

from mm_core.testing.kit import cases

SANE = """
from mm_core.api import Samples

SAMPLES = Samples()

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture", samples="{module}:SAMPLES")


@hookimpl
def mm_fusion_heads():
    return [FusionHeadSpec(name="x", summary="x", target="{module}:Head")]


class Head:
    pass
"""
DEFECTS = {
    "is_light": SANE.replace("SAMPLES = ", "import torch\nSAMPLES = "),
    "has_all_its_targets": SANE.replace("{module}:Head", "{module}:Heat"),
    "is_in_order": SANE + "\n\ndef mm_tasks():\n    return []\n",
    "has_samples_for_all": SANE
    + """

@hookimpl
def mm_tasks():
    return [TaskSpec(name="y", summary="y", target="{module}:Head", default_metric="accuracy")]
""",
}


def _failed(name: str) -> list[str]:
    found = [case for case in cases(name) if case.group == "plugin"]
    assert len(found) == len(DEFECTS)
    return [case.check.name for case in found if not case.outcome().good]


def test_a_sane_plugin(install):
    install("sane", SANE)
    assert _failed("sane") == []


@pytest.mark.parametrize("rule", DEFECTS)
def test_a_defect(rule, install):
    install("ill", DEFECTS[rule])
    assert _failed("ill") == [rule]
