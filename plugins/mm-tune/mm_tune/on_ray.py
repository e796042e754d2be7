"""Fits side by side on the machines of a Ray cluster. Ray is imported when a search begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import ConfigError, Table

if TYPE_CHECKING:
    import optuna

    from mm_tune.fits import Fits, Outcome
    from mm_tune.here import Work

POLL = 0.5
"""Seconds between two looks at what fits report."""


@dataclass(frozen=True)
class Ray:
    """Each fit is a task of Ray, and this process gives out settings and writes down scores.

    Ray carries rows to the machines; pictures and weights that are named by paths are read there,
    by the same paths. Each machine has the same packages.

    Attributes:
        address: as ``ray.init`` takes it: ``"auto"``, the cluster that this machine belongs to;
            ``"ray://host:10001"``; ``"local"``, a cluster of this machine that ends with the
            search. Where this process is connected already, it is that one.
        cpus: of a fit.
        gpus: of a fit; None: one for a network where the cluster has any, else none.
        at_once: fits at once, at most; None: as many as there is room for.
    """

    address: str = "local"
    cpus: float = 1
    gpus: float | None = None
    at_once: int | None = None

    several = True

    def __post_init__(self) -> None:
        low = self.cpus <= 0 or (self.gpus or 0) < 0
        if low or (self.at_once is not None and self.at_once < 1):
            raise ConfigError(
                f"cpus={self.cpus}, gpus={self.gpus}, at_once={self.at_once}",
                value=[self.cpus, self.gpus, self.at_once],
                remedy="cpus above 0, gpus from 0, at_once from 1",
            )

    def run(self, work: Work) -> None:
        """Until so many trials have ended, or the time is over.

        Raises:
            ConfigError: Ray is not installed, there is no such cluster, or no machine of it has
                room for a fit.
        """
        with _cluster(self.address) as ray:
            needs = {"CPU": self.cpus, "GPU": self._gpus(ray, work)}
            room = _room(ray, needs)
            fits = ray.put(_everywhere(work.fits))
            box = ray.remote(_Box).options(num_cpus=0).remote() if work.prune else None
            _Race(ray, work, needs, min(room, self.at_once or room), fits, box).run()

    def _gpus(self, ray: Any, work: Work) -> float:
        if self.gpus is not None:
            return self.gpus
        return float(work.network and ray.cluster_resources().get("GPU", 0) >= 1)


@dataclass
class _Race:
    ray: Any
    work: Work
    needs: Mapping[str, float]
    room: int
    fits: Any
    box: Any
    under_way: dict[Any, _Begun] = field(default_factory=dict)

    def run(self) -> None:
        """What raises here leaves trials behind, which another search with its folder takes up."""
        try:
            while self._begin() or self.under_way:
                done, _ = self.ray.wait(list(self.under_way), timeout=POLL)
                self._judge()
                for task in done:
                    self._end(task)
        finally:
            for task in self.under_way:
                self.ray.cancel(task, force=True)

    def _begin(self) -> bool:
        """Fill the room; whether a trial began."""
        from mm_tune.study import EXCUSED

        began = False
        while len(self.under_way) < self.room and self.work.begins(len(self.under_way)):
            trial = self.work.study.next()
            trial.set_user_attr(EXCUSED, True)
            self._send(_Begun(trial))
            began = True
        return began

    def _send(self, begun: _Begun) -> None:
        task = self.ray.remote(_fit).options(
            num_cpus=self.needs["CPU"], num_gpus=self.needs["GPU"], max_retries=0
        )
        trial = begun.trial
        given = (self.fits, dict(trial.params), self.work.left, trial.number, self.box)
        self.under_way[task.remote(*given)] = begun

    def _judge(self) -> None:
        """Say which fits are to be given up, by what they reported."""
        if self.box is None:
            return
        there = {begun.trial.number: begun.trial for begun in self.under_way.values()}
        for number, epoch, score in self.ray.get(self.box.take.remote()):
            if number in there and self.work.study.worse(there[number])(epoch, score):
                self.box.give_up.remote(number)

    def _end(self, task: Any) -> None:
        begun = self.under_way.pop(task)
        outcome = self._outcome(task, begun)
        if outcome is None:
            self._send(replace(begun, again=True))
            return
        self.work.tell(self.work.study.end(begun.trial, outcome))

    def _outcome(self, task: Any, begun: _Begun) -> Outcome | None:
        """None: its process, or its machine, came to an end in it, and it is tried once more."""
        from mm_tune.fits import Outcome

        errors = self.ray.exceptions
        try:
            found: Outcome = self.ray.get(task)
            return found
        except errors.RayTaskError as error:
            return Outcome("failed", why=f"{type(error.cause).__name__}: {error.cause}")
        except errors.RayError as error:
            why = str(error).partition("\n")[0]
            return Outcome("failed", why=f"its process ended twice: {why}") if begun.again else None


@dataclass(frozen=True)
class _Begun:
    """A trial under way; ``again``: a process ended in it before."""

    trial: optuna.Trial
    again: bool = False


class _Box:
    """An actor: what fits report, and which are to be given up."""

    def __init__(self) -> None:
        self._reports: list[tuple[int, int, float]] = []
        self._given_up: set[int] = set()

    def report(self, number: int, epoch: int, score: float) -> bool:
        """Of a validation of a trial; whether it is to be given up, by what is known by then."""
        self._reports.append((number, epoch, score))
        return number in self._given_up

    def take(self) -> list[tuple[int, int, float]]:
        """What came since it was asked."""
        reports, self._reports = self._reports, []
        return reports

    def give_up(self, number: int) -> None:
        """At its next validation."""
        self._given_up.add(number)


def _fit(
    fits: Fits, settings: Mapping[str, Any], left: float | None, number: int, box: Any
) -> Outcome:
    """The task."""
    import ray

    def worse(epoch: int, score: float) -> bool:
        return bool(ray.get(box.report.remote(number, epoch, score)))

    return fits.fit(settings, left, None if box is None else worse)


def _everywhere(fits: Fits) -> Fits:
    """With paths that do not depend on the folder a process runs in."""
    wanted = replace(
        fits.wanted, plugins=tuple(Path(one).absolute() for one in fits.wanted.plugins)
    )
    tuning = None if fits.tuning is None else _absolute(fits.tuning)
    return replace(fits, wanted=wanted, table=_absolute(fits.table), tuning=tuning)


def _absolute(table: Table) -> Table:
    return replace(table, folder=Path(table.folder).absolute())


def _room(ray: Any, needs: Mapping[str, float]) -> int:
    """Fits that there is room for, over all machines.

    Raises:
        ConfigError: none: Ray would wait for a machine that never comes.
    """
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {kind: share for kind, share in needs.items() if share}
    room = sum(
        int(min(node.get(kind, 0) // share for kind, share in wanted.items())) for node in there
    )
    if room < 1:
        have = "; ".join(f"{one.get('CPU', 0):g} CPU, {one.get('GPU', 0):g} GPU" for one in there)
        raise ConfigError(
            f"no machine of the Ray cluster has room for a fit of {needs['CPU']:g} CPU and "
            f"{needs['GPU']:g} GPU: they have {have}",
            plugin="tune",
            value=dict(needs),
            remedy="ask for less: --cpus, --gpus; in Python Ray(cpus=..., gpus=...)",
        )
    return room


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Ray, connected; one that was connected before stays so."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"Ray is not installed: {error}",
            plugin="tune",
            value=address,
            remedy="pip install 'mm-tune[ray]'",
        ) from error
    if ray.is_initialized():
        yield ray
        return
    try:
        own = {"include_dashboard": False} if address == "local" else {}
        ray.init(address=address, logging_level="warning", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"there is no Ray cluster at {address!r}: {error}",
            plugin="tune",
            value=address,
            remedy="start one, ray start --head, or use this machine alone: --ray local",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()
