"""What stands before every page: which hosts are answered, how large and how often requests may be, what browsers may do.

Pure ASGI. The address must be one of ours (a page elsewhere cannot point its name at this machine), a body is read up to
a limit before anything looks at it, and every answer forbids the browser all but our own files.
"""

from __future__ import annotations

import asyncio
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
BODY_SECONDS = 30.0  # that a body may take to come
MOST_FORGOTTEN, FORGET_SECONDS = 16_000_000, 5.0  # of a body that is refused
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


def sentence_alone(status: int, sentence: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"error": sentence}


def no_key(scope: Scope) -> None:
    """Nothing is asked of who comes; the application does that."""


def most_of_rating(path: str) -> int:
    """Bytes that a body may have on the rating page."""
    return MOST_IMPORTED if path == "/api/owner/import" else MOST_BYTES


class Guard:
    """The outermost layer of an application.

    `hosts` are the names that it is asked under, None for any; `most` gives the bytes that a body may have at a path; `admit`
    a status and a sentence for who may not come in, before their body is read; `form` the body of a refusal.
    """

    def __init__(
        self,
        app: App,
        hosts: frozenset[str] | None,
        *,
        most: Callable[[str], int] = most_of_rating,
        admit: Callable[[Scope], tuple[int, str] | None] = no_key,
        form: Callable[[int, str], dict[str, Any]] = sentence_alone,
    ) -> None:
        self._app, self._hosts, self._most, self._admit, self._form = app, hosts, most, admit, form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on with the body read and the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        refusal, body = self._refusal(scope), b""
        most, seconds = (self._most(scope["path"]), BODY_SECONDS) if refusal is None else (0, FORGET_SECONDS)
        try:
            given = await asyncio.wait_for(read_body(receive, most), seconds)
        except TimeoutError:
            refusal = refusal or (408, "the body of this request did not come in time; send it again")
        else:
            body = given or b""
            if given is None and refusal is None:
                refusal = 413, "this is too large to be sent; shorten it and send it again"
        if refusal is not None:
            await refuse(with_headers, refusal[0], self._form(*refusal))
            return
        sent = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts is not None and host_name(host) not in self._hosts:
            return 421, "this address is not served here; use the address that you were given"
        origin = headers.get(b"origin", b"").decode("latin-1")
        if scope["method"] != "GET" and origin and origin.split("://")[-1] != host:
            return 403, "this request comes from another page; open our own page itself"
        return self._admit(scope)


async def read_body(receive: Receive, most: int) -> bytes | None:
    """The whole body, None where it is larger than `most` bytes. The rest of such a one is let come and forgotten, up to a
    limit: who is still sending when we hang up reads no refusal."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # the browser has gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            parts.clear()
        if not message.get("more_body") or size > most + MOST_FORGOTTEN:
            return None if size > most else b"".join(parts)


async def refuse(send: Send, status: int, content: dict[str, Any]) -> None:
    """Answer with why not."""
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    return host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0].lower()
