"""What stands before every page: which hosts are answered, how large and how often requests may be, what browsers may do.

Pure ASGI. The address must be one of ours (a page elsewhere cannot point its name at this machine), a body is read up to
a limit before anything looks at it, and every answer forbids the browser all but our own files.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_BYTES = 2_000_000  # of a request's body
MOST_IMPORTED = 64_000_000  # of a file that an owner imports
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
)


@dataclass
class Bucket:
    """So many requests a second in the long run, and `burst` at once."""

    per_second: float
    burst: float
    left: float
    at: float

    def take(self, now: float) -> float:
        """0 where a request may pass, else the seconds to wait."""
        self.left = min(self.burst, self.left + (now - self.at) * self.per_second)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.per_second


class Limits:
    """A bucket for each who asks; those that are full again are forgotten."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def wait(self, who: str) -> float:
        """Seconds until `who` may ask; 0 lets this one pass and counts it."""
        now = time.monotonic()
        with self._lock:
            if len(self._buckets) > 10_000:
                full = self._burst / self._per_second
                self._buckets = {name: one for name, one in self._buckets.items() if now - one.at < full}
            bucket = self._buckets.setdefault(who, Bucket(self._per_second, self._burst, self._burst, now))
            return bucket.take(now)


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: App, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on with the body read and the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if host_name(host) not in self._hosts:
            await refuse(with_headers, 421, "this address is not served here; use the address that you were given")
            return
        origin = headers.get(b"origin", b"").decode("latin-1")
        if scope["method"] != "GET" and origin and origin.split("://")[-1] != host:
            await refuse(with_headers, 403, "this request comes from another page; open the rating page itself")
            return
        body = await read_body(receive, MOST_IMPORTED if scope["path"] == "/api/owner/import" else MOST_BYTES)
        if body is None:
            await refuse(with_headers, 413, "this is too large to be sent; shorten it and send it again")
            return
        sent = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, with_headers)


async def read_body(receive: Receive, most: int) -> bytes | None:
    """The whole body, None where it is larger than `most` bytes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # the browser has gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def refuse(send: Send, status: int, sentence: str) -> None:
    """Answer with one sentence."""
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    return host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0].lower()
