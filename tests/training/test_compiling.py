"""``training.compile``: the same numbers, from stages that were compiled for training alone.

torch's backend "eager" stands for its own, which takes minutes to compile a small network.
"""

from __future__ import annotations

import pytest
import torch

from mm_core.api import ConfigError
from mm_core.training.loop.stages import called_stages

SETTINGS = {
    "backbones.tabular.id": "tabular:ft_transformer",
    "training.epochs": 1,
    "training.batch_size": 16,
}


@pytest.fixture
def compiled(monkeypatch):
    """The functions that were compiled."""
    seen = []
    compile_ = torch.compile

    def quick(function):
        seen.append(function)
        return compile_(function, backend="eager")

    monkeypatch.setattr(torch, "compile", quick)
    yield seen
    torch.compiler.reset()


@pytest.mark.parametrize("recomputed", [False, True])
def test_a_compiled_fit_gives_the_same_numbers(small_table, fit_table, compiled, recomputed):
    settings = SETTINGS | {"training.gradient_checkpointing": recomputed}
    plain = fit_table(small_table, hyperparameters=settings)
    assert not compiled  # off, unless it is asked for
    fast = fit_table(small_table, hyperparameters=settings | {"training.compile": True})
    stages = called_stages(fast._model.topology)
    assert len(compiled) == 1 + len(stages)  # one to see whether it works
    assert fast.history["loss"].tolist() == pytest.approx(plain.history["loss"].tolist(), rel=1e-4)
    assert not any("forward" in vars(stage) for stage in stages)


def test_where_nothing_can_be_compiled_the_fit_says_so(small_table, fit_table, monkeypatch):
    def broken(function):
        raise RuntimeError("no compiler\nand a long report")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ConfigError, match=r"training\.compile.*no compiler\n") as caught:
        fit_table(small_table, hyperparameters=SETTINGS | {"training.compile": True})
    assert "training.compile=false" in caught.value.remedy
