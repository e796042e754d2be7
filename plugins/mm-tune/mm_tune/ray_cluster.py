"""A connection to a Ray cluster, and the room there. Ray is imported when it is asked for."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from mm_core.api import ConfigError

ANSWERS = 5
"""Seconds in which a machine that is named says whether it is there."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected; one that was connected before stays so, and what Ray sets in this process
    goes with it.

    Args:
        address: as ``ray.init`` takes it.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    with ExitStack() as stack:
        stack.enter_context(_as_it_was())
        ray = _imported(address)
        if ray.is_initialized():
            yield ray
            return
        with _handlers():  # Ray's would end the search without a word
            _connect(ray, address)
        stack.callback(ray.shutdown)
        yield ray


def room(ray: Any, needs: Mapping[str, float]) -> int:
    """How often a cluster holds what a trial needs, over all machines.

    Args:
        ray: connected.
        needs: ``"CPU"`` and ``"GPU"``, shares of one too.
    """
    wanted = {kind: _parts(share) for kind, share in needs.items() if share}
    return sum(
        min(_parts(machine.get(kind, 0)) // parts for kind, parts in wanted.items())
        for machine in machines(ray)
    )


def machines(ray: Any) -> list[Mapping[str, float]]:
    """What each that is there has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _parts(share: float) -> int:
    """As Ray counts, for 1 // 0.1 is 9."""
    return round(share * 10_000)


def _imported(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"Ray is not installed: {error}",
            plugin="tune",
            value=address,
            remedy="pip install 'mm-tune[ray]'",
        ) from error
    return ray


def _connect(ray: Any, address: str) -> None:
    own = {"include_dashboard": False} if address == "local" else {}
    try:
        _knock(address)
        ray.init(address=address, logging_level="warning", **own)
    except ImportError as error:  # of ray://, which is an extra of Ray
        raise ConfigError(
            f"Ray at {address!r} needs more than is installed: {error}",
            plugin="tune",
            value=address,
            remedy="pip install 'ray[client]', or give --ray auto on a machine of the cluster",
        ) from error
    except Exception as error:  # Ray raises whatever its processes do
        raise ConfigError(
            f"there is no Ray cluster at {address!r}: {type(error).__name__}: {error}",
            plugin="tune",
            value=address,
            remedy="start one, ray start --head, or use this machine alone: --ray local; where it "
            "asks for a token: RAY_AUTH_MODE=token",
        ) from error


def _knock(address: str) -> None:
    """Whether somebody is there: Ray would go on asking for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=ANSWERS).close()


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Afterwards this process has its own handlers again, and none of Ray's variables."""
    environment, hook, faults = dict(os.environ), sys.excepthook, faulthandler.is_enabled()
    try:
        with _handlers():
            yield
    finally:
        for key in set(os.environ) - set(environment):
            if key.startswith("RAY_") or key == "PYTHONBREAKPOINT":
                del os.environ[key]
        sys.excepthook = hook
        if not faults:
            faulthandler.disable()


@contextmanager
def _handlers() -> Iterator[None]:
    """Those of signals are put back; they are the main thread's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)
