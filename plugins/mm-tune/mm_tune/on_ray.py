"""Trials side by side on the machines of a Ray cluster. Ray is imported when a search begins."""

from __future__ import annotations

import math
import os
import time as clock
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mm_core.api import ConfigError, MMWarning
from mm_tune.ray_cluster import connected, machines, room
from mm_tune.ray_tasks import Mailbox, run_trial

if TYPE_CHECKING:
    import optuna

    from mm_tune.executors import Work
    from mm_tune.objective import Outcome

POLL = 0.5
"""Seconds between two looks at what trials report."""

LEAST = 0.0001
"""Share of a core that Ray can tell from none."""

PATIENCE = 60
"""Seconds for which a cluster may have no room, and its mailbox no answer."""


@dataclass(frozen=True)
class Ray:
    """Each trial is a task of Ray; this process draws settings and writes scores down.

    Ray carries rows to the machines; pictures and weights that are named by paths are read there,
    by the same paths. Each machine has the same packages.

    Attributes:
        address: as ``ray.init`` takes it: ``"auto"``, the cluster that this machine belongs to;
            ``"HOST:PORT"``; ``"local"``, a cluster of this machine that ends with the search.
            Where this process is connected already, it is that one.
        cpus_per_trial: cores, or a share of one.
        gpus_per_trial: likewise; None: one for a network where the cluster has any, else none.
        max_concurrent: trials at once; None: as many as there is room for.
    """

    address: str = "local"
    cpus_per_trial: float = 1
    gpus_per_trial: float | None = None
    max_concurrent: int | None = None

    several = True

    def __post_init__(self) -> None:
        for name in ("cpus_per_trial", "gpus_per_trial", "max_concurrent"):
            given = getattr(self, name)
            if given is None and name != "cpus_per_trial":
                continue
            kind = int if name == "max_concurrent" else int | float
            if not isinstance(given, kind) or isinstance(given, bool):
                what = "a whole number" if kind is int else "a number"
                raise ConfigError(f"{name}={given!r}", value=given, remedy=f"give {what}: {name}=1")
        gpus = self.gpus_per_trial or 0
        numbers = (self.cpus_per_trial, gpus)
        small = any(not math.isfinite(one) or 0 < one < LEAST for one in numbers)
        low = small or self.cpus_per_trial <= 0 or gpus < 0 or (gpus > 1 and gpus % 1 != 0)
        if low or (self.max_concurrent is not None and self.max_concurrent < 1):
            raise ConfigError(
                f"cpus_per_trial={self.cpus_per_trial}, gpus_per_trial={self.gpus_per_trial}, "
                f"max_concurrent={self.max_concurrent}",
                value=[self.cpus_per_trial, self.gpus_per_trial, self.max_concurrent],
                remedy="cpus above 0; gpus from 0, a share of one or a whole number; at least one "
                "trial at once",
            )

    def run(self, work: Work) -> None:
        """See :class:`mm_tune.executors.Executor`.

        Raises:
            ConfigError: Ray is not installed, there is no such cluster, or no machine of it has
                room for a trial.
        """
        before = clock.monotonic()
        with connected(self.address) as ray:
            work = work.later(clock.monotonic() - before)  # Ray takes its time to begin
            needs = {"CPU": self.cpus_per_trial, "GPU": self._gpus(ray, work)}
            if room(ray, needs) < 1:
                raise _no_room(ray, needs)
            _Loop(ray, work, needs, self.max_concurrent).run()

    def _gpus(self, ray: Any, work: Work) -> float:
        if self.gpus_per_trial is not None:
            return self.gpus_per_trial
        return float(work.network and ray.cluster_resources().get("GPU", 0) >= 1)


@dataclass(frozen=True)
class _Sent:
    """A trial that Ray was given; ``again``: a process ended in it before."""

    trial: optuna.Trial
    again: bool = False


@dataclass
class _Loop:
    ray: Any
    work: Work
    needs: Mapping[str, float]
    max_concurrent: int | None
    sent: dict[Any, _Sent] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.objective = self.ray.put(self.work.objective)
        self.mailbox = self._new_mailbox()

    def run(self) -> None:
        """What raises here leaves trials, which another search with its folder takes up."""
        had_room = clock.monotonic()
        try:
            while True:
                there = room(self.ray, self.needs)
                self._send(there)
                if not (self.sent or self.work.wants(0)):
                    return
                done = self._wait()
                self._read_mailbox()
                for task in done:
                    self._end(task)
                if self.work.is_over:
                    self._leave_what_waits()
                if done or there > 0:
                    had_room = clock.monotonic()
                elif clock.monotonic() - had_room > PATIENCE:
                    _warn_of_no_room(self.ray, self.needs)
                    return
        finally:
            for task in self.sent:
                self.ray.cancel(task, force=True)

    def _wait(self) -> list[Any]:
        """For trials that end, a moment."""
        if not self.sent:
            clock.sleep(POLL)
            return []
        done: list[Any] = self.ray.wait(list(self.sent), timeout=POLL)[0]
        return done

    def _send(self, there: int) -> None:
        """Fill the room that there is."""
        most = min(there, self.max_concurrent or there)
        while len(self.sent) < most and self.work.wants(len(self.sent)):
            self._submit(_Sent(self.work.study.next()))

    def _submit(self, one: _Sent) -> None:
        task = self.ray.remote(run_trial).options(
            num_cpus=self.needs["CPU"], num_gpus=self.needs["GPU"], max_retries=0
        )
        left = self.work.seconds_left
        until = None if left is None else clock.time() + left
        number, settings = one.trial.number, dict(one.trial.params)
        given = (self.objective, settings, number, until, self.work.prune, self.mailbox)
        self.sent[task.remote(*given, os.getcwd())] = one

    def _new_mailbox(self) -> Any:
        """Beside this process: a machine that leaves does not take it along."""
        strategies = self.ray.util.scheduling_strategies
        here = self.ray.get_runtime_context().get_node_id()
        place = strategies.NodeAffinitySchedulingStrategy(here, soft=True)
        return self.ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=place).remote()

    def _read_mailbox(self) -> None:
        """Which trials began, and which are to be given up by what they report."""
        try:
            begun, reports = self.ray.get(self.mailbox.take.remote(), timeout=PATIENCE)
        except self.ray.exceptions.RayError:
            self.work.tell("the mailbox of the search ended: trials under way are not given up")
            self.mailbox = self._new_mailbox()
            return
        self.begun |= set(begun)
        there = {one.trial.number: one.trial for one in self.sent.values()}
        for number, epoch, score in reports:
            if number in there and self.work.study.should_prune(there[number])(epoch, score):
                self.mailbox.prune.remote(number)

    def _end(self, task: Any) -> None:
        one = self.sent.pop(task)
        outcome, died = self._outcome(task)
        if died and not one.again:
            self.begun.discard(one.trial.number)
            if not self.work.is_over:
                self._submit(replace(one, again=True))
        elif outcome is not None:
            self.work.tell(self.work.study.end(one.trial, outcome))

    def _outcome(self, task: Any) -> tuple[Outcome | None, bool]:
        """(what it came to; None: it did not begin, whether its process or machine ended in it)."""
        from mm_tune.objective import Outcome

        errors = self.ray.exceptions
        try:
            return self.ray.get(task), False
        except errors.RayTaskError as error:
            cause = error.cause
            return Outcome("failed", why=f"{type(cause).__name__}: {cause}".strip()), False
        except errors.RayError as error:
            first = str(error).strip().partition("\n")[0]
            why = f"its process ended twice: {type(error).__name__}: {first}"
            return Outcome("failed", why=why), True

    def _leave_what_waits(self) -> None:
        """Trials that have no process when the time is over; those that have stop themselves."""
        for task, one in list(self.sent.items()):
            if one.trial.number not in self.begun:
                self.ray.cancel(task, force=True)
                del self.sent[task]


def _no_room(ray: Any, needs: Mapping[str, float]) -> ConfigError:
    """Ray would wait for a machine that never comes."""
    have = "; ".join(
        f"{one.get('CPU', 0):g} CPU, {one.get('GPU', 0):g} GPU" for one in machines(ray)
    )
    return ConfigError(
        f"no machine of the Ray cluster has room for a trial of {needs['CPU']:g} CPU and "
        f"{needs['GPU']:g} GPU: they have {have}",
        plugin="tune",
        value=dict(needs),
        remedy="ask for less: --cpus-per-trial, --gpus-per-trial",
    )


def _warn_of_no_room(ray: Any, needs: Mapping[str, float]) -> None:
    warnings.warn(
        f"the search ends early, and --out goes on with it: for {PATIENCE} s "
        f"{_no_room(ray, needs).message}",
        MMWarning,
        stacklevel=2,
    )
