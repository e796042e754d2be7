"""The process that new ones are forked from (``forked.py``): run by its text, imported by nobody.

It imports libraries when it is first asked to, and nothing of mm or of plugins.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import sys
import threading
import types
from typing import Any

_GIVEN = {os.path.abspath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep)}


def serve(orders: int, answers: int) -> dict[str, Any] | None:
    """Fork for each order and answer with its exit code; in a fork, return its order."""
    with os.fdopen(orders) as lines, os.fdopen(answers, "w") as told:
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            for name in order["libraries"]:
                if name not in sys.modules:
                    with contextlib.suppress(Exception):
                        importlib.import_module(name)
            gc.collect()
            gc.freeze()  # a collection in a fork would copy every page that it looks at
            pid = os.fork()
            if pid == 0:
                return order
            _, status = os.waitpid(pid, 0)
            told.write(f"{os.waitstatus_to_exitcode(status)}\n")
            told.flush()
    return None


def become(order: dict[str, Any]) -> None:
    """What a process started with these arguments is like."""
    for number, name in enumerate(order["said"], start=1):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    given = order["environment"].get("PYTHONPATH", "").split(os.pathsep)
    rest = [one for one in sys.path[1:] if os.path.abspath(one) not in _GIVEN]
    sys.path[:] = [sys.path[0], *filter(None, given), *rest]
    importlib.invalidate_caches()
    sys.orig_argv[:] = [sys.executable, *order["arguments"]]


def run(kind: str, code: str, *arguments: str) -> None:
    """As ``python -c`` and ``python -m`` do."""
    if kind == "-m":
        sys.path[0] = os.getcwd()
        sys.argv[:] = [code, *arguments]
        runpy.run_module(code, run_name="__main__", alter_sys=True)
        return
    sys.argv[:] = ["-c", *arguments]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(code, "<string>", "exec"), main.__dict__)


def exit_code(order: dict[str, Any]) -> int:
    """Run what was ordered as Python runs a program, to the end of its threads."""
    try:
        run(*order["arguments"])
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001  # the end of the program
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main() -> None:
    """Serve; in a fork, be the new process."""
    order = serve(*map(int, sys.argv[1:]))
    if order is None:
        return
    become(order)
    code = exit_code(order)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking all libraries down would take a second


if __name__ == "__main__":
    main()
