"""The items of a round: offering them to raters, reading them back, and how far the round is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trivium.base.words import Message
from trivium.feedback.database import Database, Work
from trivium.feedback.plan import get, note, plan_of, put, read_plan
from trivium.feedback.words import Item, Response, as_text

MOST_SKIPS = 3  # raters who skipped an item before it is given to no one else
NEEDED = f"active = 1 AND gold IS NULL AND answered + held < wanted AND skipped < {MOST_SKIPS}"
# The round that is asked about, the newest one where none is named; whether it is closed; the plan that is in force.
ROUND = "coalesce(:round, (SELECT max(round) FROM items WHERE active = 1), 1)"
CLOSED = f"(SELECT value FROM meta WHERE name = 'closed/' || CAST({ROUND} AS TEXT))"
PLAN = "(SELECT value FROM meta WHERE name = 'plan')"
COLUMNS = "id, round, number, kind, prompt, responses, axes, gold, details, priority, base, wanted"


@dataclass(frozen=True)
class Status:
    """How far a round is. `rated` items have all their answers, `skipped` ones would but for skips; `closed` by its owner."""

    items: int
    rated: int
    skipped: int
    answers: int
    wanted: int
    enough: int
    closed: bool

    @property
    def done(self) -> bool:
        """Whether the run may go on."""
        return self.closed or (self.items > 0 and self.rated + self.skipped >= self.enough)


def offer(work: Work, items: Iterable[Item], round_number: int = 1) -> int:
    """Put items to be rated into a round; those that are there keep their answers. Returns how many are new."""
    base = read_plan(work).answers_each
    before = work.value("SELECT count(*) FROM items")
    work.add(
        f"INSERT INTO items ({COLUMNS}) VALUES (:id, :round, :number, :kind, :prompt, :responses, :axes, :gold, :details, "
        ":priority, :base, :base) ON CONFLICT (id) DO UPDATE SET round = :round, active = 1, priority = :priority, "
        "details = :details, base = :base, wanted = CASE WHEN items.wanted < :base THEN :base ELSE items.wanted END",
        [
            {
                "id": item.id,
                "round": round_number,
                "number": number,
                "kind": item.kind,
                "prompt": as_text([asdict(message) for message in item.prompt]),
                "responses": as_text([asdict(response) for response in item.responses]),
                "axes": as_text(item.axes),
                "gold": None if item.gold is None else as_text(item.gold),
                "details": as_text(item.details),
                "priority": item.priority,
                "base": base,
            }
            for number, item in enumerate(items, int(before))
        ],
    )
    added = int(work.value("SELECT count(*) FROM items")) - int(before)
    if added:
        note(work, "trivium", "offered items", items=added, round=round_number)
    return added


def keep_only(work: Work, ids: Sequence[str], source: str, round_number: int = 1) -> int:
    """Take every other item of that source out of the round. Returns how many; their answers are kept."""
    kept = set(ids)
    there = work.rows("SELECT id, details FROM items WHERE round = :round AND active = 1", round=round_number)
    own = [row["id"] for row in there if json.loads(row["details"]).get("source") == source]
    others = [{"id": name} for name in own if name not in kept]
    work.add("UPDATE items SET active = 0 WHERE id = :id", others)
    if others:
        note(work, "trivium", "took items out", items=len(others), round=round_number)
    return len(others)


def current_round(work: Work) -> int:
    """The newest round that has items; 1 before there are any."""
    return int(work.value("SELECT max(round) FROM items WHERE active = 1") or 1)


def close_round(work: Work, round_number: int, who: str, *, closed: bool = True) -> None:
    """Say that the ratings that are there must do (or that they need not); raters get no more items."""
    put(work, f"closed/{round_number}", "yes" if closed else "no")
    note(work, who, "closed the round" if closed else "opened the round", round=round_number)


def is_closed(work: Work, round_number: int) -> bool:
    """Whether the owner closed the round."""
    return get(work, f"closed/{round_number}") == "yes"


def status(work: Work, round_number: int | None = None) -> Status:
    """How far a round is, the current one where none is named. One query: raters ask it all the time."""
    row = work.row(
        "SELECT count(*) AS items, coalesce(sum(CASE WHEN answered >= wanted THEN 1 ELSE 0 END), 0) AS rated, "
        "coalesce(sum(CASE WHEN answered < wanted AND answered + skipped >= wanted THEN 1 ELSE 0 END), 0) AS skipped, "
        f"coalesce(sum(answered), 0) AS answers, coalesce(sum(wanted), 0) AS wanted, {PLAN} AS plan, {CLOSED} AS closed "
        f"FROM items WHERE round = {ROUND} AND active = 1 AND gold IS NULL",
        round=round_number,
    )
    assert row is not None
    plan, closed = plan_of(row.pop("plan")), row.pop("closed") == "yes"
    counts = {name: int(value) for name, value in row.items()}
    enough = max(1, -int(-plan.enough * counts["items"] // 1))
    return Status(**counts, enough=enough, closed=closed)


def read_items(database: Database, round_number: int | None = None) -> dict[str, Item]:
    """Items by id, in the order in which they were offered."""
    chosen = "" if round_number is None else "WHERE round = :round"
    with database.reading() as work:
        given = {} if round_number is None else {"round": round_number}
        rows = work.rows(f"SELECT * FROM items {chosen} ORDER BY number, id", **given)
    return {row["id"]: item_of(row) for row in rows}


def item_of(row: dict[str, Any]) -> Item:
    """A row of the table as an item."""
    return Item(
        kind=row["kind"],
        prompt=tuple(Message(**turn) for turn in json.loads(row["prompt"])),
        responses=tuple(Response(**one) for one in json.loads(row["responses"])),
        axes=tuple(json.loads(row["axes"])),
        gold=None if row["gold"] is None else json.loads(row["gold"]),
        priority=row["priority"],
        details=json.loads(row["details"]),
    )
