"""A server under load on this machine: requests a second, waiting times, memory, a kill.

    python -m benchmarks.load --requests 3000 --clients 32 --memory 50000

A small model of a table, trained here, answers through ``mm serve`` (with and without answering
requests together) and through a plain FastAPI handler that calls ``predictor.predict`` for each
request. The client shares the machine's cores, and so do other programs: the sides take turns, and
ratios count. Every answer is compared with what the model answered before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import synthetic
from benchmarks.place import machine, versions

NUMBERS, CATEGORIES = tuple(f"n{i}" for i in range(8)), ("c0", "c1")
ROWS = 200
SECONDS_TO_START = 120

PLAIN = """
import sys, pandas as pd, uvicorn
from fastapi import FastAPI
from mm_core import MultiModalPredictor

predictor, app = MultiModalPredictor.load(sys.argv[1], verbosity=0), FastAPI()


@app.get("/ready")
def ready():
    return {}


@app.post("/v1/predict")
def predict(body: dict):
    found = predictor.predict_proba(pd.DataFrame(body["rows"]))
    return {"proba": found.to_dict("records")}


predictor.predict(pd.DataFrame([{"n0": 0.0}]))
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""
SIDES = ("plain", "one by one", "together")


@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: of each answered request.
        statuses: how often each came; ``lost``: no answer at all.
        wrong: answers that were not the model's.
        took: from the first request to the last answer.
        cpu: seconds of the processor that the server spent.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    took: float = 0.0
    cpu: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Figures."""
        return {
            "requests_per_second": round(len(self.seconds) / self.took, 1),
            "server_cpu_ms": round(self.cpu / max(1, len(self.seconds)) * 1000, 3),
            "median_ms": round(statistics.median(self.seconds) * 1000, 2),
            "p99_ms": round(float(np.quantile(self.seconds, 0.99)) * 1000, 2),
            "statuses": dict(self.statuses),
            "wrong": self.wrong,
        }


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, wanted = _model(folder)
        sides: dict[str, Any] = {side: [] for side in SIDES}
        for _ in range(arguments.turns):
            for side in SIDES:
                with Server(side, folder) as server:
                    load = server.asked(rows, wanted, arguments.requests, arguments.clients)
                sides[side].append(load.as_json())
                print(side, load.as_json(), flush=True)
        found: dict[str, Any] = {"clients": arguments.clients, "sides": sides}
        found["memory_mb"] = _memory(folder, rows, wanted, arguments)
        print("memory", found["memory_mb"], flush=True)
        found["killed"] = _killed(folder, rows, wanted, arguments)
        print("killed", found["killed"], flush=True)
    found |= {"machine": machine(1), "versions": versions()}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


def _model(folder: Path) -> tuple[list[bytes], list[dict[str, float]]]:
    """Bodies of requests, and the probabilities that they are to be answered with."""
    from mm_core import MultiModalPredictor

    frame = synthetic.table(400, NUMBERS, CATEGORIES)
    settings = {"fit": "core:finetune", "training.epochs": 2}
    predictor = MultiModalPredictor("y", hyperparameters=settings, verbosity=0).fit(frame)
    predictor.export(folder / "model", format="onnx:onnx", sample=frame[:16])
    asked = frame.drop(columns="y").head(ROWS)
    cells = json.loads(asked.to_json(orient="records"))
    wanted = predictor.predict_proba(asked).to_dict("records")
    return [json.dumps({"rows": [row]}).encode() for row in cells], wanted


class Server:
    """A server in a process of its own, from its first answer to its end.

    Args:
        side: one of :data:`SIDES`.
        folder: with ``model``.
        port: None: a free one.
    """

    def __init__(self, side: str, folder: Path, port: int | None = None) -> None:
        self.side, self.folder, self.port = side, folder, port or _free()

    def __enter__(self) -> Server:
        model, port = str(self.folder / "model"), str(self.port)
        command = [sys.executable, "-c", PLAIN, model, port]
        if self.side != "plain":
            together = "64" if self.side == "together" else "1"
            command = [sys.executable, "-m", "mm_core", "serve", model, "--port", port]
            command += ["--batch-rows", together, "--queue", "512"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, env=environment)
        asyncio.run(self._begun())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    async def _begun(self) -> None:
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until:
            try:
                if (await Client(self.port).ask("GET", "/ready"))[0] == 200:
                    return
            except OSError:
                await asyncio.sleep(0.2)
        raise SystemExit(f"{self.side} did not begin")

    def asked(
        self, rows: list[bytes], wanted: list[dict[str, float]], requests: int, clients: int
    ) -> Load:
        """Requests from several clients, each waiting for its answer before it asks again."""
        before = self.cpu_seconds()
        load = asyncio.run(asked(self.port, rows, wanted, requests, clients))
        load.cpu = self.cpu_seconds() - before
        return load

    def cpu_seconds(self) -> float:
        """Of the processor, user and system, so far."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Resident."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(text.split("VmRSS:")[1].split()[0]) / 1024


async def asked(
    port: int, rows: list[bytes], wanted: list[dict[str, float]], requests: int, clients: int
) -> Load:
    """See :meth:`Server.asked`. Requests whose connection is lost are counted, and made again."""
    load, left = Load(), iter(range(requests))

    async def one() -> None:
        client = Client(port)
        for number in left:
            status, told = 0, None
            while not status:
                started = time.perf_counter()
                try:
                    status, told = await client.ask("POST", "/v1/predict", rows[number % len(rows)])
                except (OSError, asyncio.IncompleteReadError):
                    load.statuses["lost"] += 1
                    client = Client(port)
                    await asyncio.sleep(0.05)
            load.seconds.append(time.perf_counter() - started)
            load.statuses[str(status)] += 1
            if status == 200:
                load.wrong += not _same(told["proba"][0], wanted[number % len(rows)])

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    load.took = time.perf_counter() - started
    return load


def _same(found: dict[str, float], wanted: dict[str, float]) -> bool:
    return all(abs(found[name] - value) < 1e-4 for name, value in wanted.items())


class Client:
    """HTTP/1.1 over one connection: the least that a client can cost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Status and answer.

        Raises:
            OSError: there is no connection.
            IncompleteReadError: it was lost.
        """
        if self.ends is None:
            self.ends = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.ends
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        told = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(told.split("content-length:")[1].split("\r\n")[0])
        return int(told.split()[1]), json.loads(await reader.readexactly(length))


def _memory(folder: Path, rows: Any, wanted: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Resident megabytes after each fifth of many requests."""
    with Server("together", folder) as server:
        found, fifth = [], max(1, arguments.memory // 5)
        for _ in range(5):
            load = server.asked(rows, wanted, fifth, arguments.clients)
            found.append(round(server.memory_mb(), 1))
    return {"requests": 5 * fifth, "after_each_fifth": found, "last": load.as_json()}


def _killed(folder: Path, rows: Any, wanted: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """SIGKILL under load, and another in its place."""
    port = _free()

    async def all_() -> Load:
        asking = asyncio.create_task(
            asked(port, rows, wanted, arguments.requests, arguments.clients)
        )
        await asyncio.sleep(1.0)
        first.process.kill()
        again = await asyncio.to_thread(Server("together", folder, port).__enter__)
        try:
            return await asking
        finally:
            again.process.terminate()

    first = Server("together", folder, port).__enter__()
    load = asyncio.run(all_())
    first.process.wait(30)
    return load.as_json()


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here / "results" / "load.json")
    parser.add_argument("--requests", type=int, default=3000, help="to each side, each turn")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--memory", type=int, default=50_000, help="requests for memory")
    return parser.parse_args()


if __name__ == "__main__":
    main()
