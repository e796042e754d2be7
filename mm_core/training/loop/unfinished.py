"""The state of a fit that has not ended, on disk: what a killed process leaves behind."""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # what torch raises where it refuses to unpickle
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from mm_core.api.errors import ArtifactError, MMWarning
from mm_core.training.loop.learned import learned, take_back
from mm_core.training.loop.logs import FitLog
from mm_core.training.loop.sigterm import at_sigterm
from mm_core.training.loop.weights import changing

STATE = "state.ckpt"
"""Lightning's checkpoint. It holds tensors and plain values, and is read as nothing else."""


class KeepUnfinished(pl.Callback):
    """Writes the state of a fit, so that it can be taken up where it was.

    A process that is told to end (SIGTERM, as batch systems and containers do) writes it once more
    before it does.

    Args:
        folder: where to write.
        every: seconds between two writings, at the least.
        log: what of it is kept with the state.
    """

    def __init__(self, folder: Path, every: float, log: FitLog) -> None:
        self._log = log
        self._state = folder / STATE
        self._every = every
        self._written = time.monotonic()
        self._writing = False
        self._told: set[str] = set()
        self._ending = False
        self._step = 0
        self._stepped = False
        self._random: dict[str, Any] | None = None

    @property
    def ending(self) -> bool:
        """Whether the process was told to end."""
        return self._ending

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        # Between two batches of one step there are gradients, which no state holds.
        self._stepped = trainer.global_step > self._step
        self._step = trainer.global_step

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        # Here and not at a batch's end: all that belongs to the former batch is done.
        if not self._stepped:
            return
        due, ending = self._due(trainer)
        if due or ending:
            self._write(trainer)
            self._written = time.monotonic()
        if ending:
            raise SIGTERMException

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave out what is not trained; add the random generators, and the log so far."""
        if not self._writing:  # a user's ModelCheckpoint
            return
        kept = changing(module)
        checkpoint["state_dict"] = {
            name: value for name, value in checkpoint["state_dict"].items() if name in kept
        }
        checkpoint["callbacks"] = self._plain(checkpoint["callbacks"])
        checkpoint["learned"] = learned(module.topology)
        checkpoint["random"] = random_state()
        checkpoint["log"] = self._log.text

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        take_back(module.topology, checkpoint["learned"])
        self._random = checkpoint["random"]
        self._log.take_up(checkpoint["log"])

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._random is not None:
            set_random_state(self._random)
            self._random = None
        at_sigterm(self._end, trainer)

    def _end(self) -> None:
        self._ending = True

    def _due(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Whether to write the state now, and whether to end then; the same in all processes."""
        found = time.monotonic() - self._written >= self._every, self._ending
        if trainer.world_size > 1:
            found = trainer.strategy.broadcast(found)
        return found

    def _write(self, trainer: pl.Trainer) -> None:
        """Without room for the state a fit goes on: what it learns is in memory."""
        fresh = self._state.with_suffix(".new")
        self._writing = True
        try:
            self._state.parent.mkdir(exist_ok=True)
            trainer.save_checkpoint(fresh)
            if trainer.is_global_zero:
                os.replace(fresh, self._state)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            self.tell_no_room(error)
        finally:
            self._writing = False

    def tell_no_room(self, error: OSError) -> None:
        """Warn that the state cannot be kept, once a fit."""
        folder = str(self._state.parent)
        self._tell(f"the state of the fit cannot be written to {folder!r}: {error}")

    def _plain(self, states: dict[str, Any]) -> dict[str, Any]:
        """The callbacks' states that can be read again; nothing else is ever read."""
        plain = {name: state for name, state in states.items() if _is_plain(state)}
        for name in states.keys() - plain.keys():
            self._tell(
                f"the state of the callback {name} holds more than tensors, numbers, texts, lists "
                "and dicts: it is not kept, and begins anew where this fit is resumed"
            )
        return plain

    def _tell(self, what: str) -> None:
        """Warn, once a fit."""
        if what not in self._told:
            self._told.add(what)
            warnings.warn(what, MMWarning, stacklevel=2)


def unfinished_state(folder: Path | None) -> Path | None:
    """The state that stands in a folder, if any.

    Raises:
        ArtifactError: it was altered; nothing in it is executed.
    """
    if folder is None or not (folder / STATE).is_file():
        return None
    state = folder / STATE
    try:
        torch.load(state, map_location="cpu", mmap=True, weights_only=True)
    except (EOFError, RuntimeError, UnpicklingError) as error:
        raise ArtifactError(
            f"{str(state)!r} is no state of a fit: {type(error).__name__}",
            value=str(state),
            remedy=f"do not use it: delete {str(folder)!r} and fit anew",
        ) from None
    return state


def random_state() -> dict[str, Any]:
    """Of torch's generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put torch's generators where :func:`random_state` found them."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def _is_plain(state: Any) -> bool:
    """Whether torch reads it back without executing anything."""
    written = io.BytesIO()
    torch.save(state, written)
    written.seek(0)
    try:
        torch.load(written, map_location="cpu", weights_only=True)
    except UnpicklingError:
        return False
    return True
