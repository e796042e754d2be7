"""Fits side by side on a Ray cluster of this machine: the same search, whatever ends a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_tune.api import Ray, Search, tune
from typer.testing import CliRunner

from mm_core.api import ConfigError, TrainingError
from mm_core.cli.app import app
from mm_core.testing.kit import KIT

QUICK = {"fit": "core:finetune", "training.epochs": 2, "training.batch_size": 16}
RATE = "training.head_learning_rate"

BRITTLE = """
import os
import signal

from mm_core.api import FitterSpec, PluginInfo, Search, hookimpl
from mm_core.api import Config
from mm_core.training.finetune import Finetune
from pydantic import Field


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Fits of which some end their process.")


@hookimpl
def mm_fitters():
    return [
        FitterSpec(
            name="fit",
            summary="By one setting.",
            target="brittle:Brittle",
            config="brittle:BrittleConfig",
        )
    ]


class BrittleConfig(Config):
    ends: str = Field(default="", description="file that is there once its process was ended by it")
    times: int = Field(default=0, description="how often it ends it")


class Brittle(Finetune):
    def fit(self, job):
        for number in range(self.config.times):
            name = f"{self.config.ends}{number}"
            if not os.path.exists(name):
                open(name, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(job)
"""


MEETING = """
import os
import time

from mm_core.api import Config, FitterSpec, PluginInfo, hookimpl
from mm_core.training.finetune import Finetune
from pydantic import Field


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Fits that wait for each other.")


@hookimpl
def mm_fitters():
    target, config = "meeting:Meeting", "meeting:MeetingConfig"
    return [FitterSpec(name="fit", summary="By name.", target=target, config=config)]


class MeetingConfig(Config):
    name: str = Field(default="a", description="a or b")


class Meeting(Finetune):
    def fit(self, job):
        open(f"{self.config.name}.here", "w").close()
        until = time.monotonic() + 60
        while not (os.path.exists("a.here") and os.path.exists("b.here")):
            if time.monotonic() > until:
                raise TimeoutError("the other never came")
            time.sleep(0.1)
        return super().fit(job)
"""


def table(n: int = 80) -> pd.DataFrame:
    """Points of two kinds, as the kit's own plugin reads them."""
    points = np.random.default_rng(0).normal(size=(n, 32))
    cells = ["left " + " ".join(f"{x:.3f}" for x in point) for point in points]
    return pd.DataFrame({"point": cells, "kind": np.where(points[:, 0] > 0, "a", "b")})


def search(trials: int = 3, executor: Any = None, **more: Any) -> Any:
    settings = {**QUICK, RATE: Search(1e-4, 3e-2, log=True)}
    given: dict[str, Any] = {"hyperparameters": settings, "plugins": [KIT], **more}
    return tune(table(), "kind", trials=trials, executor=executor, **given)


@pytest.fixture(autouse=True, scope="module")
def _processes_speak_to_each_other() -> Iterator[None]:
    """On this machine; no test has a network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MM_TESTS_THIS_MACHINE", "1")
        yield


@pytest.fixture(scope="module")
def cluster(_processes_speak_to_each_other: None) -> Iterator[None]:
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="warning")
    yield
    ray.shutdown()


def test_room_is_asked_of_a_cluster() -> None:
    told = CliRunner().invoke(app, ["tune", "rows.csv", "--label", "y", "--cpus-per-trial", "2"])
    assert told.exit_code == 2
    assert "--ray local" in told.output
    with pytest.raises(ConfigError, match="cpus_per_trial=0"):
        Ray(cpus_per_trial=0)


@pytest.mark.slow
def test_a_fit_is_the_same_there(cluster: None, tmp_path: Path) -> None:
    """Trial 0 has the score that it has in this process, and what is written is the same."""
    lines: list[str] = []
    found = search(4, Ray(), folder=tmp_path, tell=lines.append)
    alone = search(1)
    assert list(found.trials.trial) == [0, 1, 2, 3]
    assert set(found.trials.state) <= {"done", "pruned"}
    assert found.trials[RATE][0] == 1e-3
    assert found.trials.score[0] == pytest.approx(alone.trials.score[0], abs=1e-6)
    assert found.trials[RATE].is_unique
    assert len(lines) == 4
    assert (tmp_path / "recipe.json").is_file()
    more = search(6, Ray(), folder=tmp_path)
    assert more.resumed == 4
    pd.testing.assert_frame_equal(more.trials.head(4), found.trials)
    assert len(search(7, folder=tmp_path).trials) == 7  # and goes on in this process alone


@pytest.mark.slow
def test_networks_that_validate_worse_are_given_up(cluster: None) -> None:
    settings = {**QUICK, "training.epochs": 40, "training.patience": 40}
    space = {RATE: Search(choices=(1e-2, 2e-2, 3e-2, 1e-8))}
    found = search(10, Ray(), hyperparameters=settings | space, sampler="random", seed=4)
    pruned = found.trials[found.trials.state == "pruned"]
    assert 1e-8 in set(pruned[RATE])


@pytest.mark.slow
def test_a_process_that_ends_is_that_of_one_trial(cluster: None, tmp_path: Path) -> None:
    """Once it is tried again; twice, and the trial has failed."""
    brittle = tmp_path / "brittle.py"
    brittle.write_text(BRITTLE)
    settings = {**QUICK, "fit": "brittle:fit", "fit.ends": str(tmp_path / "ended")}
    for times, state in ((1, "done"), (2, "failed")):
        found = search(
            3,
            Ray(max_concurrent=1),
            hyperparameters={**settings, "fit.times": Search(choices=(0, times))},
            plugins=[KIT, brittle],
            sampler="random",
        )
        met = found.trials[found.trials["fit.times"] == times]
        assert met.state.iloc[0] == state
        assert ("ended twice" in met.why.iloc[0]) == (state == "failed")
        assert found.trials.state[0] == "done"
        for mark in tmp_path.glob("ended*"):
            mark.unlink()


@pytest.mark.slow
def test_what_no_machine_has_room_for_is_told(cluster: None) -> None:
    with pytest.raises(ConfigError, match="no machine of the Ray cluster has room") as caught:
        search(1, Ray(cpus_per_trial=64))
    assert "they have 2 CPU, 0 GPU" in str(caught.value)
    with pytest.raises(ConfigError, match="1 GPU"):
        search(1, Ray(gpus_per_trial=1))


@pytest.mark.slow
def test_two_run_at_once(cluster: None, tmp_path: Path) -> None:
    """Each waits for the other's file, in the folder that the search runs in."""
    meeting = tmp_path / "meeting.py"
    meeting.write_text(MEETING)
    settings = {**QUICK, "fit": "meeting:fit", "fit.name": Search(choices=("a", "b"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        plugins = [KIT, Path("meeting.py")]
        found = search(2, Ray(), hyperparameters=settings, plugins=plugins, seed=1)
    assert list(found.trials.state) == ["done", "done"], list(found.trials.why)
    assert set(found.trials["fit.name"]) == {"a", "b"}


@pytest.mark.slow
def test_time_ends_it_where_others_hold_the_cluster(cluster: None, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    began = time.monotonic()
    held = [ray.remote(lambda: time.sleep(60)).options(num_cpus=1).remote() for _ in range(2)]
    with pytest.raises(TrainingError, match="the time was over"):
        search(4, Ray(), time=4, folder=tmp_path)
    assert time.monotonic() - began < 30
    for one in held:
        ray.cancel(one, force=True)
    assert set(search(2, Ray(), folder=tmp_path).trials.state) == {"done"}


_KILLED = """
import sys
from test_tune_on_ray import Ray, search
search(50, Ray(), folder=sys.argv[1], tell=lambda line: print(line, flush=True))
"""


@pytest.mark.slow
def test_no_trial_is_lost_when_the_search_is_killed(tmp_path: Path) -> None:
    """kill -9, several times, two fits under way: they are tried again, and none has failed."""
    pytest.importorskip("ray")
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        ) as process:
            assert process.stdout is not None
            ended = next(line for line in process.stdout if line.startswith("trial "))
            assert "failed" not in ended  # and the other is under way
            process.send_signal(signal.SIGKILL)
    found = search(5, folder=tmp_path)
    assert found.resumed >= 3
    assert set(found.trials.state) <= {"done", "pruned"}
    assert found.trials[RATE].is_unique


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """A cluster of its own, which ends with the search; standard output has the answer alone."""
    pytest.importorskip("ray")
    table().to_csv(tmp_path / "rows.csv", index=False)
    run = subprocess.run(
        [sys.executable, "-m", "mm_core", "tune", "rows.csv", "--label", "kind", "--trials", "2"]
        + [f"--set={key}={value}" for key, value in QUICK.items()]
        + ["--space", f"{RATE}=log(1e-4, 1e-2)", "--plugin", str(KIT), "--out", "tuned"]
        + ["--ray", "local", "--cpus-per-trial", "0.5", "--max-concurrent", "2", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(json.loads(run.stdout)["trials"]) == 2
    assert len(pd.read_csv(tmp_path / "tuned" / "trials.csv")) == 2


_LEAVING = """
import json
import sys

from ray.cluster_utils import Cluster

from test_tune_on_ray import Ray, search

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
node = cluster.add_node(num_cpus=1)


def told(line):
    global node
    if node is not None:  # with the next trial under way
        cluster.remove_node(node)
        node = None
    print(line, flush=True)


import mm_tune.on_ray

mm_tune.on_ray.PATIENCE = 10
found = search(3, Ray(cluster.address), tell=told)
print(json.dumps(list(found.trials.state)))
"""


@pytest.mark.slow
def test_a_machine_that_leaves_ends_the_search_not_its_trials(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    run = subprocess.run(
        [sys.executable, "-c", _LEAVING],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == ["done"]
    assert "the search ends early" in run.stderr


@pytest.mark.slow
def test_this_process_is_afterwards_as_it_was(tmp_path: Path) -> None:
    """Nobody answers at an address: that is told soon; what Ray sets is gone with it."""
    pytest.importorskip("ray")
    code = """
import faulthandler, os, signal, sys
from test_tune_on_ray import ConfigError, Ray, search
def state():
    return dict(os.environ), sys.excepthook, signal.getsignal(15), faulthandler.is_enabled()
before = state()
search(1, Ray())
assert state() == before, [one for one in zip(state(), before) if one[0] != one[1]]
try:
    search(1, Ray("127.0.0.1:1"))
except ConfigError as error:
    assert "no Ray cluster at '127.0.0.1:1'" in str(error), error
"""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        timeout=120,
        check=True,
    )
