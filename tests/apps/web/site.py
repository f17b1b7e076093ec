"""A rating page for tests: a real server on a free port of loopback, which stops by itself, and a small browser-less client."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from trivium.apps.web.owner import link
from trivium.apps.web.rating import Site, build
from trivium.apps.web.serve import listen, site_at
from trivium.feedback import raters
from trivium.feedback.database import Database
from trivium.feedback.raters import Role


@dataclass
class Served:
    """A page that is being served."""

    site: Site
    port: int

    def invite(self, name: str, role: Role = "rater", days: float = 7.0) -> str:
        """The token of a new link."""
        with self.site.database.writing() as work:
            return raters.invite(work, raters.ensure_rater(work, name, role), "test", days)

    def link(self, name: str, role: Role = "rater") -> str:
        return link(self.site.address, self.invite(name, role))

    def join(self, name: str, role: Role = "rater") -> Client:
        """A client that is signed in."""
        client = Client(self.port)
        client.sign_in(self.invite(name, role))
        return client


@dataclass
class Client:
    """Someone who speaks to the server without a browser."""

    port: int
    cookie: str = ""
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """(status, content, headers) of one request; `body` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Content-Type": "application/json", "Cookie": self.cookie, "X-CSRF-Token": self.csrf, **self.headers}
        sent |= headers or {}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        with contextlib.closing(connection):
            connection.request(method, path, data, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            raw = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(raw) if is_json else raw.decode(), found

    def sign_in(self, token: str) -> None:
        status, content, headers = self.ask("POST", "/api/join", {"token": token})
        assert status == 200, content
        self.cookie = headers["set-cookie"].split(";")[0]
        self.csrf = self.get("/api/me")["csrf"]

    def get(self, path: str) -> Any:
        status, content, _ = self.ask("GET", path)
        assert status == 200, content
        return content

    def post(self, path: str, body: Any) -> Any:
        status, content, _ = self.ask("POST", path, body)
        assert status == 200, content
        return content


@contextlib.contextmanager
def serving(database: Database, **more: Any) -> Iterator[Served]:
    """The page of a store for the length of the block."""
    bound = listen("127.0.0.1", 0)
    bound.listen(64)
    port = bound.getsockname()[1]
    site = site_at(database, "127.0.0.1", port, None)
    site = Site(**{**vars(site), **more})
    server = uvicorn.Server(uvicorn.Config(build(site), log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield Served(site, port)
    finally:
        server.should_exit = True
        thread.join(20)
        bound.close()
    assert not thread.is_alive(), "the server did not stop"
