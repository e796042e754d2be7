"""A small table, a model trained on it by the real script, and two ways to call ``mm``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

QUICK = ["--set", "training.epochs=2", "--set", "backbones.tabular.width=16"]


@dataclass(frozen=True)
class Ran:
    """What a call of ``mm`` gave."""

    code: int
    out: str
    err: str


Call = Callable[..., Ran]


def table(rows: int, seed: int) -> pd.DataFrame:
    """Numbers and categories that decide ``y``, some of them missing, and a constant column."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    city = random.choice(["ulm", "bonn", "jena"], rows)
    return pd.DataFrame(
        {
            "x": np.where(random.random(rows) < 0.1, np.nan, x),
            "city": city,
            "same": 1,
            "y": np.where(x + (city == "ulm") > 0.3, "yes", "no"),
        }
    )


@pytest.fixture(scope="session")
def script() -> Call:
    """The installed script, in a process of its own."""

    def call(*args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Ran:
        done = subprocess.run(
            [Path(sys.executable).with_name("mm"), *map(str, args)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", **(env or {})},
            timeout=300,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def mm() -> Call:
    """The same commands in this process."""

    def call(*args: str | Path, **env: str) -> Ran:
        from mm_core.cli.app import app

        done = CliRunner(env={"COLUMNS": "80", **env}).invoke(app, [str(arg) for arg in args])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train.csv`` and ``test.csv``."""
    folder = tmp_path_factory.mktemp("cli")
    table(120, 0).to_csv(folder / "train.csv", index=False)
    table(40, 1).to_csv(folder / "test.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def fitted(folder: Path, script: Call) -> Ran:
    """What ``mm fit --json`` gave when it made ``model`` in the folder."""
    return script(
        "fit", "train.csv", "--label", "y", *QUICK, "--out", "model", "--json", cwd=folder
    )


@pytest.fixture(scope="session")
def model(folder: Path, fitted: Ran) -> Path:
    """The model that the real script made."""
    assert fitted.code == 0, fitted.err
    return folder / "model"


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known plugin that is not installed: ``far`` of mm-far."""
    line = {"install": "pip install mm-far", "components": {"fusion_head": ["tensor_train"]}}
    monkeypatch.setattr("mm_core.plugins.known.known_plugins", lambda: {"far": line})
