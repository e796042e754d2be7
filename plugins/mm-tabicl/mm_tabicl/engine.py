"""Answers from a context. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch

from mm_core.api import (
    ArtifactError,
    Batch,
    ConfigError,
    Engine,
    EngineContext,
    MemoryFullError,
    RunSettings,
)
from mm_tabicl import networks
from mm_tabicl.answers import Asked
from mm_tabicl.context import Context, matrix
from mm_tabicl.estimators import Answering
from mm_tabicl.networks import Network
from mm_tabicl.said import first_line

ROWS = 1024
"""At once: the context is read anew for each batch."""

NETWORK, CONTEXT = "network.safetensors", "context.safetensors"


class InContextEngine(Engine):
    """Logits of rows, read from a context by a pretrained network.

    Args:
        network: it.
        context: training rows with their labels.
        asked: what is asked.
        device: where it answers; None: on a GPU where there is one.
    """

    def __init__(
        self, network: Network, context: Context, asked: Asked, device: str | None = None
    ) -> None:
        self._network, self._context, self._asked = network, context, asked
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._answering: tuple[tuple[str, bool], Answering] | None = None

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """Many: a call costs the whole context."""
        return settings.batch_size or ROWS

    def ready(self) -> None:
        """Read the context."""
        self._on(RunSettings())

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """``logits`` float32 [B, D].

        Raises:
            ConfigError: there is no such device.
            MemoryFullError: context and rows are too large for the GPU.
        """
        try:
            return {"logits": self._on(settings).logits(matrix(batch))}
        except torch.OutOfMemoryError as error:
            raise MemoryFullError(
                f"{len(self._context)} rows of context and {len(batch)} to be answered do not fit",
                plugin="tabicl",
                remedy="give fewer rows at once: batch_size=, or device='cpu'",
            ) from error

    def _on(self, settings: RunSettings) -> Answering:
        """What answers there; made anew where it is another device than before."""
        device = settings.device or self._device
        key = (device, settings.precision not in (None, "32"))
        if self._answering is None or self._answering[0] != key:
            check_device(device)
            answering = Answering(self._network, self._context, self._asked, *key)
            self._answering = (key, answering)
        return self._answering[1]

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """The network, the training rows, and what is asked."""
        networks.write(self._network, folder / NETWORK)
        self._context.write(folder / CONTEXT)
        return asdict(self._asked)

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """From these files.

        Raises:
            ArtifactError: they hold something else.
        """
        try:
            network = networks.read(folder / NETWORK)
            asked = Asked(**values)
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"{NETWORK}: {error}", value=NETWORK) from error
        return cls(network, Context.read(folder / CONTEXT), asked)


def check_device(name: str) -> None:
    """Whether torch can compute there.

    Raises:
        ConfigError: it cannot.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r}: {first_line(error)}",
            plugin="tabicl",
            value=name,
            remedy="name 'cpu', 'cuda' or 'cuda:1', or leave it out",
        ) from error
