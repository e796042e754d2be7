"""What the search does while Ray's processes end, wait or leave: Ray is played, by a script."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mm_tune import on_ray
from mm_tune.executors import Work
from mm_tune.objective import Outcome
from mm_tune.on_ray import Ray
from mm_tune.study import Study

from mm_core.api import MMWarning, Search

RATE = "rate"


class RayError(Exception):
    """A process of Ray ended."""


class RayTaskError(RayError):
    """What ran in it raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Played:
    """As much of Ray as the loop uses. A task does what ``plays(number, times)`` gives: an outcome,
    an error to be raised, or None: it never ends. Each has a process, but those in ``waiting``.
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(
            NodeAffinitySchedulingStrategy=lambda node, soft: node
        )
    )

    def __init__(self, plays: Callable[[int, int], Any], cpus: float = 2, gpus: float = 0) -> None:
        self.plays, self.cpus, self.gpus = plays, cpus, gpus
        self.waiting: set[int] = set()
        self.times: dict[int, int] = {}
        self.until: list[float | None] = []
        self.most = self.under_way = 0
        self.cancelled: list[int] = []
        self.needs: list[tuple[float, float]] = []
        self.mailbox: Any = None

    def put(self, value: Any) -> Any:
        return value

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": self.cpus > 0, "Resources": {"CPU": self.cpus, "GPU": self.gpus}}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": self.gpus}

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def remote(self, what: Any) -> Any:
        start = self._actor if isinstance(what, type) else self._task
        return SimpleNamespace(options=lambda **asked: SimpleNamespace(remote=start(what, asked)))

    def _actor(self, what: Any, asked: Any) -> Any:
        def begin() -> Any:
            self.mailbox = one = what()

            def called(name: str) -> Any:
                return SimpleNamespace(remote=lambda *given: _Task(0, _said(one, name, given)))

            return SimpleNamespace(take=called("take"), prune=called("prune"))

        return begin

    def _task(self, what: Any, asked: Any) -> Any:
        def begin(objective: Any, settings: Any, number: int, until: Any, *more: Any) -> Any:
            self.until.append(until)
            self.needs.append((asked["num_cpus"], asked["num_gpus"]))
            self.times[number] = self.times.get(number, 0) + 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            if number not in self.waiting:
                self.mailbox.begin(number)
            return _Task(number, self.plays(number, self.times[number]))

        return begin

    def wait(self, tasks: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        time.sleep(0.002)
        done = [one for one in tasks if one.does is not None and one.number not in self.waiting]
        self.under_way -= len(done)
        return done, []

    def get(self, task: Any, timeout: float | None = None) -> Any:
        if isinstance(task.does, Exception):
            raise task.does
        return task.does

    def cancel(self, task: Any, force: bool) -> None:
        self.cancelled.append(task.number)


class _Task:
    def __init__(self, number: int, does: Any) -> None:
        self.number, self.does = number, does


def _said(actor: Any, name: str, given: Any) -> Any:
    try:
        return getattr(actor, name)(*given)
    except RayError as error:
        return error


def run(played: Played, monkeypatch: pytest.MonkeyPatch, trials: int = 4, **more: Any) -> Any:
    """The study, and what was told, of a search on it."""
    monkeypatch.setattr(on_ray, "POLL", 0.002)
    lines: list[str] = []
    study = Study({RATE: Search(0, 1)}, {RATE: 0.5}, True, {}, None, prune=True)
    study.draws_by("random", 0, several=True)
    seconds = more.pop("seconds", None)
    deadline = None if seconds is None else time.monotonic() + seconds
    asked = Ray(**more)
    work = Work(study, object(), trials, deadline, True, True, lines.append)  # type: ignore[arg-type]
    needs = {"CPU": asked.cpus_per_trial, "GPU": asked._gpus(played, work)}
    on_ray._Loop(played, work, needs, asked.max_concurrent).run()
    return study.frame({}), lines


def good(number: int, times: int) -> Outcome:
    return Outcome("done", 0.5 + number / 100, 1.0)


def test_as_many_at_once_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also shares of a core, of which ten are one."""
    for more, most in (({}, 2), ({"cpus_per_trial": 0.1}, 8), ({"max_concurrent": 1}, 1)):
        played = Played(good)
        frame, lines = run(played, monkeypatch, trials=8, **more)
        assert list(frame.state) == ["done"] * 8
        assert len(lines) == 8
        assert played.most == most
    assert on_ray.room(Played(good, cpus=1), {"CPU": 0.1, "GPU": 0}) == 10


def test_a_network_has_a_gpu_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(good, cpus=8, gpus=2)
    run(played, monkeypatch)
    assert set(played.needs) == {(1, 1.0)}
    assert played.most == 2
    played = Played(good, gpus=2)
    run(played, monkeypatch, gpus_per_trial=0)
    assert set(played.needs) == {(1, 0)}


def test_a_process_that_ends_is_tried_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def plays(number: int, times: int) -> Any:
        dies = number == 1 or (number == 2 and times == 1)
        return RayError("out of memory\nand more") if dies else good(number, times)

    played = Played(plays)
    frame, _ = run(played, monkeypatch)
    assert list(frame.state) == ["done", "failed", "done", "done"]
    assert frame.why[1] == "its process ended twice: RayError: out of memory"
    assert played.times == {0: 1, 1: 2, 2: 2, 3: 1}


def test_an_error_there_is_that_of_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RayTaskError(ModuleNotFoundError("No module named 'mm_tune'"))
    frame, _ = run(Played(lambda number, _: error if number else good(0, 1)), monkeypatch)
    assert list(frame.state) == ["done", "failed", "failed", "failed"]
    assert frame.why[1] == "ModuleNotFoundError: No module named 'mm_tune'"


def test_when_the_time_is_over_what_waits_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what ended its process is not tried again; each is told when to stop."""

    def plays(number: int, times: int) -> Any:
        return good(0, 1) if number == 0 else None

    played = Played(plays)
    played.waiting = {1, 2}
    began = time.time()
    frame, _ = run(played, monkeypatch, seconds=0.2)
    assert list(frame.trial) == [0]
    assert set(played.cancelled) == {1, 2}
    assert all(0 < until - began < 0.3 for until in played.until if until is not None)

    def late(number: int, times: int) -> Any:
        time.sleep(0.3)
        return RayError("gone")

    played = Played(late)
    frame, _ = run(played, monkeypatch, seconds=0.2)
    assert not len(frame)
    assert set(played.times.values()) == {1}


def test_a_cluster_without_room_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a warning, once it has had none for a while; what ended is there."""
    monkeypatch.setattr(on_ray, "PATIENCE", 0.05)

    def plays(number: int, times: int) -> Any:
        played.cpus = 0 if number else 2
        return good(0, 1) if number == 0 else None

    played = Played(plays)
    with pytest.warns(MMWarning, match=r"the search ends early.*no machine of the Ray cluster"):
        frame, _ = run(played, monkeypatch)
    assert list(frame.trial) == [0]
    assert played.cancelled == [1]


def test_without_its_mailbox_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def plays(number: int, times: int) -> Any:
        if number == 2:
            played.mailbox.take = _gone
        return good(number, times)

    def _gone() -> None:
        raise RayError("actor died")

    played = Played(plays)
    frame, lines = run(played, monkeypatch)
    assert list(frame.state) == ["done"] * 4
    assert sum("mailbox" in line for line in lines) == 1


def test_a_trial_that_is_worse_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what others reported at the same epoch."""

    def plays(number: int, times: int) -> Any:
        played.mailbox.report(number, 0, 0.9 if number < 5 else 0.1)
        return good(number, times)

    played = Played(plays, cpus=1)
    run(played, monkeypatch, trials=6)
    assert [played.mailbox.report(number, 1, 0.5) for number in (4, 5)] == [False, True]
