"""New processes, quickly: forked from one that has imported large libraries and nothing of ours.

Most of what a small new process does is to import torch and its like again. Here that is done once,
by a process that knows neither mm nor any plugin; each new process is a fork of it, which imports
mm and the plugins itself and knows of the model only what was saved. Where forks are no way (not on
Linux, or with another environment), a process is started from nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "pandas", "sklearn.metrics")
"""Modules that the first process imports: of libraries that nearly every process of mm needs."""

_MM = "import sys; from mm_core.cli import main; sys.exit(main())"
_SERVER = Path(__file__).with_name("fork_server.py")
_FREE = ("COLUMNS", "LINES", "NO_COLOR", "PYTEST_CURRENT_TEST", "PYTHONPATH")
_SET_BY_LIGHTNING = ("PYTORCH_NVML_BASED_CUDA_CHECK", "TORCHINDUCTOR_CACHE_DIR")
"""Variables that may differ, as may those called MM_...: no library reads them when imported."""


def python(
    arguments: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    libraries: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """What ``python`` with these arguments does, ``-c code ...`` or ``-m module ...``.

    Args:
        arguments: after the name of the program.
        cwd: where it runs; None: here.
        env: its environment; None: this one.
        libraries: modules that it is going to import anyway; none of mm or of a plugin.

    Returns:
        As of :func:`subprocess.run` with ``capture_output`` and ``text``.
    """
    environment = dict(os.environ if env is None else env)
    if not (sys.platform == "linux" and arguments[0] in ("-c", "-m")):
        return _started(arguments, cwd, environment)
    with _LOCK:
        server = _server(environment)
        if server is None or not server.fits(environment):
            return _started(arguments, cwd, environment)
        return server.run(arguments, os.fspath(cwd or Path.cwd()), environment, libraries)


def mm(
    *arguments: str | os.PathLike[str],
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    libraries: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """What ``mm`` with these arguments does, as :func:`python`."""
    return python(["-c", _MM, *map(str, arguments)], cwd=cwd, env=env, libraries=libraries)


def _started(
    arguments: Sequence[str], cwd: Any, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


class _Server:
    """The process that is forked, and the pipes on which it is told what to do."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _bound(environment)
        self._owner = os.getpid()
        theirs_in, self._orders = os.pipe()
        self._answers, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER.read_text("utf-8"), str(theirs_in), str(theirs_out)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._lines = os.fdopen(self._answers)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether its libraries were imported in such an environment."""
        return self._environment == _bound(environment)

    @property
    def here(self) -> bool:
        """Whether it is there, and was started by this process."""
        return self._owner == os.getpid() and self._process.poll() is None

    def run(
        self,
        arguments: Sequence[str],
        cwd: str,
        environment: Mapping[str, str],
        libraries: Sequence[str],
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="mm-fork-") as name:
            said = [Path(name, one) for one in ("out.txt", "err.txt")]
            order = {
                "arguments": list(arguments),
                "cwd": cwd,
                "environment": dict(environment),
                "libraries": [*LIBRARIES, *libraries],
                "said": list(map(str, said)),
            }
            os.write(self._orders, (json.dumps(order) + "\n").encode())
            code = self._lines.readline()
            if not code:
                raise RuntimeError("the process that new processes are forked from has ended")
            out, err = (file.read_text("utf-8", "replace") for file in said)
        return subprocess.CompletedProcess([sys.executable, *arguments], int(code), out, err)

    def end(self) -> None:
        """Let it end; a fork of this process leaves it alone."""
        if self.here:
            os.close(self._orders)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)


_LOCK = threading.Lock()
_SERVERS: list[_Server] = []


def _server(environment: Mapping[str, str]) -> _Server | None:
    """The one of this process."""
    if not (_SERVERS and _SERVERS[-1].here):
        _SERVERS.append(_Server(environment))
        atexit.register(_SERVERS[-1].end)
    return _SERVERS[-1]


def _bound(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name not in (*_FREE, *_SET_BY_LIGHTNING) and not name.startswith("MM_")
    }
