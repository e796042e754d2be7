"""Blocks the network in any Python process that has this folder on its path.

Guards sockets themselves, not one HTTP library: libraries change which one they use.
"""

import socket


class NetworkBlockedError(OSError):
    """A test tried to reach the network."""


def _blocked(*args: object, **kwargs: object) -> None:
    raise NetworkBlockedError(f"tests have no network: {args[1:] or args}")


_connect = socket.socket.connect


def _connect_locally(self: socket.socket, address: object) -> None:
    if self.family == getattr(socket, "AF_UNIX", None):
        return _connect(self, address)  # type: ignore[arg-type]
    return _blocked(self, address)


socket.socket.connect = _connect_locally  # type: ignore[method-assign,assignment]
socket.socket.connect_ex = _blocked  # type: ignore[method-assign,assignment]
socket.getaddrinfo = _blocked  # type: ignore[assignment]
