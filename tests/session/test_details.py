"""A metric that has several numbers: the score, and the others beside it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.cli.app import app

PLUGIN = """
import numpy as np
from mm_core.api import MetricSpec, PluginInfo, hookimpl

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")

@hookimpl
def mm_metrics():
    return [MetricSpec(name="hits", summary="Share of right ones.", target="hits:Hits",
                       needs="labels", higher_is_better=True)]

class Hits:
    def __init__(self):
        self.reset()

    def reset(self):
        self.right = []

    def update(self, truth, answer):
        self.right += (np.asarray(truth) == np.asarray(answer)).tolist()

    def compute(self):
        return float(np.mean(self.right))

    def details(self):
        return {"rows": len(self.right)}
"""


def test_details_stand_after_their_score(small_table, fit_table, tmp_path):
    (tmp_path / "hits.py").write_text(PLUGIN)
    fit_table(small_table).save(tmp_path / "model")
    model = MultiModalPredictor.load(tmp_path / "model", plugins=[tmp_path / "hits.py"])
    scores = model.evaluate(small_table, metrics=["hits", "accuracy"])
    assert list(scores) == ["hits", "hits.rows", "accuracy"]
    assert scores["hits"] == pytest.approx(scores["accuracy"])
    assert scores["hits.rows"] == len(small_table)
    small_table.to_csv(tmp_path / "rows.csv", index=False)
    asked = ["evaluate", "model", "rows.csv", "--metric", "hits", "--plugin", "hits.py", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = CliRunner().invoke(app, asked)
    assert json.loads(done.stdout)["scores"]["hits.rows"] == len(small_table)
