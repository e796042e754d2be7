"""Engines: what answers for a fitted model, be it a network or not. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import numpy as np

    from mm_core.api.batch import Batch
    from mm_core.api.processors import Processor
    from mm_core.api.tasks import Task


@dataclass(frozen=True)
class EngineContext:
    """What an engine is read back for.

    Attributes:
        recipe: of the model (:class:`mm_core.recipe.recipe.Recipe`).
        processors: input name -> its fitted processor.
        task: with what it learned.
        registry: installed components.
    """

    recipe: Any
    processors: Mapping[str, Processor]
    task: Task
    registry: Any


@dataclass(frozen=True)
class RunSettings:
    """How a prediction is to be run; None: as the engine finds best.

    Attributes:
        batch_size: rows at once.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        precision: ``"32"``, ``"bf16-mixed"``, ``"16-mixed"``; a network as it finds best: that of
            training on a GPU, ``"32"`` on a CPU.
    """

    batch_size: int | None = None
    device: str | None = None
    precision: str | None = None


class Makers(Protocol):
    """Processes that make batches, and live until they are let go."""

    def made(self, keys: Sequence[np.ndarray]) -> Iterator[tuple[Batch, Any]]:
        """The batches of these rows, in order, prepared (:meth:`Engine.prepare`).

        Args:
            keys: long [n] each, positions of the rows of a batch.

        Raises:
            Exception: what was raised when one of them was made, where it was to come.
        """

    def close(self) -> None:
        """Let them go."""


class Engine(ABC):
    """Turns batches into what ``Task.decode`` reads.

    A saved model names its engine by the id of a ``RuntimeSpec``. What it needs to be built again
    is JSON values and the files that it writes: tensors (safetensors), text, the library's own
    format, never pickle. The core hashes each file, and checks it before the engine reads it.
    """

    reads_rows = False
    """Whether it reads ``Batch.table``, the rows as they came."""

    @property
    def leaves_cpu(self) -> bool:
        """Whether it computes elsewhere, and the CPU may make the next batches meanwhile."""
        return False

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Names that :meth:`embed` knows, the usual one first; empty: it gives no vectors."""
        return ()

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """Rows at once; ``trained`` is the batch size of training. Unless overridden: at least 256.

        What ``settings`` ask for comes first.
        """
        return settings.batch_size or max(trained, 256)

    def prepare(self, batch: Batch) -> Batch:
        """What :meth:`run` and :meth:`embed` are given; unless overridden: the batch itself.

        Called beside them, in another thread, where the engine leaves the CPU (:attr:`leaves_cpu`).

        Args:
            batch: numpy arrays.
        """
        return batch

    def makers(self, make: Callable[[np.ndarray], tuple[Batch, Any]], count: int) -> Makers | None:
        """Processes that make batches for it; unless overridden: None, threads make them.

        Asked of an engine that leaves the CPU (:attr:`leaves_cpu`) where rows are dear to make,
        such as pictures: one that calls Python for each of its steps would wait at each for
        Python's lock, which as many threads hold.

        Args:
            make: rows -> a batch of numpy arrays, and what goes beside it.
            count: of processes.
        """
        return None

    @abstractmethod
    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """Outputs for ``Task.decode``, by name: numpy arrays [B, ...], lists of B, dicts of them.

        Args:
            batch: numpy arrays, or what :meth:`prepare` made of them.
            options: of the task (``TaskSpec.options``), validated.
            settings: device and precision.

        Raises:
            MemoryFullError: the batch is too large; the core gives it again in halves.
        """

    def arrays(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """What :meth:`Task.postprocess` makes the outputs of: numpy arrays [B, ...] by name.

        An exporter compares by them what it wrote, number by number. Unless overridden: what
        :meth:`run` gives.
        """
        return self.run(batch, options, settings)

    def embed(self, batch: Batch, of: str, settings: RunSettings) -> Any:
        """float32 [B, D], the vectors of that name, one of :attr:`embeddings`."""
        raise LookupError(of)

    def ready(self) -> None:  # noqa: B027, most have nothing to set up
        """Set up to answer, on the GPU where there is one."""

    def running(self, settings: RunSettings) -> AbstractContextManager[object]:
        """What holds while several batches are run; unless overridden: nothing."""
        return nullcontext()

    @abstractmethod
    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Write what :meth:`read` needs into an empty folder.

        Args:
            folder: exists.
            context: of the model.
            standalone: False: what checkpoints give again may be left out.

        Returns:
            JSON values that :meth:`read` is given besides.
        """

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """The engine that :meth:`write` wrote. Nothing is fetched, nothing of it executed."""
