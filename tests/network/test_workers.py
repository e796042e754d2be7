"""Processes that make batches: in order, without a rest, and gone when they are let go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from mm_core.api import Batch, ConfigError, MMError
from mm_core.network.workers import Workers


def _batch(key: int) -> tuple[Batch, int]:
    """Large and small arrays of that number; some keys are trouble."""
    if key == 100:
        raise ConfigError("not this one", value=key)
    if key == 101:
        raise _CannotBeSentError(lambda: None)
    if key == 102:
        os.kill(os.getpid(), signal.SIGKILL)
    large = np.full((4, 3, 200, 200), key, np.float32)
    return Batch({"i": {"large": large, "small": np.full(4, key)}}, {"i": np.ones(4, bool)}), key


class _CannotBeSentError(Exception):
    pass


@pytest.fixture
def workers():
    made = Workers(_batch, 3, pinned=False)
    yield made
    made.close()
    assert not multiprocessing.active_children()


def _keys(made) -> list[int]:
    found = []
    for batch, beside in made:
        arrays = batch.inputs["i"]
        assert all(isinstance(array, torch.Tensor) for array in arrays.values())
        assert arrays["large"].unique().tolist() == arrays["small"].unique().tolist() == [beside]
        found.append(beside)
    return found


@pytest.mark.parametrize("count", [0, 1, 2, 7, 20])
def test_batches_come_in_order(workers, count):
    assert _keys(workers.made(range(count))) == list(range(count))


def test_a_pass_left_before_its_end_leaves_nothing_for_the_next(workers):
    first = workers.made(range(30))
    assert [next(first)[1] for _ in range(2)] == [0, 1]
    first.close()
    assert _keys(workers.made(range(50, 61))) == list(range(50, 61))


def test_an_error_comes_as_it_is_where_its_batch_was_to_come(workers):
    made = workers.made([1, 2, 100, 3])
    assert [next(made)[1], next(made)[1]] == [1, 2]
    with pytest.raises(ConfigError, match="not this one") as caught:
        next(made)
    assert caught.value.value == 100
    assert _keys(workers.made([4, 5])) == [4, 5]  # they go on


def test_an_error_that_cannot_be_sent_is_told(workers):
    with pytest.raises(RuntimeError, match="_CannotBeSentError"):
        _keys(workers.made([1, 101]))


def test_a_process_that_is_killed_is_an_error_of_mm(workers):
    with pytest.raises(MMError, match="exit code -9") as caught:
        _keys(workers.made([1, 2, 102]))
    assert "training.workers" in caught.value.remedy


def test_a_process_that_is_killed_with_more_to_do_is_one_too(workers):
    """What it was asked and has not read makes another fault of the system's."""
    with pytest.raises(MMError, match="exit code -9"):
        _keys(workers.made([102, *range(20)]))
    with pytest.raises(MMError, match="exit code -9"):
        _keys(workers.made(range(20)))


def test_they_end_with_the_process_that_asks(tmp_path):
    code = """
import multiprocessing, os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_workers import Workers, _batch
workers = Workers(_batch, 3, pinned=False)
next(workers.made(range(9)))
print(*(one.pid for one in multiprocessing.active_children()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    folder = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    pids = [int(one) for one in done.stdout.split()]
    assert len(pids) == 3
    # their ends of the pipe of standard output are closed too: subprocess.run would still wait
    for pid in pids:
        assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
