"""The button that goes on with the run: who may press it, when, what it starts, and what the page says of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.web.site import Client, Served, serving
from tests.feedback.shop import person, rate_all, stock
from trivium.apps.web.training import Training
from trivium.base.errors import UserError
from trivium.feedback.database import Database

PRETEND = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[2])
(folder / "asked.json").write_text(json.dumps(sys.argv[1:]))
print("rate: <b>1 of 2</b> pairs")
while not (folder / "go").exists(): time.sleep(0.01)
sys.exit(int((folder / "go").read_text()))
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text("name: some\nrounds: 2\n")
    return tmp_path


@pytest.fixture
def page(database: Database, run: Path) -> Iterator[Served]:
    with serving(database, training=Training(run, (sys.executable, "-c", PRETEND))) as served:
        yield served


def until(client: Client, wanted: Any) -> dict[str, Any]:
    """What the page says of the run, once it is so."""
    for _ in range(1000):
        told: dict[str, Any] = client.get("/api/owner")["training"]
        if wanted(told):
            return told
        time.sleep(0.02)
    raise AssertionError(told)


def test_an_owner_goes_on_with_the_run_once_enough_is_rated(page: Served, database: Database, run: Path) -> None:
    stock(database, 2)
    owner = page.join("Olga", "owner")
    assert owner.get("/api/owner")["training"] == {"going": False, "ended": None, "rounds": 2, "lines": []}
    status, told, _ = owner.ask("POST", "/api/owner/next", {"rounds": 2})
    assert status == 400 and "not enough ratings yet; close the round" in told["error"]
    rate_all(database, [person(database, "Ada")], lambda rater, task: {"verdict": "tie"})
    status, told, _ = owner.ask("POST", "/api/owner/next", {"rounds": 1})
    assert status == 400 and "the run has 2 rounds; give as many or more, not 1" in told["error"]
    owner.post("/api/owner/next", {"rounds": 3})
    told = until(owner, lambda told: told["lines"])
    assert told["going"] and told["lines"] == ["rate: <b>1 of 2</b> pairs"]
    assert json.loads((run / "asked.json").read_text()) == ["run", str(run), "--set", "rounds=3"]
    status, told, _ = owner.ask("POST", "/api/owner/next", {"rounds": 3})
    assert status == 400 and "going on already" in told["error"]
    (run / "go").write_text("3")
    assert until(owner, lambda told: not told["going"])["ended"] == "ratings are needed"
    audit = owner.get("/api/owner")["audit"]
    assert {"action": "went on with the run", "details": {"rounds": 3}}.items() <= audit[0].items()


def test_nobody_else_starts_anything(page: Served, database: Database, run: Path) -> None:
    stock(database, 1)
    rate_all(database, [person(database, "Ada")], lambda rater, task: {"verdict": "tie"})
    for role in ("rater", "reviewer"):
        assert page.join(f"a {role}", role).ask("POST", "/api/owner/next", {"rounds": 2})[0] == 403
    owner = page.join("Olga", "owner")
    assert owner.ask("POST", "/api/owner/next", {"rounds": 2}, {"X-CSRF-Token": "other"})[0] == 403
    for rounds in ("2; rm", 0, 10**9, None):
        assert owner.ask("POST", "/api/owner/next", {"rounds": rounds})[0] == 400
    assert not (run / "asked.json").exists()


def test_a_page_without_a_run_says_so(served: Served) -> None:
    owner = served.join("Olga", "owner")
    assert owner.get("/api/owner")["training"] is None
    status, told, _ = owner.ask("POST", "/api/owner/next", {"rounds": 2})
    assert status == 400 and "no run to go on with" in told["error"]


def test_a_run_that_fails_or_cannot_be_started_is_told(run: Path) -> None:
    failing = Training(run, (sys.executable, "-c", "import sys; sys.exit('error: it broke')"))
    failing.start(2)
    for _ in range(1000):
        if not failing.state()["going"]:
            break
        time.sleep(0.02)
    assert failing.state()["ended"] == "it failed (exit code 1)" and failing.state()["lines"] == ["error: it broke"]
    with pytest.raises(UserError, match="nowhere"):
        Training(run, (str(run / "nowhere"),)).start(2)
