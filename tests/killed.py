"""Processes that are killed in the middle of what they do, as power cuts do it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import lightning.pytorch as pl
import torch


def kill_now(*arguments: object, **named: object) -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


class KillAfter(pl.Callback):
    """Kills the process at the end of a batch."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.left -= 1
        if not self.left:
            kill_now()


def killed(work: Callable[[], object]) -> None:
    """Run what kills its process, on one thread. A GPU does not survive the fork."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        torch.set_num_threads(1)
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
