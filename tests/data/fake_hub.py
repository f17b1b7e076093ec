"""A small Hugging Face hub on the loopback, with datasets and models of the test, and every request written down."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]


class FakeHub:
    """Datasets and models by name; each is its states by commit (the last one is main), each of those its files."""

    def __init__(self) -> None:
        self.datasets: dict[str, dict[str, Files]] = {}
        self.models: dict[str, dict[str, Files]] = {}
        self.gated: set[str] = set()
        self.asked: list[str] = []  # paths
        self.address = ""

    def publish(self, name: str, files: Files, kind: str = "datasets") -> str:
        """A new state of a dataset, or of a model. Returns its commit."""
        states = (self.models if kind == "models" else self.datasets).setdefault(name, {})
        commit = hashlib.sha1(f"{name} {len(states)}".encode()).hexdigest()
        states[commit] = files
        return commit

    def told(self, code: str, home: Path, *words: str, said: str = "", **environment: str) -> list[str]:
        """The lines that `code` prints in a process of its own, since the library reads its environment once: it is sent here,
        keeps its cache in `home`, and is given `words` and, on its standard input, what is `said`."""
        paths = {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HOME": str(home)}
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            input=said,
            env={**os.environ, **paths, **self.environment, **environment},
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.splitlines()

    @property
    def environment(self) -> dict[str, str]:
        """What sends `huggingface_hub` here."""
        return {"HF_ENDPOINT": self.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": ""}

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of what is asked."""
        api = path.startswith("/api/")
        kind = "datasets" if path.removeprefix("/api").startswith("/datasets/") else "models"
        parts = path.removeprefix("/api").removeprefix(f"/{kind}").removeprefix("/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        states = (self.models if kind == "models" else self.datasets).get(name)
        if states is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        revision = rest[1] if len(rest) > 1 else "main"
        commit = [*states][-1] if revision == "main" else revision
        if commit not in states:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        files = states[commit]
        if api and rest[:1] != ["tree"]:
            siblings = [{"rfilename": one, "size": len(data)} for one, data in files.items()]
            told = {"id": name, "sha": commit, "private": False, "tags": [], "downloads": 0, "likes": 0}
            return 200, {}, json.dumps({**told, "siblings": siblings}).encode()
        if api:
            tree = [{"type": "file", "path": one, "size": len(data), "oid": _hash(data)} for one, data in files.items()]
            return 200, {}, json.dumps(tree).encode()
        data = files.get("/".join(rest[2:]))
        if data is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        if name in self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        return 200, {"ETag": f'"{_hash(data)}"', "X-Repo-Commit": commit}, data


def _hash(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@contextlib.contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub that serves until the block ends."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(path)
            status, headers, body = hub.answer(path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
