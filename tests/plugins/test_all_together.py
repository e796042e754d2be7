"""Every way in which a plugin can be wrong, installed at once: the rest keeps working."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import (
    AmbiguousComponentError,
    FusionHeadSpec,
    MMWarning,
    ModalitySpec,
    TaskSpec,
)
from mm_core.cli.app import app
from mm_core.plugins import Registry

TOY = Path(__file__).parent / "files" / "toy.py"

INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")
"""
HEADS = """
@hookimpl
def mm_fusion_heads():
    return [{specs}]
"""
SPEC = "FusionHeadSpec(name='{name}', target='{{module}}_heads:First', summary='x')"
FIRST = """
from mm_core.api.nn import Fused, FusionHead


class First(FusionHead):
    def __init__(self, config, inputs, output_dim):
        super().__init__(config, inputs, output_dim)
        self.name = sorted(inputs)[0]
        self.dim = inputs[self.name]["pooled"]

    def forward(self, features, present):
        pooled = features[self.name].pooled
        return Fused(pooled=pooled.masked_fill(~present[self.name][:, None], 0.0))
"""


def heads(*names: str) -> str:
    """A plugin that offers these fusion heads."""
    return INFO + HEADS.replace("{specs}", ", ".join(SPEC.format(name=name) for name in names))


WORKING = {
    "good": heads("first"),
    "clash": heads("first", "second"),  # a short name that "good" has too
    "slow": "TOTAL = sum(n * n for n in range(2_000_000))\n" + heads("patient"),
    "chatty": "print('noise')\n" + heads("loud"),
}
WRONG = {
    "import": ("import module_that_is_not_there_42", "import failed: ModuleNotFoundError"),
    "hook": (
        heads("half") + "@hookimpl\ndef mm_tasks():\n    raise KeyError('lost')\n",
        "its hook mm_tasks failed: KeyError: 'lost'",
    ),
    "typo": (heads("typed") + "@hookimpl\ndef mm_task():\n    return []\n", "hook 'mm_task'"),
    "wrongtype": (
        INFO + "@hookimpl\ndef mm_tasks():\n    return [{'name': 'x'}]\n",
        "mm_tasks returned {'name': 'x'} in its list, not a list of TaskSpec",
    ),
    "otherspec": (
        heads("x").replace("mm_fusion_heads", "mm_metrics"),
        "not a list of MetricSpec",
    ),
    "future": (
        heads("later").replace("(2, 0)", "(2, 99)"),
        "was written for plugin API 2.99, and this mm-core offers 2.0",
    ),
    "core": (heads("mean"), "a name kept for mm-core itself"),
}


@pytest.fixture
def together(site: Path, install: Callable[..., str]) -> set[str]:
    """All of them; the names of those that are reported."""
    for name, body in WORKING.items():
        module = install(name, body)
        (site / f"{module}_heads.py").write_text(FIRST)
    for name, (body, _) in WRONG.items():
        install(name, body, distribution=f"mm-wrong-{name}")
    install("twin", heads("one"), distribution="mm-twin-a")
    install("twin", heads("two"), distribution="mm-twin-b")
    return {*WRONG, "twin"}


def test_each_is_reported_with_its_cause_and_no_other_is_touched(together: set[str]) -> None:
    registry = Registry()
    assert [problem.name for problem in registry.problems] == sorted(together)
    messages = {problem.name: problem.error.message for problem in registry.problems}
    for name, (_, cause) in WRONG.items():
        assert cause in messages[name]
    assert "mm-twin-a 1.2 and by mm-twin-b 1.2" in messages["twin"]
    assert all(problem.error.remedy for problem in registry.problems)
    plugins = {plugin.name: plugin.distribution for plugin in registry.plugins}
    assert plugins.items() >= {name: f"mm-{name}" for name in WORKING}.items()
    assert plugins["core"] == "mm-core"


def test_look_ups_work_and_find_nothing_of_the_wrong_ones(together: set[str]) -> None:
    registry = Registry()
    ids = {component.id for component in registry.all(FusionHeadSpec)}
    added = {"good:first", "clash:first", "clash:second", "slow:patient", "chatty:loud"}
    assert ids >= added
    assert {one for one in ids if one.split(":")[0] in together - {"core"}} == set()
    assert registry.get(FusionHeadSpec, "patient").id == "slow:patient"
    assert registry.get(FusionHeadSpec, "mean").plugin.distribution == "mm-core"
    assert registry.get(TaskSpec, "binary").id == "core:binary"
    assert registry.get(ModalitySpec, "tabular").id == "tabular:tabular"
    with pytest.raises(AmbiguousComponentError) as caught:
        registry.get(FusionHeadSpec, "first")
    assert caught.value.value == ["clash:first", "good:first"]


def test_the_command_line_lists_them_all(together: set[str]) -> None:
    listed = CliRunner().invoke(app, ["plugins", "list", "--json"])
    assert listed.exit_code == 0
    said = json.loads(listed.stdout)
    assert {problem["name"] for problem in said["problems"]} == together
    assert {plugin["name"] for plugin in said["plugins"]} >= {*WORKING, "tabular", "core"}
    for name in ("slow", "import"):
        assert CliRunner().invoke(app, ["plugins", "show", name]).exit_code == 0


def test_a_model_is_fitted_saved_and_loaded_among_them(together: set[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    north = rng.uniform(-80, 80, 60)
    frame = pd.DataFrame(
        {
            "place": [f"{value:.3f},1.5" for value in north],
            "height": rng.normal(size=60),
            "north": north,
        }
    )
    settings = {"fusion": "good:first", "training.epochs": 1}
    predictor = MultiModalPredictor(
        "north", "sign", hyperparameters=settings, plugins=[TOY], verbosity=0
    )
    with pytest.warns(MMWarning, match="not used: ") as warned:
        predictor.fit(frame)
    assert len([one for one in warned if "not used: " in str(one.message)]) == len(together)
    assert predictor.recipe.fusion is not None
    assert predictor.recipe.fusion.id == "good:first"
    assert set(predictor.recipe.backbones) == {"points", "tabular"}
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"), plugins=[TOY])
    assert again.predict(frame).equals(predictor.predict(frame))
