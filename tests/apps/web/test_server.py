"""The server of the rating page: who may do what, what is refused and how, and that raters see nothing they must not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apps.web.site import Client, Served, serving
from tests.feedback.shop import LEFT, new_id, pair, state, stock
from trivium.apps.web.safety import Limits
from trivium.base.errors import UserError
from trivium.base.words import Message
from trivium.feedback import items, raters
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.words import Item, Response


def rate_one(client: Client) -> tuple[str, dict[str, Any]]:
    (task, *_) = client.post("/api/take", {"count": 1})["tasks"]
    name = new_id()
    client.post("/api/answer", {"id": name, "task": task["id"], "judgement": LEFT, "milliseconds": 900})
    return name, task


def test_a_rater_takes_answers_and_undoes(served: Served, database: Database) -> None:
    stock(database, 20)
    ada = served.join("Ada")
    name, task = rate_one(ada)
    assert ada.post("/api/answer", {"id": name, "task": task["id"], "judgement": LEFT})["kept"] == "known"
    assert state(database).answers == 1
    assert ada.post("/api/undo", {"id": new_id()})["task"] == task
    assert state(database).answers == 0
    progress = ada.post("/api/take", {"count": 3})["progress"]
    assert (progress["mine"], progress["wanted"], progress["closed"]) == (0, 20, False)


def test_a_rater_is_told_neither_who_wrote_an_answer_nor_that_it_is_known(served: Served, database: Database) -> None:
    stock(database, 10, gold_share=0.9)
    with database.writing() as work:
        items.offer(work, [pair(n, gold={"verdict": "prefer", "preferred": 0}) for n in range(50, 60)])
    ada = served.join("Ada")
    tasks = [rate_one(ada)[1] for _ in range(8)]
    assert {frozenset(task) for task in tasks} == {frozenset(("id", "kind", "prompt", "responses", "axes"))}
    assert {frozenset(one) for task in tasks for one in task["responses"]} == {frozenset(("text", "cut"))}
    assert len(read_answers(database, purposes=("gold",))) > 3


@pytest.mark.parametrize("path", ["/api/me", "/api/owner", "/api/owner/export/trl"])
def test_nobody_sees_anything_without_a_session(served: Served, path: str) -> None:
    status, content, _ = Client(served.port).ask("GET", path)
    assert status == 401 and "not signed in" in content["error"]
    status, _, _ = Client(served.port, cookie="trivium_rating=stolen").ask("GET", path)
    assert status == 401


def test_a_link_works_once_and_not_after_its_time_and_its_failures_are_noted(
    served: Served, database: Database
) -> None:
    client = Client(served.port)
    token, late = served.invite("Ada"), served.invite("Bo", days=-1)
    client.sign_in(token)
    for used, why in ((token, "has been used already"), (late, "is too old"), ("made up", "is not known here")):
        status, content, _ = Client(served.port).ask("POST", "/api/join", {"token": used})
        assert status == 403 and why in content["error"] and "ask for a new one" in content["error"]
    renewed = served.invite("Cy")
    served.invite("Cy")
    assert Client(served.port).ask("POST", "/api/join", {"token": renewed})[0] == 403
    owner = served.join("Olga", "owner").get("/api/owner")
    assert sum(line["action"] == "was not let in" for line in owner["audit"]) == 4
    with database.reading() as work:  # who reads the database can sign in with nothing that is in it
        kept = [row["hash"] for row in work.rows("SELECT hash FROM sessions")]
    assert Client(served.port, cookie=f"trivium_rating={kept[0]}").ask("GET", "/api/me")[0] == 401


def test_guessing_links_is_slowed_down(database: Database) -> None:
    with serving(database, sign_ins=Limits(per_second=0.01, burst=3)) as served:
        found = [Client(served.port).ask("POST", "/api/join", {"token": "x"}) for _ in range(4)]
    assert [status for status, _, _ in found] == [403, 403, 403, 429]
    assert int(found[-1][2]["retry-after"]) > 10


def test_too_many_requests_are_told_how_long_to_wait(database: Database) -> None:
    with serving(database, requests=Limits(per_second=0.5, burst=4)) as served:
        ada = served.join("Ada")
        found = [ada.ask("GET", "/api/me") for _ in range(4)]
        assert served.join("Bo").get("/api/me")["name"] == "Bo"  # others are not held up
    assert [status for status, _, _ in found] == [200, 200, 200, 429]
    assert found[-1][2]["retry-after"] == "2"


def test_other_pages_cannot_act_for_a_rater(served: Served, database: Database) -> None:
    stock(database, 3)
    ada = served.join("Ada")
    body = {"count": 1}
    assert ada.ask("POST", "/api/take", body, {"X-CSRF-Token": "wrong"})[0] == 403
    assert Client(served.port, cookie=ada.cookie).ask("POST", "/api/take", body)[0] == 403
    assert ada.ask("POST", "/api/take", body, {"Origin": "https://evil.example"})[0] == 403
    assert ada.ask("POST", "/api/take", body, {"Host": "evil.example"})[0] == 421
    assert ada.ask("POST", "/api/take", body, {"Origin": f"http://127.0.0.1:{served.port}"})[0] == 200
    _, _, headers = Client(served.port).ask("POST", "/api/join", {"token": served.invite("Bo")})
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(headers["set-cookie"].split("; "))


@pytest.mark.parametrize("path", ["/", "/join", "/owner", "/static/rate.js", "/api/me", "/nowhere"])
def test_every_answer_forbids_the_browser_all_but_our_own_files(served: Served, path: str) -> None:
    _, _, headers = Client(served.port).ask("GET", path)
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert (
        policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    )
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


def test_roles_are_kept_apart(served: Served, database: Database) -> None:
    stock(database, 3)
    rater, reviewer, owner = (served.join(role, role) for role in ("rater", "reviewer", "owner"))  # type: ignore[arg-type]
    changes: list[tuple[str, Any]] = [
        ("/api/owner/invite", {"name": "Eve", "role": "owner"}),
        ("/api/owner/people/pause", {"rater": "rater"}),
        ("/api/owner/people/withdraw", {"rater": "rater"}),
        ("/api/owner/round", {"closed": True}),
        ("/api/owner/guidelines", {"text": "x"}),
        ("/api/owner/import?taken_as=items", b'{"prompt": "q", "responses": ["a", "b"]}'),
    ]
    for path, body in changes:
        for client in (rater, reviewer):
            status, content, _ = client.ask("POST", path, body)
            assert status == 403 and "owner" in content["error"], path
    assert [client.ask("GET", "/api/owner")[0] for client in (rater, reviewer, owner)] == [403, 200, 200]
    assert not state(database).closed and state(database).items == 3


def test_the_owner_runs_the_round(served: Served, database: Database) -> None:
    stock(database, 30)
    owner, ada = served.join("Olga", "owner"), served.join("Ada")
    rate_one(ada)
    link = owner.post("/api/owner/invite", {"name": "Bo"})["link"]
    assert link.startswith(f"http://127.0.0.1:{served.port}/join#")
    bo = Client(served.port)
    bo.sign_in(link.split("#")[1])
    owner.post("/api/owner/people/pause", {"rater": "Ada", "reason": "holidays"})
    assert "holidays" in ada.ask("POST", "/api/take", {})[1]["error"]
    owner.post("/api/owner/people/resume", {"rater": "Ada"})
    assert ada.post("/api/take", {})["tasks"]
    owner.post("/api/owner/people/sign-out", {"rater": "Ada"})
    assert ada.ask("GET", "/api/me")[0] == 401 and bo.get("/api/me")["name"] == "Bo"
    assert owner.ask("POST", "/api/owner/people/sign-out", {"rater": "Olga"})[0] == 400
    owner.post("/api/owner/guidelines", {"text": "Be kind.\u202e"})
    assert bo.get("/api/me")["guidelines"] == "Be kind.\u202e"
    owner.post("/api/owner/round", {"closed": True})
    assert bo.post("/api/take", {})["progress"]["closed"] and state(database).done
    owner.post("/api/owner/round", {"closed": False})
    assert owner.post("/api/owner/people/withdraw", {"rater": "Ada"})["withdrawn"] == 1
    found = owner.get("/api/owner")
    assert found["status"]["answers"] == 0 and {row["name"] for row in found["raters"]} == {"Olga", "Ada", "Bo"}
    assert [line["action"] for line in found["audit"]][:3] == [
        "withdrew answers",
        "opened the round",
        "closed the round",
    ]


def test_files_go_in_and_out(served: Served, database: Database) -> None:
    stock(database, 0)
    owner = served.join("Olga", "owner")
    rows = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(5)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert owner.ask("POST", "/api/owner/import?taken_as=answers&name=mine.jsonl", content)[1] == {"new": 5}
    status, text, headers = owner.ask("GET", "/api/owner/export/trl")
    assert status == 200 and headers["content-disposition"] == 'attachment; filename="trl.jsonl"'
    assert [json.loads(line)["chosen"][0]["content"] for line in text.splitlines()] == [row["chosen"] for row in rows]
    status, told, _ = owner.ask("POST", "/api/owner/import?taken_as=items&name=bad.jsonl", content + b"{}\n")
    assert status == 400 and told["error"].startswith("bad.jsonl:6: field 'prompt'")
    assert owner.ask("GET", "/api/owner/export/csv")[0] == 400
    assert owner.ask("POST", "/api/owner/import?taken_as=nonsense", content)[0] == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b'{"count": 0}', 400), (b'{"count": 1, "more": 2}', 400),
        (b'{"count": ' + b"[" * 50_000 + b"}", 400), (b"\xff\xfe", 400), (b" " * 2_000_001, 413),
    ],
)  # fmt: skip
def test_bodies_that_make_no_sense_are_refused_in_a_sentence(served: Served, body: bytes, status: int) -> None:
    found, content, _ = served.join("Ada").ask("POST", "/api/take", body)
    assert found == status and content["error"]


def test_a_large_file_is_read_from_an_owner_alone(served: Served) -> None:
    line = json.dumps({"prompt": "p", "responses": ["a", "b"]}).encode()
    content = line + b"\n" * 2_500_000
    path = "/api/owner/import?taken_as=items&name=large.jsonl"
    assert Client(served.port).ask("POST", path, content)[0] == 401
    assert served.join("Ada").ask("POST", path, content)[0] == 403
    assert served.join("Olga", "owner").ask("POST", path, content)[:2] == (200, {"new": 1})


def test_hostile_answers_are_refused_or_kept_as_text(served: Served, database: Database) -> None:
    nasty = "<script>alert(1)</script>\x00\x1b[31m\u202e" + "x" * 1_000_000
    stock(database, 0)
    with database.writing() as work:
        items.offer(work, [Item("pair", (Message("user", nasty),), (Response(nasty), Response("b")))])
    ada = served.join("Ada")
    (task,) = ada.post("/api/take", {})["tasks"]
    assert nasty in {one["text"] for one in task["responses"]}
    for content, status in (({"verdict": "tie", "comment": "x" * 3000}, 400), ({"verdict": "nonsense"}, 400)):
        body = {"id": new_id(), "task": task["id"], "judgement": content}
        assert ada.ask("POST", "/api/answer", body)[0] == status
    assert ada.ask("POST", "/api/answer", {"id": new_id(), "task": "t-unknown", "judgement": LEFT})[0] == 404
    lone = b'{"id": "answer-lone", "task": "%s", "judgement": {"verdict": "tie", "comment": "\\ud800"}}'
    assert ada.ask("POST", "/api/answer", lone % task["id"].encode())[0] == 200
    assert ada.ask("POST", "/api/answer", {"id": new_id(), "task": task["id"], "judgement": LEFT})[0] == 409
    assert state(database).answers == 1


def test_a_database_that_fails_is_told_and_does_not_end_the_server(served: Served, database: Database) -> None:
    ada = served.join("Ada")
    with database.writing() as work:
        work.change("ALTER TABLE items RENAME TO gone")
    status, content, _ = ada.ask("POST", "/api/take", {})
    assert status == 503 and "cannot be read or written" in content["error"]
    with database.writing() as work:
        work.change("ALTER TABLE gone RENAME TO items")
    assert ada.post("/api/take", {})["tasks"] == []


def test_another_address_than_loopback_must_be_named(database: Database) -> None:
    from trivium.apps.web.serve import listen, site_at

    with pytest.raises(UserError, match="--address"):
        site_at(database, "0.0.0.0", 80, None)
    with pytest.raises(UserError, match="write it as https://NAME"):
        site_at(database, "0.0.0.0", 80, "rate.example.org")
    site = site_at(database, "0.0.0.0", 80, "https://rate.example.org/")
    assert site.address == "https://rate.example.org" and "rate.example.org" in site.hosts
    bound = listen("127.0.0.1", 0)
    bound.listen(1)
    with pytest.raises(UserError, match="choose another --port"):
        listen("127.0.0.1", bound.getsockname()[1])
    bound.close()


def test_names_that_cannot_be_shown_are_refused(served: Served) -> None:
    owner = served.join("Olga", "owner")
    for name in ("", "  ", "x" * 81, "a\x00b", "a\nb", "\u202eabc"):
        assert owner.ask("POST", "/api/owner/invite", {"name": name})[0] == 400, name
    assert raters.clean_name(" Zoë  O'Neil ") == "Zoë  O'Neil"
