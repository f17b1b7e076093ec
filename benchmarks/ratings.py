"""Twenty raters at once: is any answer lost, doubled or given to too many, how long does one take, does kill -9 lose one?

    python benchmarks/ratings.py [--answers 2000] [--raters 20] [--seed 0] [--quick]

For SQLite and for PostgreSQL (Debian's package, started for this, waiting for the disk at each commit): the real server
(`trivium rate`) in a process of its own, each rater a thread with a connection of its own that takes items four at a time, as
the page does, and answers each after a pause drawn from 0.1 to 0.3 s, several times faster than a person. The time of an answer
is that of its POST as the rater sees it, to the acknowledgement; its 95th percentile is the larger of the two databases'.

Lost are acknowledged answers that the store does not hold once; doubled and over-assigned ones count as well. Then the same
again, with the server killed (SIGKILL) at moments drawn from the seed and started again; raters send what was not
acknowledged again, with the same id.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import postgres
from figures import Figure, finish
from measure import TRIVIUM, end, machine, start, tell
from trivium.base.words import Message
from trivium.feedback import items, raters
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.plan import Plan, write_plan
from trivium.feedback.words import Item, Response

EACH = 2  # answers an item needs
PAUSE = (0.1, 0.3)  # seconds
PATIENCE = 120.0  # seconds without any answer before a rater gives up
BAR_MS, AIM_MS = 50.0, 20.0


@dataclass
class Bench:
    """One store, its server, and what the raters saw."""

    folder: Path
    address: str
    port: int
    process: subprocess.Popen[bytes] | None = None
    acknowledged: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def serve(self) -> None:
        """Start the server and wait until it answers."""
        command = [*TRIVIUM, "rate", str(self.folder), "--port", str(self.port), "--database", self.address]
        self.process = start(command, self.folder / "server.log")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5), "GET", "/healthz")[0] == 200:
                    return
            time.sleep(0.05)
        sys.exit(f"the server did not start:\n{(self.folder / 'server.log').read_text('utf-8')[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, dict[str, str]]:
    """(status, content, headers) of one request."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    raw = answer.read()
    return answer.status, json.loads(raw) if raw else {}, {name.lower(): value for name, value in answer.getheaders()}


class Person(threading.Thread):
    """A rater who goes on until nothing is left, whatever happens to the server on the way."""

    def __init__(self, bench: Bench, token: str, draw: random.Random) -> None:
        super().__init__(daemon=True)
        self._bench, self._token, self._draw = bench, token, draw
        self._headers: dict[str, str] = {}
        self._connection = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=30)
        self.fault = ""

    def run(self) -> None:
        """Sign in, then take and answer."""
        try:
            _, _, headers = self._insist("POST", "/api/join", {"token": self._token})
            self._headers["Cookie"] = headers["set-cookie"].split(";")[0]
            self._headers["X-CSRF-Token"] = self._insist("GET", "/api/me")[1]["csrf"]
            idle = 0
            while idle < 3:
                content = self._insist("POST", "/api/take", {"count": 4})[1]
                idle = 0 if content["tasks"] else idle + 1
                if content["progress"]["done"]:
                    return
                for task in content["tasks"]:
                    time.sleep(self._draw.uniform(*PAUSE))
                    self._answer(task["id"])
                time.sleep(0 if content["tasks"] else 0.5)
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}"

    def _answer(self, task: str) -> None:
        judgement = {"verdict": "prefer", "preferred": self._draw.randint(0, 1), "strength": self._draw.randint(1, 3)}
        name = f"{self._draw.getrandbits(128):032x}"
        body = {"id": name, "task": task, "judgement": judgement, "milliseconds": 200}
        started = time.perf_counter()
        status, content, _ = self._insist("POST", "/api/answer", body)
        self._bench.milliseconds.append(1000 * (time.perf_counter() - started))
        if status == 200 and content["kept"] in ("counted", "known"):
            self._bench.acknowledged.append(name)
        elif status != 200:
            raise RuntimeError(f"{status} {content}")

    def _insist(self, method: str, path: str, body: Any = None) -> tuple[int, Any, dict[str, str]]:
        """Ask until there is an answer: the connection may break, and the server may be away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                found = ask(self._connection, method, path, body, self._headers)
                if found[0] not in (429, 503):
                    return found
            except (OSError, http.client.HTTPException):
                self._connection.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path}: no answer for {PATIENCE:.0f} s")
            time.sleep(0.05)


def prepare(folder: Path, address: str, answers: int) -> None:
    """A run with so many pairs to rate, and no model: the page needs none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text("name: ratings\n", encoding="utf-8")
    (folder / "lineage.json").write_text("[]\n", encoding="utf-8")
    database = Database(address)
    pairs = [
        Item(
            "pair", (Message("user", f"request {n}"),), (Response(f"an answer {n} " * 8), Response(f"another {n} " * 8))
        )
        for n in range(answers // EACH)
    ]
    with database.writing() as work:
        write_plan(work, Plan(answers_each=EACH, more_on_split=0, gold_share=0, repeat_share=0))
        items.offer(work, pairs)
    database.close()


def tokens_for(address: str, count: int) -> list[str]:
    """Links for so many raters."""
    database = Database(address)
    with database.writing() as work:
        found = [
            raters.invite(work, raters.ensure_rater(work, f"simulated:rater {n}"), "benchmark") for n in range(count)
        ]
    database.close()
    return found


def faults(address: str, acknowledged: list[str]) -> dict[str, int]:
    """What is wrong with the store, counted: lost, doubled and over-assigned answers."""
    database = Database(address)
    kept = Counter(answer.id for answer in read_answers(database))
    by_item = Counter(answer.item for answer in read_answers(database))
    pairs = Counter((answer.item, answer.rater) for answer in read_answers(database))
    database.close()
    return {
        "lost": sum(kept[name] == 0 for name in set(acknowledged)),
        "doubled": sum(count - 1 for count in [*kept.values(), *pairs.values()]),
        "over_assigned": sum(max(0, count - EACH) for count in by_item.values()),
        "missing": sum(max(0, EACH - by_item[item]) for item in items_of(address)),
    }


def items_of(address: str) -> list[str]:
    """The ids of all pairs."""
    database = Database(address)
    found = list(items.read_items(database))
    database.close()
    return found


def rate(address: str, folder: Path, options: argparse.Namespace, kills: int) -> tuple[dict[str, int], list[float]]:
    """One round to its end. Returns its faults and the milliseconds of every answer."""
    prepare(folder, address, options.answers)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bench = Bench(folder, address, port)
    tokens = tokens_for(address, options.raters)
    draw = random.Random(f"{options.seed}/{kills}")
    bench.serve()
    people = [Person(bench, token, random.Random(draw.random())) for token in tokens]
    try:
        for number, person in enumerate(people):
            person.start()
            if number % 8 == 7:
                time.sleep(0.1)
        for _ in range(kills):
            time.sleep(draw.uniform(0.5, 1.5))
            bench.kill()
            bench.serve()
        for person in people:
            person.join(600)
    finally:
        if bench.process is not None:
            end(bench.process)
    broken = [person.fault for person in people if person.fault or person.is_alive()]
    if broken:
        sys.exit(f"{len(broken)} raters did not come to the end: {broken[0]}")
    return faults(address, bench.acknowledged), bench.milliseconds


@contextlib.contextmanager
def databases(work: Path) -> Iterator[dict[str, str]]:
    """Addresses of empty stores by the database's name; PostgreSQL where it is installed."""
    found = {f"sqlite/{kind}": f"sqlite:///{work / kind}.db" for kind in ("rated", "killed")}
    programs, lack = postgres.find()
    if programs is None:
        tell(lack)
        yield found
        return
    import psycopg

    with postgres.server(programs, durable=True) as address:
        with psycopg.connect(address, autocommit=True) as connection:
            for kind in ("rated", "killed"):
                connection.execute(f"CREATE SCHEMA {kind}")  # type: ignore[arg-type, unused-ignore]
        yield found | {
            f"postgresql/{kind}": f"{address}&options=-csearch_path%3D{kind}" for kind in ("rated", "killed")
        }


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Rate, kill, count, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Many raters at once lose, double and over-assign nothing.")
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--raters", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="240 answers, 8 raters, one kill")
    options = parser.parse_args()
    if options.quick:
        options.answers, options.raters, options.kills = 240, 8, 1
    counted: dict[str, dict[str, int]] = {}
    slow: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="trivium-ratings-") as folder, databases(Path(folder)) as stores:
        for name, address in stores.items():
            kills = options.kills if name.endswith("killed") else 0
            counted[name], times = rate(address, Path(folder) / name.replace("/", "-"), options, kills)
            told = ", ".join(f"{count} {what}" for what, count in counted[name].items())
            tell(
                f"{name}: {len(times)} answers, {told}; "
                f"median {percentile(times, 0.5):.1f} ms, 95% {percentile(times, 0.95):.1f} ms"
            )
            if not kills:
                slow[name.split("/")[0]] = percentile(times, 0.95)
    seeds = [options.seed]
    who = f"{options.raters} raters, {options.answers} answers on each of {' and '.join(slow)}"
    told = "; ".join(f"{name} {value:.1f} ms" for name, value in slow.items())
    wrong = {
        kind: sum(sum(found.values()) for name, found in counted.items() if name.endswith(kind))
        for kind in ("rated", "killed")
    }
    finish(
        "ratings",
        [
            Figure(
                "ratings_lost",
                [wrong["rated"]],
                seeds,
                better="lower",
                bar=0,
                aim=0,
                note=f"lost, doubled, over-assigned or missing; {who}",
            ),
            Figure(
                "ratings_p95_ms",
                [max(slow.values())],
                seeds,
                "ms",
                "lower",
                BAR_MS,
                AIM_MS,
                note=f"{told}; pauses of {PAUSE[0]} to {PAUSE[1]} s",
            ),
            Figure(
                "ratings_lost_on_kill",
                [wrong["killed"]],
                seeds,
                better="lower",
                bar=0,
                aim=0,
                note=f"{options.kills} kills on each; {who}",
            ),
        ],
        machine(),
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
