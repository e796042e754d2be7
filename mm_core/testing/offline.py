"""A while without a network: whatever connects is refused, as on a machine without one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


@contextmanager
def no_network() -> Iterator[None]:
    """Names cannot be looked up and nothing can be connected to; what asks is told at once."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("the kit allows no network here")

    with (
        mock.patch.object(socket, "getaddrinfo", refuse),
        mock.patch.object(socket.socket, "connect", refuse),
    ):
        yield
