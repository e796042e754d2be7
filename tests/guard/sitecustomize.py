"""Blocks the network in any Python process that has this folder on its path.

Guards sockets themselves, not one HTTP library: libraries change which one they use. A test of
processes that speak to each other by this machine's own address sets ``MM_TESTS_THIS_MACHINE``; for
all others that is blocked too, for a proxy may be there.
"""

import ipaddress
import os
import socket

ALLOWED = "MM_TESTS_THIS_MACHINE"


class NetworkBlockedError(OSError):
    """A test tried to reach the network."""


_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _is_here(host: object) -> bool:
    """Whether it is an address of this machine, to a test that may ask it."""
    if ALLOWED not in os.environ:
        return False
    try:
        version = ipaddress.ip_address("127.0.0.1" if host == "localhost" else str(host)).version
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as mine:
            mine.bind((host, 0))  # which is an error at the address of another
    except (OSError, ValueError):
        return False
    return True


def _check(family: int, address: object) -> None:
    if family == getattr(socket, "AF_UNIX", None):
        return
    if not (isinstance(address, tuple) and _is_here(address[0])):
        raise NetworkBlockedError(f"tests have no network: {address}")


def _guarded_connect(self: socket.socket, address: object) -> None:
    _check(self.family, address)
    return _connect(self, address)  # type: ignore[arg-type]


def _guarded_connect_ex(self: socket.socket, address: object) -> int:
    _check(self.family, address)
    return _connect_ex(self, address)  # type: ignore[arg-type]


def _guarded_getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
    if not _is_here(host):
        raise NetworkBlockedError(f"tests have no network: {host}")
    return _getaddrinfo(host, *args, **kwargs)  # type: ignore[call-overload]


socket.socket.connect = _guarded_connect  # type: ignore[method-assign,assignment]
socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign]
socket.getaddrinfo = _guarded_getaddrinfo  # type: ignore[assignment]
