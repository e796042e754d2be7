"""Beside an engine that leaves the CPU, as one on a GPU does: batches made ahead, and halved.

No GPU is needed: the engine says that it is elsewhere, and notes what it is asked for, and when.
"""

from __future__ import annotations

import multiprocessing
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor, making
from mm_core.api import ConfigError, MemoryFullError, MMWarning
from mm_core.network import workers
from mm_core.network.engine import NetworkEngine

pytestmark = pytest.mark.usefixtures("module_on_cpu")


def _rows(n: int) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"x": x, "y": np.where(x > 0, "yes", "no")})


SETTINGS = {"training.epochs": 1, "training.batch_size": 40, "backbones.tabular.width": 8}


@pytest.fixture(scope="module")
def fitted() -> MultiModalPredictor:
    return MultiModalPredictor("y", hyperparameters=SETTINGS, verbosity=0).fit(_rows(100))


class _Elsewhere(NetworkEngine):
    """On the CPU, and says that it is not."""

    leaves_cpu = True

    def __init__(self, topology, precision="32"):
        super().__init__(topology, precision)
        self.prepared: list[tuple[str, int]] = []
        self.run_rows: list[int] = []
        self.most_waiting = 0
        self.expected = 0  # batches: each but the last waits until the next one is made
        self.made = threading.Condition()

    def prepare(self, batch):
        with self.made:
            self.prepared.append((threading.current_thread().name, len(batch)))
            waiting = len(self.prepared) - len(self.run_rows)
            self.most_waiting = max(self.most_waiting, waiting)
            self.made.notify()
        return super().prepare(batch)

    def run(self, batch, options, settings):
        assert threading.current_thread() is threading.main_thread()
        self.run_rows.append(len(batch))
        wanted = min(self.expected, len(self.run_rows) + 1)
        with self.made:
            assert self.made.wait_for(lambda: len(self.prepared) >= wanted, timeout=30)
        return super().run(batch, options, settings)


@pytest.fixture
def elsewhere(fitted, monkeypatch):
    model = fitted._model
    engine = _Elsewhere(model.topology)
    monkeypatch.setattr(model, "engine", engine)
    return engine


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_make_the_next_batches_and_the_answers_are_the_same(
    fitted, monkeypatch, elsewhere, threads
):
    rows = _rows(300)
    made, elsewhere.expected = elsewhere.prepared, 8
    monkeypatch.setattr(making, "cores", lambda: threads + 1)
    monkeypatch.setattr("mm_core.data.ahead.UNNOTICED", 0.0 if threads > 1 else 1e9)
    ahead = fitted.predict_proba(rows)
    assert all(name.startswith("mm-ahead") for name, _ in made)
    assert elsewhere.run_rows == [40] * 7 + [20]
    assert elsewhere.most_waiting <= threads + 1
    monkeypatch.setattr(type(elsewhere), "leaves_cpu", False)
    made.clear()
    elsewhere.expected = 0
    pd.testing.assert_frame_equal(fitted.predict_proba(rows), ahead)
    assert {name for name, _ in made} == {"MainThread"}


@pytest.fixture
def dear(monkeypatch):
    """Rows that are worth processes."""
    monkeypatch.setattr(making, "cores", lambda: 3)
    monkeypatch.setattr(making, "WORTH_PROCESSES", 0.0)
    monkeypatch.setattr("mm_core.data.ahead.UNNOTICED", 0.0)
    monkeypatch.setattr(workers, "SHARED_BYTES", 100)  # x of 40 rows is shared, y is not


def test_processes_make_rows_that_are_dear_and_the_answers_are_the_same(
    fitted, monkeypatch, elsewhere, dear
):
    rows = _rows(300)
    plain = fitted.predict_proba(rows.iloc[:16])
    elsewhere.run_rows.clear()
    elsewhere.prepared.clear()
    torch.manual_seed(3)
    drawn = torch.get_rng_state()
    ahead = fitted.predict_proba(rows)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert elsewhere.run_rows == [40] * 7 + [20]
    assert not elsewhere.prepared  # here: they came as tensors
    assert not multiprocessing.active_children()
    pd.testing.assert_frame_equal(ahead.iloc[:16], plain)


def test_processes_are_for_rows_that_are_dear_and_where_they_are_wanted(
    fitted, monkeypatch, elsewhere, dear
):
    monkeypatch.setattr(making, "WORTH_PROCESSES", 60.0)
    fitted.predict(_rows(300))
    assert len(elsewhere.prepared) == 8  # threads of this process
    elsewhere.prepared.clear()
    monkeypatch.setattr(making, "WORTH_PROCESSES", 0.0)
    monkeypatch.setattr(making, "may_have_children", lambda: False)
    fitted.predict(_rows(300))
    assert len(elsewhere.prepared) == 8


def test_an_error_in_a_process_comes_as_it_is(fitted, elsewhere, dear):
    (processor,) = fitted._model.processors.values()
    read = processor.batch

    def failing(encoded, rows, *given):
        if 250 in rows:
            raise ConfigError("the disk is gone", value=250, remedy="bring it back")
        return read(encoded, rows, *given)

    processor.batch = failing
    try:
        with pytest.raises(ConfigError, match="the disk is gone") as caught:
            fitted.predict(_rows(300))
    finally:
        del processor.batch
    assert (caught.value.value, caught.value.remedy) == (250, "bring it back")
    assert len(elsewhere.run_rows) == 6
    assert not multiprocessing.active_children()


def test_validations_of_a_fit_share_their_processes(fitted, monkeypatch, dear):
    opened, closed = [], []

    class Counted(workers.Workers):
        def __init__(self, make, count, pinned):
            super().__init__(make, count, pinned)
            opened.append(count)

        def close(self):
            closed.append(self)
            super().close()

    monkeypatch.setattr("mm_core.network.engine.Workers", Counted)
    monkeypatch.setattr(NetworkEngine, "leaves_cpu", True)
    settings = SETTINGS | {"training.epochs": 3}
    rows, held_out = _rows(100), _rows(90)
    shared = MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
    shared.fit(rows, tuning_data=held_out)
    assert opened == [2]  # for three validations
    assert closed
    assert not multiprocessing.active_children()
    monkeypatch.setattr(NetworkEngine, "leaves_cpu", False)
    plain = MultiModalPredictor("y", hyperparameters=settings, verbosity=0)
    plain.fit(rows, tuning_data=held_out)
    pd.testing.assert_frame_equal(
        shared.history.drop(columns="seconds"), plain.history.drop(columns="seconds")
    )


def test_few_rows_are_answered_without_a_thread(fitted, elsewhere):
    fitted.predict(_rows(1))
    fitted.predict(_rows(16))
    fitted.predict(_rows(30))  # one batch: there is no next one
    assert {name for name, _ in elsewhere.prepared} == {"MainThread"}


def test_large_rows_come_in_smaller_batches_unless_a_size_is_asked_for(
    fitted, monkeypatch, elsewhere
):
    rows = _rows(80)
    monkeypatch.setattr(making, "LARGE_ROW_BYTES", 1)
    monkeypatch.setattr(making, "LARGE_BATCH_BYTES", 1)
    fitted.predict(rows)
    assert elsewhere.run_rows == [16] * 5
    elsewhere.run_rows.clear()
    fitted.predict(rows, batch_size=50)
    assert elsewhere.run_rows == [50, 30]


def test_a_cell_that_cannot_be_read_is_an_error_where_it_was_read_ahead(fitted, elsewhere):
    (processor,) = fitted._model.processors.values()
    read = processor.batch

    def failing(encoded, rows, *given):
        if 250 in rows:
            raise OSError("the disk is gone")
        return read(encoded, rows, *given)

    processor.batch = failing
    try:
        with pytest.raises(OSError, match="the disk is gone"):
            fitted.predict(_rows(300))
    finally:
        del processor.batch
    assert len(elsewhere.run_rows) == 6  # those before it were answered
    assert not [one for one in threading.enumerate() if one.name.startswith("mm-ahead")]


# ---- memory --------------------------------------------------------------------------------------


@pytest.fixture
def room(monkeypatch):
    """Let a network have memory for so many rows."""

    def has(topology, most):
        tried = []
        encode = type(topology).encode

        def run(self, batch):
            if not self.training:
                tried.append(len(batch))
                if len(batch) > most:
                    raise torch.OutOfMemoryError("CUDA out of memory")
            return encode(self, batch)

        monkeypatch.setattr(type(topology), "encode", run)
        return tried

    return has


def _told(caught) -> list[str]:
    return [str(one.message) for one in caught if "do not fit" in str(one.message)]


def test_a_batch_without_room_is_halved_with_one_warning(fitted, monkeypatch, elsewhere, room):
    rows = _rows(100)
    whole = fitted.predict_proba(rows)
    tried = room(elsewhere.topology, 12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pd.testing.assert_frame_equal(fitted.predict_proba(rows), whole)
        assert tried == [40, 20, *[10] * 10]
        fitted.predict_proba(rows)  # what did not fit is not tried again
        assert fitted.extract_embedding(rows).shape[0] == 100
    (said,) = _told(caught)
    assert "40 rows at once do not fit" in said
    assert "10 at once" in said
    assert max(tried[12:]) == 10


def test_a_row_without_room_is_an_error_of_mm(fitted, elsewhere, room):
    tried = room(elsewhere.topology, 0)
    with pytest.raises(MemoryFullError, match=r"1 row\(s\) at once") as caught:
        fitted.predict(_rows(5))
    assert tried == [5, 2, 1]
    assert caught.value.rows == (0,)
    assert "device='cpu'" in caught.value.remedy
    assert caught.value.__cause__ is None  # torch's error would keep the memory
    with pytest.raises(MemoryFullError):
        fitted.extract_embedding(_rows(1))


def test_validation_is_halved_as_well_once_a_fit(fitted, room):
    room(fitted._model.topology, 15)
    settings = SETTINGS | {"training.epochs": 3}
    with pytest.warns(MMWarning) as caught:
        again = MultiModalPredictor("y", hyperparameters=settings, verbosity=0).fit(
            _rows(200), tuning_data=_rows(60)
        )
    assert len(_told(caught)) == 1
    assert len(again.history) == 3


# ---- precision -----------------------------------------------------------------------------------


def test_a_model_answers_in_the_precision_of_its_training_where_it_is_on_a_gpu(fitted, tmp_path):
    settings = SETTINGS | {"training.precision": "bf16-mixed"}
    half = MultiModalPredictor("y", hyperparameters=settings, verbosity=0).fit(_rows(100))
    again = MultiModalPredictor.load(half.save(tmp_path / "model"))
    for one in (half, again):
        assert one._model.engine.precision == "bf16-mixed"
    assert fitted._model.engine.precision == "32"
    rows = _rows(50)
    on_cpu, full = again.predict_proba(rows), again.predict_proba(rows, precision="32")
    pd.testing.assert_frame_equal(on_cpu, full)
    low = again.predict_proba(rows, precision="bf16-mixed")
    assert 0 < np.abs(low - full).to_numpy().max() < 0.05
