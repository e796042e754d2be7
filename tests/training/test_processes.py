"""Two CPU processes train like one, and all of them go on afterwards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="processes of a CPU")

SETTINGS = {
    "training.epochs": 3,
    "training.batch_size": 16,
    "training.val_every": 0.5,
    "training.augment": False,
    "training.average": "greedy_soup",
    "backbones.tabular.dropout": 0.0,
    "training.head_learning_rate": 0.01,
    "data.validation_metric": "core:log_loss",
}

SCRIPT = """
import json, os, sys
import lightning.pytorch as pl
import pandas as pd
import mm_core.artifact.save as artifact
from mm_core import MultiModalPredictor

save = artifact.save
def told(*arguments, **named):
    print("a process writes")
    return save(*arguments, **named)
artifact.save = told

class Rows(pl.Callback):
    seen = []
    def on_train_batch_start(self, trainer, module, batch, index):
        self.seen += batch.row_ids.tolist() if trainer.current_epoch == 0 else []
    def on_train_end(self, trainer, module):
        rows = pd.Series(self.seen, name="row")
        rows.to_csv(f"{sys.argv[1]}/trained_{trainer.global_rank}.csv", index=False)

if __name__ == "__main__":
    folder, settings = sys.argv[1], json.loads(sys.argv[2])
    rows = pd.read_csv(f"{folder}/rows.csv")
    predictor = MultiModalPredictor(
        "kind", hyperparameters=settings, path=f"{folder}/model", verbosity=1
    )
    predictor.fit(rows, callbacks=[Rows()])
    mine = f"{folder}/process_{os.environ.get('LOCAL_RANK', '0')}"
    found = MultiModalPredictor.load(f"{folder}/model").predict_proba(rows)
    found.to_csv(f"{mine}_loaded.csv", index=False)
    predictor.predict_proba(rows).to_csv(f"{mine}.csv", index=False)
    predictor.history.to_csv(f"{mine}_history.csv", index=False)
    print("at the end of the script")
"""


@pytest.fixture
def rows(small_table, tmp_path):
    """80 rows, also in a file: 64 of them train, 16 a batch."""
    small_table.to_csv(tmp_path / "rows.csv", index=False)
    return pd.read_csv(tmp_path / "rows.csv")


def _run(
    folder: Path, command: list[str], script: str = SCRIPT, **settings: object
) -> subprocess.CompletedProcess[str]:
    """Run the script in processes of their own, which end with it."""
    (folder / "script.py").write_text(script)
    given = [str(folder / "script.py"), str(folder), json.dumps(SETTINGS | settings)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, err
    return subprocess.CompletedProcess(command, 0, out, err)


def _check_like_one_process(
    folder: Path, rows: pd.DataFrame, processes: int, **settings: object
) -> None:
    given = SETTINGS | settings
    alone = MultiModalPredictor("kind", hyperparameters=given, verbosity=0).fit(rows)
    expected = alone.predict_proba(rows).to_numpy()
    assert np.ptp(expected[:, 0]) > 0.5
    history = alone.history.drop(columns="seconds").to_numpy()
    for rank in range(processes):
        for which in ("", "_loaded"):
            found = pd.read_csv(folder / f"process_{rank}{which}.csv").to_numpy()
            np.testing.assert_allclose(found, expected, atol=1e-4)
        told = pd.read_csv(folder / f"process_{rank}_history.csv").drop(columns="seconds")
        np.testing.assert_allclose(told.to_numpy(), history, atol=1e-4)
    shares = [pd.read_csv(folder / f"trained_{rank}.csv")["row"] for rank in (0, 1)]
    assert all(len(share) for share in shares)
    assert sorted(pd.concat(shares)) == list(range(64))


PYTHON = [sys.executable]


def test_a_script_is_run_by_each_process(rows, tmp_path):
    settings = {"training.devices": 2, "training.strategy": "ddp"}
    done = _run(tmp_path, PYTHON, **settings)
    _check_like_one_process(tmp_path, rows, processes=2)
    assert done.stdout.count("at the end of the script") == 2
    assert done.stdout.count("a process writes") == 1
    assert done.stderr.count("saved in") == 1
    assert not (tmp_path / "model" / "unfinished").exists()
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_processes_forked_for_the_fit_only(rows, tmp_path):
    done = _run(tmp_path, PYTHON, **{"training.devices": 2, "training.strategy": "ddp_fork"})
    _check_like_one_process(tmp_path, rows, processes=1)
    assert done.stdout.count("at the end of the script") == 1
    assert done.stdout.count("a process writes") == 1
    assert done.stderr.count("saved in") == 1
    logged = pd.read_csv(tmp_path / "model" / "metrics.csv")
    assert (logged["loss"].count(), logged["log_loss"].count()) == (3, 6)
    assert "deleted" not in done.stderr


def test_rows_that_cannot_be_shared_evenly_count_alike(rows, tmp_path):
    # 9 batches, the last of 8 rows, the others of 4 + 3; 5 steps, the last of one batch
    uneven = {"training.batch_size": 7, "training.accumulate": 2}
    shared = {"training.devices": 2, "training.strategy": "ddp_fork"}
    _run(tmp_path, PYTHON, **uneven, **shared)
    _check_like_one_process(tmp_path, rows, processes=1, **uneven)


def test_fewer_rows_than_processes_are_refused(small_table, fit_table):
    settings = {"training.batch_size": 1, "training.devices": 2, "training.strategy": "ddp_fork"}
    with pytest.raises(ConfigError, match="cannot be shared by 2 processes") as caught:
        fit_table(small_table, hyperparameters=settings)
    assert "training.batch_size to 2" in caught.value.remedy


UNREADABLE = """
import json, os, sys
import pandas as pd
from mm_core import MultiModalPredictor
from mm_core.api import BadCellError

folder, settings = sys.argv[1], json.loads(sys.argv[2])
rows = pd.read_csv(f"{folder}/rows.csv")
predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
try:
    predictor.fit(rows, tuning_data=rows[rows.index % 5 == 0])
except BadCellError as error:
    told = [(cell.row, cell.column) for cell in error.cells]
    with open(f"{folder}/told_{os.environ.get('LOCAL_RANK', '0')}.json", "w") as file:
        json.dump(told, file)
"""


def test_a_cell_that_another_process_cannot_read_is_told(table_maker, tmp_path):
    frame = table_maker(40, tmp_path / "pictures", seed=2)[["picture", "price", "liked"]]
    second = int(np.random.default_rng((0, 0)).permutation(40)[1])  # of the first batch
    torn = Path(frame["picture"].iloc[second])
    torn.write_bytes(torn.read_bytes()[:-200])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    settings = {"training.devices": 2, "training.strategy": "ddp", "training.batch_size": 40}
    settings |= {"backbones.image.checkpoint": "random", "inputs.image.processor.image_size": 32}
    _run(tmp_path, PYTHON, UNREADABLE, **settings)
    # the launcher may end process 1 before it tells the same
    assert json.loads((tmp_path / "told_0.json").read_text()) == [[second, "picture"]]


@pytest.mark.slow
def test_processes_that_torchrun_starts(rows, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torchrun = [*PYTHON, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    torchrun += [f"--master-port={port}"]
    done = _run(tmp_path, torchrun, **{"training.devices": 2, "training.strategy": "ddp"})
    _check_like_one_process(tmp_path, rows, processes=2)
    assert done.stdout.count("at the end of the script") == 2
    assert done.stdout.count("a process writes") == 1
    assert done.stderr.count("saved in") == 1


@pytest.mark.slow
def test_shared_weights(rows, tmp_path):
    _run(tmp_path, PYTHON, **{"training.devices": 2, "training.strategy": "fsdp"})
    _check_like_one_process(tmp_path, rows, processes=2)


def test_machines_that_nothing_tells_about_are_refused(small_table, fit_table):
    with pytest.raises(ConfigError, match="num_nodes=2") as caught:
        fit_table(small_table, hyperparameters={"training.num_nodes": 2})
    assert "torchrun --nnodes 2" in caught.value.remedy


@pytest.mark.parametrize("settings", [{}, {"training.devices": 4}])
def test_torchrun_with_another_number_of_processes_is_refused(
    small_table, fit_table, monkeypatch, settings
):
    for name, value in {"TORCHELASTIC_RUN_ID": "one", "WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="torchrun started 2") as caught:
        fit_table(small_table, hyperparameters=settings)
    assert "--nproc-per-node" in caught.value.remedy


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([0], "indices of GPUs"),
        (0, "1 or more"),
        (-1, "1 or more"),
        ([], "1 or more"),
        ("all", "devices"),
        ("gpu", "a GPU that is there is used"),
    ],
)
def test_devices_that_cannot_be(small_table, fit_table, devices, said):
    with pytest.raises(ConfigError, match=said) as caught:
        fit_table(small_table, hyperparameters={"training.devices": devices})
    assert caught.value.remedy
