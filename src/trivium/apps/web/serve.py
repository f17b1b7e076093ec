"""Serving the rating page: on loopback unless told otherwise, until it is stopped."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from trivium.apps.web.owner import link
from trivium.apps.web.rating import Site, build
from trivium.apps.web.safety import LOOPBACK
from trivium.apps.web.training import Training
from trivium.base.errors import MissingExtra, UserError
from trivium.feedback import raters
from trivium.feedback.database import Database

OWNER = "owner"
MOST_CONNECTIONS = 200
TURN = 0.0005  # seconds that a thread computes while others wait; Python's 0.005 add up over the replies to an answer


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; port 0 takes a free one. Raises UserError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise UserError(f"cannot listen at {host}:{port} ({error.strerror}); choose another --port or --host") from None
    return bound


def site_at(database: Database, host: str, port: int, address: str | None, training: Training | None = None) -> Site:
    """The site as people reach it. Raises UserError where others could reach it under a name that nobody gave."""
    if address is None:
        if host not in LOOPBACK:
            raise UserError(
                f"--host {host} lets other machines in; say with --address how they reach it, for example "
                "--address https://rate.example.org"
            )
        shown = f"[{host}]" if ":" in host else host
        return Site(database, f"http://{shown}:{port}", training=training)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise UserError(f"--address {address}: write it as https://NAME or http://NAME:PORT, without a path")
    return Site(database, address.rstrip("/"), LOOPBACK | {parts.hostname}, training)


def owner_link(site: Site, name: str = OWNER) -> str:
    """A new link for the owner of the round; earlier ones of theirs no longer work."""
    with site.database.writing() as work:
        rater = raters.ensure_rater(work, name, "owner")
        return link(site.address, raters.invite(work, rater, "trivium", days=1))


def serve(site: Site, bound: socket.socket, started: Callable[[], None] = lambda: None) -> None:
    """Answer until Ctrl-C or a polite kill. `started` is called once the socket is listened to."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "web", "the rating page") from None
    settings = uvicorn.Config(
        build(site),
        log_level="warning",
        access_log=False,  # it would hold who asked for what
        lifespan="off",
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,  # each may hold a body; who is refused tries again by itself
        timeout_graceful_shutdown=5,
    )
    sys.setswitchinterval(TURN)
    server = uvicorn.Server(settings)
    bound.listen(128)
    started()
    server.run(sockets=[bound])
