"""Running the server: until Ctrl-C or a polite kill, after which what runs is finished."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from trivium.apps.web.api.application import build
from trivium.apps.web.api.site import Site
from trivium.base.errors import MissingExtra, TriviumError

PATIENCE = 30  # seconds that answers in work have once the server was told to end


def serve(site: Site, bound: socket.socket, started: Callable[[], None] = lambda: None) -> None:
    """Answer at a bound socket. `started` is called once it is listened to. A second signal ends at once."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "web", "the server") from None
    server = uvicorn.Server(
        uvicorn.Config(
            build(site),
            log_level="warning",
            access_log=False,  # it would hold who asked for what
            lifespan="off",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=PATIENCE,
        )
    )
    bound.listen(512)
    site.scheduler.start()
    threading.Thread(target=_warm, args=(site,), daemon=True).start()
    # in a thread of its own: in the main one uvicorn would send itself the signal again, and nothing could be closed
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="answering")
    with _told_to_end(server):
        thread.start()
        started()
        while thread.is_alive():
            thread.join(0.5)
    site.close(0.0 if server.force_exit else PATIENCE)


def _warm(site: Site) -> None:
    """Load the newest model while nobody asks yet; what is wrong with it is told to who asks for it."""
    newest = site.stages.newest
    with contextlib.suppress(TriviumError):
        if "chat" in newest.can:
            site.engine(newest.name).open()


@contextlib.contextmanager
def _told_to_end(server: object) -> Iterator[None]:
    def told(number: int, frame: object) -> None:
        server.force_exit = bool(getattr(server, "should_exit", False))  # type: ignore[attr-defined]
        server.should_exit = True  # type: ignore[attr-defined]

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
