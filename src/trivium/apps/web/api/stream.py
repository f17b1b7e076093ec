"""A stream of server-sent events, and doing something only as long as the caller is there.

Starlette is imported at the top: this file is only imported where a server is being made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.responses import Response

from trivium.apps.web.api.faults import ApiError, answer_with, content_of
from trivium.apps.web.api.scheduler import Job, Told, pieces, rows_of
from trivium.apps.web.api.shapes import Shape, event, used

DONE = b"data: [DONE]\n\n"


async def unless_gone(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], work: Awaitable[Any]) -> Any:
    """What `work` gives; None, and the work ended, where the caller goes first."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    doing, going = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({doing, going}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, going):
            task.cancel()
        await asyncio.gather(doing, going, return_exceptions=True)


class Stream(Response):
    """Server-sent events of some jobs. Nothing is sent before the first token, so a refusal still has its status."""

    def __init__(self, jobs: Sequence[Job], shape: Shape, over: Callable[[], None]) -> None:
        """`over` is called once, however it ends."""
        super().__init__(media_type="text/event-stream; charset=utf-8", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._jobs, self._shape, self._over = jobs, shape, over
        self._seen: set[int] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, until it ends or the caller has gone."""
        try:
            await unless_gone(receive, self._send(scope, receive, send))
        finally:
            self._over()

    async def _send(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False
        try:
            async for told in pieces(self._jobs, rows_of(self._jobs)):
                if not begun:
                    begun = True
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                body = b"".join(self._event(one) for one in joined(told))
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except ApiError as error:
            if not begun:
                await answer_with(error)(scope, receive, send)
                return
            end = event(content_of(error.status, str(error), error.param, error.code))
        else:
            end = event(self._shape.last(used(self._jobs))) if self._shape.usage_at_end else b""
        await send({"type": "http.response.body", "body": end + DONE, "more_body": False})

    def _event(self, one: Told) -> bytes:
        first = one.index not in self._seen
        self._seen.add(one.index)
        return event(self._shape.piece(one.index, one.text, one.drawn, one.finish, first))


def joined(told: Sequence[Told]) -> list[Told]:
    """Several pieces of one answer as one: where the reader is slower than the model, fewer and larger events."""
    found: dict[int, Told] = {}
    for one in told:
        before = found.get(one.index)
        if before is not None:
            one = Told(one.index, before.text + one.text, [*before.drawn, *one.drawn], one.finish)
        found[one.index] = one
    return list(found.values())
