"""Fits that train several times: the state of each training has a place of its own, and one that
is done is written down, so that a resumed fit does not train it again.
"""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError  # what torch raises where it refuses to unpickle
from typing import Any

import torch

from mm_core.api.errors import ArtifactError
from mm_core.api.fitting import FitResult
from mm_core.training.loop.attempts import FIRST, First
from mm_core.training.loop.learned import learned, take_back
from mm_core.training.loop.unfinished import STATE, random_state, set_random_state
from mm_core.training.loop.weights import changing, copy_weights

FINISHED = "finished.ckpt"
"""What a training came to. It holds tensors and plain values, and is read as nothing else."""


def phase_folder(unfinished: Path | None, number: int) -> Path | None:
    """Where the state of a fit's ``number``-th training lies, counted from 1; None: nowhere."""
    if unfinished is None or number == 1:
        return unfinished
    return unfinished / f"phase-{number}"


def keep_finished(folder: Path, network: Any, result: FitResult) -> None:
    """Write down what a training came to, in the place of its state.

    Raises:
        OSError: there is no room.
    """
    folder.mkdir(exist_ok=True)
    fresh = (folder / FINISHED).with_suffix(".new")
    record = {
        "weights": changing(network),
        "learned": learned(network),
        "random": random_state(),
        "result": {
            "history": result.history,
            "best_score": result.best_score,
            "stopped": result.stopped,
            "log": result.log,
        },
    }
    try:
        torch.save(record, fresh)
        os.replace(fresh, folder / FINISHED)
    finally:
        fresh.unlink(missing_ok=True)
    (folder / STATE).unlink(missing_ok=True)


def is_finished(folder: Path | None) -> bool:
    """Whether a training that was done stands in a folder."""
    return folder is not None and (folder / FINISHED).is_file()


def take_up_finished(folder: Path | None, network: Any) -> FitResult | None:
    """Leave in the network what its training came to, with the records of a first one that came to
    nothing; None: it is not known to be done.

    Raises:
        ArtifactError: the file was altered, or is of another network; nothing in it is executed.
    """
    if folder is None or not is_finished(folder):
        return None
    file = folder / FINISHED
    live = changing(network)
    try:
        found = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
        if {name: one.shape for name, one in found["weights"].items()} != {
            name: one.shape for name, one in live.items()
        }:
            raise KeyError("weights")
        result = FitResult(**found["result"])
    except (EOFError, KeyError, RuntimeError, TypeError, UnpicklingError) as error:
        raise ArtifactError(
            f"{str(file)!r} is not what this training came to: {type(error).__name__}",
            value=str(file),
            remedy=f"do not use it: delete {str(file.parent)!r} and fit anew",
        ) from None
    copy_weights(found["weights"], live)
    take_back(network, found["learned"])
    set_random_state(found["random"])
    first = First.read(folder)
    return result if first is None else first.joined(result)


def forget_phase(folder: Path | None) -> None:
    """Delete what an earlier run left of a training that begins anew."""
    if folder is not None:
        for name in (STATE, FINISHED, FIRST):
            (folder / name).unlink(missing_ok=True)
