"""Training batches: entered anywhere, made by several processes, shared among several."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import BadCell, BadCellError, Batch, Encoded, InputBatch
from mm_core.data.encoded import EncodedFrame
from mm_core.training.batches import TrainBatches


class _Noisy:
    """Rows that are their positions, with noise where the processor may augment."""

    def batch(
        self, encoded: Any, rows: np.ndarray, augment: np.random.Generator | None, targets: Any
    ) -> InputBatch:
        noise = np.zeros(len(rows)) if augment is None else augment.normal(size=len(rows))
        values = np.stack([rows, noise], axis=1)
        broken = rows[np.isin(rows, encoded.arrays["broken"])]
        bad = [BadCell.of(row, "x", int(row), "is broken") for row in broken]
        return InputBatch({"x": values}, np.ones(len(rows), dtype=bool), bad=bad)


def _batches(n_rows=23, batch_size=5, broken=(), workers=0, processor=None, **arguments):
    frame = EncodedFrame(
        {"table": Encoded({"broken": np.array(broken)}, np.ones(n_rows, dtype=bool))},
        n_rows,
        targets={"class": np.arange(n_rows)},
        weight=np.arange(n_rows, dtype=np.float32),
    )
    settings = {"seed": 3, "augment": True} | arguments
    batches = TrainBatches({"table": processor or _Noisy()}, frame, batch_size, **settings)
    return batches.with_workers(workers)


def _made(batches):
    """(rows with their noise, targets, weights) of each batch."""
    return [
        (
            batch.inputs["table"]["x"].tolist(),
            batch.targets["class"].tolist(),
            batch.weight.tolist(),
        )
        for batch in batches
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_entered_at_any_batch(workers):
    batches = _batches(workers=workers)
    batches.set_epoch(4)
    whole = _made(batches)
    assert len(whole) == len(batches) == 5
    assert sorted(row for _, rows, _ in whole for row in rows) == list(range(23))
    for start in (1, 4, 5):
        batches.set_epoch(4, start)
        assert _made(batches) == whole[start:]


def test_epochs_and_seeds_differ_and_repeat():
    batches, found = _batches(), {}
    for epoch in (0, 1, 0, 1):
        batches.set_epoch(epoch)
        made = _made(batches)
        assert found.setdefault(epoch, made) == made
    assert found[0] != found[1]
    other = _batches(seed=4)
    assert _made(other) != found[0]


def test_rows_left_over_join_the_last_batch():
    assert [len(rows) for _, rows, _ in _made(_batches(n_rows=21))] == [5, 5, 5, 6]
    assert [len(rows) for _, rows, _ in _made(_batches(n_rows=22))] == [5, 5, 5, 5, 2]
    assert [len(rows) for _, rows, _ in _made(_batches(n_rows=1))] == [1]


@pytest.mark.parametrize("n_rows", [21, 22, 23, 24])
def test_the_shares_of_two_processes_are_the_whole_batch(n_rows):
    plain = _batches(n_rows=n_rows, augment=False).shard(0, 1)
    shares = [_batches(n_rows=n_rows, augment=False).shard(rank, 2) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1])
    for mine, yours in zip(*map(_made, shares), strict=True):
        assert min(len(mine[1]), len(yours[1])) >= 2  # batch normalisation needs two
        assert abs(len(mine[1]) - len(yours[1])) <= 1
    rows = [sorted(a[1] + b[1]) for a, b in zip(*map(_made, shares), strict=True)]
    if n_rows > 23:  # else the last batch is too small for two, and the former takes it up
        assert rows == [sorted(made[1]) for made in _made(plain)]
    assert sorted(row for batch in rows for row in batch) == list(range(n_rows))


def test_every_row_is_augmented_in_its_own_way():
    noise = [one for rows, _, _ in _made(_batches()) for _, one in rows]
    assert len(set(noise)) == 23


def test_processes_draw_differently():
    noise = [
        [one for rows, _, _ in _made(_batches().shard(rank, 2)) for _, one in rows]
        for rank in (0, 1)
    ]
    assert not set(noise[0]) & set(noise[1])


class _Where(_Noisy):
    """Rows with the process and the thread that made them."""

    def batch(self, encoded, rows, augment, targets):
        made = super().batch(encoded, rows, augment, targets)
        where = [os.getpid(), threading.current_thread() is threading.main_thread()]
        return replace(made, arrays=made.arrays | {"where": np.tile(where, (len(rows), 1))})


def _makers(batches):
    return {tuple(one) for batch in batches for one in batch.inputs["table"]["where"].tolist()}


def test_workers_live_through_all_epochs_and_end_when_they_are_let_go():
    batches = _batches(workers=2, processor=_Where())
    makers = []
    for epoch in (0, 1, 2):
        batches.set_epoch(epoch)
        makers.append(_makers(batches))
    assert len(makers[0]) == 2
    assert makers[0] == makers[1] == makers[2]
    assert os.getpid() not in {process for process, _ in makers[0]}
    batches.close()
    assert not multiprocessing.active_children()


def test_an_epoch_that_is_left_early_does_not_disturb_the_next():
    batches = _batches(workers=2)
    batches.set_epoch(1)
    next(iter(batches))
    batches.set_epoch(2)
    fresh = _batches()
    fresh.set_epoch(2)
    assert _made(batches) == _made(fresh)
    batches.close()


def test_a_thread_makes_the_same_batches_ahead():
    batches = _batches(processor=_Where()).with_workers(0, threads=1)
    assert _makers(batches) == {(os.getpid(), 0)}
    assert _made(batches) == _made(_batches())
    with pytest.raises(BadCellError, match="is broken"):
        list(_batches(broken=(3, 20)).with_workers(0, threads=1))


def test_what_a_thread_makes_for_a_gpu_lies_in_pinned_memory(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(Batch, "pin_memory", lambda self: pinned.append(len(self)) or self)
    list(_batches().with_workers(0, threads=1))
    assert pinned == [5, 5, 5, 5, 3]


def test_workers_make_the_same_batches():
    assert _made(_batches(workers=2)) == _made(_batches(workers=0))


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_cells_are_all_told(workers):
    batches = _batches(broken=(2, 11, 17), workers=workers)
    with pytest.raises(BadCellError) as caught:
        _made(batches)
    assert [cell.row for cell in caught.value.cells] == [2, 11, 17]
    batches.mask_bad()
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        assert len(_made(batches)) == 5
    assert sorted(cell.row for cell in batches.bad) == [2, 11, 17]


def test_a_fit_with_workers_ends_with_the_same_weights(small_table, fit_table):
    one, two = (
        fit_table(small_table, hyperparameters={"training.workers": workers})
        .predict_proba(small_table)
        .to_numpy()
        for workers in (0, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_broken_pictures_found_by_workers(table_maker, tmp_path):
    frame = table_maker(30, tmp_path, seed=3)[["picture", "liked"]]
    for row in (4, 9):
        (tmp_path / frame["picture"][row]).write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    settings = {
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
        "training.epochs": 1,
        "training.workers": 2,
        "training.batch_size": 8,
    }
    predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
    columns = {"picture": "image"}
    tuning = frame.drop(index=[4, 9])
    with pytest.raises(BadCellError) as caught:
        predictor.fit(frame, tuning_data=tuning, column_types=columns)
    assert sorted(cell.row for cell in caught.value.cells) == [4, 9]
    with pytest.warns(UserWarning, match=r"2 cells|row"):
        predictor.fit(frame, tuning_data=tuning, column_types=columns, on_error="missing")
    assert predictor.predict(tuning).notna().all()
