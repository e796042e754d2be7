"""How batches go to a device, and in which precision it answers. A recording stands for a GPU."""

from __future__ import annotations

import pytest
import torch

from mm_core.api import Batch
from mm_core.api.features import Features, run_present, tell_true, told_true
from mm_core.network import precision
from mm_core.network.precision import usual
from mm_core.network.transfer import on_device

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")


class _Recorded:
    """A tensor that notes what is done to it."""

    def __init__(self, done):
        self.done = done

    def pin_memory(self):
        self.done.append("pinned")
        return self

    def to(self, device, non_blocking=False):
        self.done.append((device, "not waited for" if non_blocking else "waited for"))
        return self


def _batch(value):
    return Batch(inputs={"table": {"x": value}}, present={})


def test_to_a_gpu_from_pinned_memory_and_nobody_waits():
    done = []
    on_device(_batch(_Recorded(done)), GPU)
    assert done == ["pinned", (GPU, "not waited for")]


def test_elsewhere_as_ever():
    done = []
    on_device(_batch(_Recorded(done)), CPU)
    assert done == [(CPU, "waited for")]


@pytest.fixture
def moving(monkeypatch):
    """Moves that make copies, as those to a GPU do."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device, non_blocking=False: self.clone())


def test_what_is_known_of_masks_here_need_not_be_asked_there(moving, monkeypatch):
    masks = {"all": torch.ones(3, dtype=torch.bool), "some": torch.tensor([True, False, True])}
    moved = on_device(Batch(inputs={}, present=masks), GPU)
    assert told_true(moved.present["all"])
    assert not told_true(moved.present["some"])
    assert not told_true(masks["all"])

    class Sum(torch.nn.Module):
        def forward(self, inputs):
            return Features(pooled=inputs["a"]["x"])

    asked = []
    look = torch.Tensor.__bool__
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda self: asked.append(1) or look(self))
    given = {"a": {"x": torch.ones(3, 2)}}
    run_present(Sum(), given, {"a": moved.present["all"]})
    assert not asked
    run_present(Sum(), given, {"a": moved.present["some"]})
    assert asked


def test_a_mask_that_was_told_of_says_so():
    assert told_true(tell_true(torch.ones(2, dtype=torch.bool)))


@pytest.mark.parametrize(
    ("trained", "device", "has_bf16", "found"),
    [
        ("bf16-mixed", GPU, True, "bf16-mixed"),
        ("bf16-mixed", GPU, False, "32"),
        ("bf16-mixed", CPU, True, "32"),
        ("16-mixed", GPU, False, "16-mixed"),
        ("32", GPU, True, "32"),
    ],
)
def test_a_prediction_is_as_precise_as_training_was(monkeypatch, trained, device, has_bf16, found):
    monkeypatch.setattr(precision, "_has_bf16", lambda: has_bf16)
    assert usual(trained, device) == found
