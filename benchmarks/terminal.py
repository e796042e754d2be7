"""Commands of ``mm``, each in a process of its own, and what they took."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Command:
    """One that has ended.

    Attributes:
        cpu: seconds of the processor, of the processes that it started too.
        clock: seconds that passed.
        peak: memory in MiB, the most of any command so far.
        said: what it printed.
    """

    cpu: float
    clock: float
    peak: float
    said: str


def mm(*arguments: object, environment: Mapping[str, str] | None = None) -> Command:
    """Run one; a status other than 0 is an error."""
    code = "import sys; from mm_core.cli import main; sys.exit(main())"
    before, clock = spent(resource.RUSAGE_CHILDREN), time.time()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **(environment or {})},
    )
    cpu = spent(resource.RUSAGE_CHILDREN) - before
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Command(cpu, time.time() - clock, peak, done.stdout)


def spent(who: int = resource.RUSAGE_SELF) -> float:
    """Seconds of the processor, of this process or of those that it waited for."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime
