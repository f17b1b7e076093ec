"""What the endpoints share: the models, the thread that decodes, the limits, who may ask, where thumbs go."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from trivium.apps.web.api.faults import ApiError
from trivium.apps.web.api.figures import Counts
from trivium.apps.web.api.scheduler import Scheduler, Session
from trivium.apps.web.api.stages import Offer, Stages
from trivium.apps.web.safety import LOOPBACK, Scope

if TYPE_CHECKING:
    from trivium.feedback.database import Database
    from trivium.generate.engine import Engine
    from trivium.generate.generator import Generator

OPEN = ("/", "/healthz", "/favicon.ico")  # and /static/: what needs no token
Result = TypeVar("Result")


@dataclass(frozen=True)
class Bounds:
    """How much may be asked: `slots` answers decoded together, `queue` more that wait, `each` of one address; bytes of a
    body; seconds of a request."""

    slots: int = 32
    queue: int = 256
    each: int = 128
    body: int = 1_000_000
    seconds: float = 300.0


@dataclass
class Site:
    """A server's state. `token`, where there is one, is asked of everyone; `hosts` None answers under any name."""

    stages: Stages
    bounds: Bounds = field(default_factory=Bounds)
    token: str | None = None
    hosts: frozenset[str] | None = LOOPBACK
    database: Database | None = None
    person: str = "chat"
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self._open, self.bounds.slots + self.bounds.queue, self.counts)
        self.counts.follow(lambda: self.scheduler.rows)
        self._reader = ThreadPoolExecutor(1, "reading")  # heads and vectors, one request at a time
        self._reading = 0
        self._asked: Counter[str] = Counter()
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def _open(self, name: str) -> Session:
        return self.engine(name).open()

    def engine(self, name: str) -> Engine:
        """What decodes with the model of that name; it is kept, for the copies of weights that it may hold."""
        from trivium.generate.engine import Engine

        writer = self.stages.writer(name)
        with self._lock:
            if name not in self._engines:
                self._engines[name] = Engine(writer.model, writer.stops, self.bounds.slots, writer.engine.dtype)
            return self._engines[name]

    def admitted(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence where a request does not bring the token, None where it may go on."""
        path = scope["path"]
        if self.token is None or path in OPEN or path.startswith("/static/"):
            return None
        given = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(given, b"Bearer " + self.token.encode()):
            return None
        return 401, "this server asks for its token: send the header 'Authorization: Bearer TOKEN'"

    def take_place(self, request: Any, rows: int) -> Callable[[], None]:
        """Count what one address has asked for and not got yet; what comes back is called when it is over. Raises ApiError
        where it is too much."""
        who = request.client.host if request.client else "unknown"
        with self._lock:
            if self._asked[who] + rows > self.bounds.each:
                sentence = (
                    f"{self._asked[who]} of your answers are not done, and {self.bounds.each} may be; wait for some"
                )
                raise ApiError(429, sentence, code="rate_limit_exceeded", wait=1)
            self._asked[who] += rows

        def release() -> None:
            with self._lock:
                self._asked[who] -= rows
                if not self._asked[who]:
                    del self._asked[who]

        return release

    async def writer(self, name: str, verb: str) -> tuple[Offer, Generator]:
        """The model that writes under that name, loaded."""
        offer = self.stages.find(name, verb)
        loaded = self.stages.loaded(name)
        return offer, loaded if loaded is not None else await asyncio.to_thread(self.stages.writer, name)

    async def reading(self, do: Callable[[], Result]) -> Result:
        """The result of something that a head or an encoder computes, in the thread for that."""
        if self._reading >= self.bounds.queue:
            raise ApiError(503, f"{self._reading} requests wait; ask again later", code="overloaded", wait=2)
        self._reading += 1
        try:
            work = asyncio.get_running_loop().run_in_executor(self._reader, do)
            return await asyncio.wait_for(work, self.bounds.seconds)
        except TimeoutError:
            raise ApiError(503, "this took longer than a request may; ask for less", code="timeout") from None
        finally:
            self._reading -= 1

    def close(self, patience: float) -> None:
        """Finish what runs, and end the threads."""
        self.scheduler.stop(patience)
        self._reader.shutdown(wait=True, cancel_futures=True)
        if self.database is not None:
            self.database.close()
