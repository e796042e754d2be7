"""Batches that are too large for the GPU."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn

from mm_core.api import MMWarning, TrainingError
from mm_core.api.nn import Batch
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop import train
from mm_core.training.loop.memory import halved_until_it_fits
from mm_core.training.loop.stages import called_stages


class _Network(nn.Module):
    """Has room for so many rows."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.linear = nn.Linear(3, 1)
        self.norm = nn.BatchNorm1d(3)
        self.dropout = nn.Dropout(0.5)
        self.tried: list[int] = []

    def forward(self, batch: Batch) -> Any:
        self.tried.append(len(batch))
        values = self.dropout(self.norm(batch.inputs["table"]["x"]))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.linear(values)

    def loss(self, outputs: Any, batch: Batch) -> Any:
        return outputs.square().mean()


class _Rows:
    """Batches of so many rows. Draws nothing from torch's generator."""

    def __init__(self, size: int) -> None:
        self.size = size

    def with_batch_size(self, size: int) -> _Rows:
        return _Rows(size)

    def costliest(self) -> Batch:
        rows = torch.linspace(0, 1, self.size * 3).reshape(self.size, 3)
        return Batch({"table": {"x": rows}}, {"table": torch.ones(self.size, dtype=torch.bool)})


def test_halved_and_accumulated_with_one_warning():
    network = _Network(room=9)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    training = TrainingConfig(batch_size=32, accumulate=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batches, accumulate = halved_until_it_fits(network, _Rows(32), training)
    assert (batches.size, accumulate) == (8, 8)
    assert network.tried == [36, 18, 9]  # an eighth more than will be trained on
    (warning,) = [one for one in caught if issubclass(one.category, MMWarning)]
    assert "8 at once, 8 times" in str(warning.message)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("asked", "room", "size", "accumulate"), [(63, 3, 3, 21), (100, 6, 6, 17), (3, 2, 2, 2)]
)
def test_a_step_keeps_about_as_many_rows(asked, room, size, accumulate):
    training = TrainingConfig(batch_size=asked)
    with pytest.warns(MMWarning, match=f"sees {size * accumulate} rows \\({asked} were"):
        batches, found = halved_until_it_fits(_Network(room), _Rows(asked), training)
    assert (batches.size, found) == (size, accumulate)


def test_what_fits_stays_as_it_is():
    training = TrainingConfig(batch_size=32, accumulate=2)
    rows = _Rows(32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert halved_until_it_fits(_Network(room=36), rows, training) == (rows, 2)


def test_not_even_two_rows_fit():
    with pytest.raises(TrainingError, match=r"2 row\(s\)") as caught:
        halved_until_it_fits(_Network(room=1), _Rows(32), TrainingConfig(batch_size=32))
    assert "gradient_checkpointing" in caught.value.remedy


def test_another_error_is_not_a_lack_of_memory():
    class Broken(_Network):
        def loss(self, outputs: Any, batch: Batch) -> Any:
            raise RuntimeError("of the network's own")

    with pytest.raises(RuntimeError, match="own"):
        halved_until_it_fits(Broken(room=36), _Rows(32), TrainingConfig(batch_size=32))


def test_a_batch_is_tried_in_the_precision_of_training_and_without_it_backwards():
    seen = []

    class Noting(_Network):
        def forward(self, batch: Batch) -> Any:
            seen.append(torch.is_autocast_enabled("cpu"))
            outputs = super().forward(batch)
            outputs.register_hook(lambda gradient: seen.append(torch.is_autocast_enabled("cpu")))
            return outputs

    for precision in ("32", "bf16-mixed"):
        training = TrainingConfig(batch_size=32, precision=precision)
        halved_until_it_fits(Noting(room=36), _Rows(32), training)
    assert seen == [False, False, True, False]


@pytest.mark.parametrize("setting", ["gradient_checkpointing", "compile"])
def test_a_batch_is_tried_with_the_stages_that_will_be_trained(
    fit_table, small_table, monkeypatch, setting
):
    """Recomputed, a batch needs less: it is to be halved by what training will need."""
    found = []

    def tried(model: Any, batches: Any, training: Any) -> Any:
        found.extend("forward" in vars(stage) for stage in called_stages(model))
        return batches, training.accumulate

    monkeypatch.setattr(train, "within_memory", tried)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    fit_table(small_table, hyperparameters={f"training.{setting}": True})
    assert found
    assert all(found)
    found.clear()
    fit_table(small_table)
    assert not any(found)
