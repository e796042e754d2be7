"""What stands before the app: size of bodies, the key, counts."""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import time
from collections import Counter
from typing import Any

from mm_serve.limits import Limits

OPEN = re.compile(r"/|/health|/ready|/models/[^/]+/")
"""Paths that need no key: pages, which tell nothing of a model, and whether it lives."""


class _TooLargeError(Exception):
    """The body has more bytes than it may."""


class Guard:
    """ASGI middleware.

    Args:
        app: behind it.
        limits: of bodies.
        api_key: that requests have to bring; None: none.
    """

    def __init__(self, app: Any, limits: Limits, api_key: str | None) -> None:
        self.app, self.limits, self.api_key = app, limits, api_key
        self.counts: Counter[tuple[str, int]] = Counter()
        self.seconds: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, path = time.perf_counter(), scope["path"]
        status = 500

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._let_in(scope, receive, counted)
        finally:
            # Of a model among several the route is that of its own app.
            mounted = scope.get("root_path", "")
            route = getattr(scope.get("route"), "path", None)
            unknown = "other" if status in (401, 404) else path
            known = unknown if route is None else mounted + route
            self.counts[known, status] += 1
            self.seconds[known] += time.perf_counter() - started

    async def _let_in(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        if (
            self.api_key is not None
            and not OPEN.fullmatch(scope["path"])
            and not self._knows(headers)
        ):
            await _refuse(send, 401, "the API key is missing or wrong: header X-API-Key")
            return
        said = headers.get(b"content-length", b"0")
        too_large = f"the body has more than {self.limits.body_bytes} bytes"
        if not said.isdigit() or int(said) > self.limits.body_bytes:
            await _refuse(send, 413, too_large)
            return
        read, over, begun = 0, False, False

        async def limited() -> Any:
            nonlocal read, over
            message = await receive()
            read += len(message.get("body", b""))
            over = over or read > self.limits.body_bytes
            if over:
                raise _TooLargeError
            return message

        async def watched(message: Any) -> None:
            nonlocal begun
            if over and not begun:  # what the app says of a body that it could not read
                return
            begun = True
            await send(message)

        with contextlib.suppress(_TooLargeError):
            await self.app(scope, limited, watched)
        if over and not begun:
            await _refuse(send, 413, too_large)

    def _knows(self, headers: dict[bytes, bytes]) -> bool:
        bearer = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        given = headers.get(b"x-api-key", bearer)
        assert self.api_key is not None
        return hmac.compare_digest(given, self.api_key.encode())

    def metrics(self, waiting: int) -> str:
        """In the text format of Prometheus."""
        lines = ["# TYPE mm_requests_total counter"]
        lines += [
            f'mm_requests_total{{path="{path}",status="{status}"}} {n}'
            for (path, status), n in sorted(self.counts.items())
        ]
        lines.append("# TYPE mm_request_seconds_total counter")
        lines += [
            f'mm_request_seconds_total{{path="{path}"}} {seconds:.6f}'
            for path, seconds in sorted(self.seconds.items())
        ]
        return "\n".join([*lines, "# TYPE mm_waiting gauge", f"mm_waiting {waiting}", ""])


async def _refuse(send: Any, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
