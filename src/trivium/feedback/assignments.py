"""Which item a rater gets next, for how long it is theirs, and in which order they see its responses.

An item is never with more raters than it still needs answers from: who has it holds a lease, and an answer or the end of
the lease gives the place back. Split items come first, then the others by priority; raters go through those in orders of
their own. Now and then comes an item whose answer is known, or a pair that they have rated, swapped; both are chosen by
the rater's own seeded draw, and neither counts among the item's answers.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trivium.base.seeds import derive, python_random
from trivium.feedback.database import Database, Work
from trivium.feedback.items import CLOSED, NEEDED, PLAN, ROUND, item_of
from trivium.feedback.plan import LEASE, Plan, now, plan_of, seconds
from trivium.feedback.raters import AccessError, Rater, find_rater, rater_of
from trivium.feedback.words import Item, as_text

LOOKED_AT = 64  # of the items that come first, among which a rater's own order chooses
SCARCE = 4  # while there are fewer than this for each one asked for, raters take them one by one
# All that a choice of items rests on but the items, in one query; `given` is how many the rater has had, `late` how many items
# are with someone whose time is over.
FACTS = (
    f"SELECT raters.*, {ROUND} AS round, {CLOSED} AS closed, {PLAN} AS plan, (SELECT count(*) FROM assignments WHERE rater = "
    "raters.id) AS given, (SELECT count(*) FROM assignments WHERE state = 'open' AND lease < :now) AS late FROM raters "
    "WHERE raters.id = :rater"
)
REPEAT_AFTER = 5  # answers between a pair and its swapped repetition, at least


@dataclass(frozen=True)
class Task:
    """An item before a rater; `shown[p]` is the place in the item of the response at place p of the screen."""

    id: str
    item: Item
    shown: tuple[int, ...]
    purpose: str
    answered: int = 0

    @property
    def texts(self) -> list[dict[str, Any]]:
        """The responses as they are shown: texts and whether they were cut off, never who wrote them."""
        return [{"text": one.text, "cut": not one.ended} for one in (self.item.responses[p] for p in self.shown)]


def take(database: Database, rater: Rater, count: int = 1) -> list[Task]:
    """Up to `count` tasks for the rater: first what they hold already. Raises AccessError where they are paused."""
    return database.together(lambda work: _taken(work, rater, count))


def _taken(work: Work, rater: Rater, count: int) -> list[Task]:
    facts = work.row(FACTS, rater=rater.id, round=None, now=seconds())
    known = find_rater(work, rater.id) if facts is None else rater_of(facts)
    if known.paused:
        raise AccessError(f"rating is paused for you: {known.paused}; what you rated is kept")
    if facts is None or facts["closed"] == "yes":
        return []
    if facts["late"]:
        expire(work)
    held = work.rows(
        "SELECT id FROM assignments WHERE rater = :rater AND state = 'open' ORDER BY at, id", rater=rater.id
    )
    if held:
        work.change(
            "UPDATE assignments SET lease = :lease WHERE rater = :rater AND state = 'open'",
            lease=seconds() + LEASE,
            rater=rater.id,
        )
    tasks = [read_task(work, row["id"]) for row in held[:count]]
    if len(tasks) < count:
        tasks += _new_tasks(work, known, count - len(tasks), facts)
    return tasks


def _new_tasks(work: Work, rater: Rater, count: int, facts: Mapping[str, Any]) -> list[Task]:
    plan, round_number, before = plan_of(facts["plan"]), int(facts["round"]), int(facts["given"])
    needed = _needed(work, rater, round_number)
    tasks: dict[int, Task] = {}
    mains: dict[int, str] = {}
    for number in range(before, before + min(count, max(1, len(needed) // SCARCE))):
        if not needed:
            break
        item, purpose = _choose(work, rater, needed, plan, number, round_number)
        if purpose == "main":
            needed.remove(item)
            mains[number] = item
        else:
            tasks |= _assign(work, rater, {number: item}, purpose)  # at once: the next choice must know of it
    tasks |= _assign(work, rater, mains, "main")
    return [tasks[number] for number in sorted(tasks)]


def _needed(work: Work, rater: Rater, round_number: int) -> list[str]:
    """Ids of items that need answers which this rater may give, the most urgent first, equals in the rater's own order."""
    rows = work.rows(
        # NOT IN, not NOT EXISTS: PostgreSQL reads what the rater has had once, not again for every item.
        f"SELECT id, contested, priority FROM items WHERE round = :round AND {NEEDED} AND id NOT IN (SELECT item FROM "
        "assignments WHERE assignments.rater = :rater AND purpose = 'main' AND state <> 'expired') "
        "ORDER BY contested DESC, priority DESC, number LIMIT :most",
        round=round_number,
        rater=rater.id,
        most=LOOKED_AT,
    )
    rows.sort(key=lambda row: (-row["contested"], -row["priority"], derive(0, rater.id, row["id"])))
    return [row["id"] for row in rows]


def _choose(work: Work, rater: Rater, needed: list[str], plan: Plan, number: int, round_number: int) -> tuple[str, str]:
    """An item and what it is for: now and then a known one, or a repetition, else what is needed most."""
    draw = python_random(0, "purpose", rater.id, number).random()
    if draw < plan.gold_share:
        known = work.value(
            "SELECT id FROM items WHERE gold IS NOT NULL AND active = 1 AND NOT EXISTS (SELECT 1 FROM assignments WHERE "
            "item = items.id AND assignments.rater = :rater AND state <> 'expired') ORDER BY number LIMIT 1",
            rater=rater.id,
        )
        if known is not None:
            return known, "gold"
    elif draw < plan.gold_share + plan.repeat_share:
        again = work.value(
            "SELECT item FROM answers JOIN items ON items.id = item WHERE rater = :rater AND live = 1 AND purpose = 'main' "
            "AND verdict IN ('prefer', 'tie') AND round = :round AND kind = 'pair' AND NOT EXISTS (SELECT 1 FROM assignments "
            "WHERE assignments.item = answers.item AND assignments.rater = :rater AND assignments.purpose = 'repeat' AND "
            "state <> 'expired') ORDER BY answers.number DESC LIMIT 1 OFFSET :after",
            rater=rater.id,
            round=round_number,
            after=REPEAT_AFTER,
        )
        if again is not None:
            return again, "repeat"
    return needed[0], "main"


def _assign(work: Work, rater: Rater, chosen: Mapping[int, str], purpose: str) -> dict[int, Task]:
    """Give the rater those items, by the number that each has among all that they were given."""
    if not chosen:
        return {}
    names = {f"item{place}": item for place, item in enumerate(chosen.values())}
    found = work.rows(f"SELECT * FROM items WHERE id IN ({', '.join(f':{name}' for name in names)})", **names)
    rows = {row["id"]: row for row in found}
    tasks = {}
    for number, item in chosen.items():
        order = _order(work, rater, rows[item], purpose)
        tasks[number] = Task(f"t-{secrets.token_hex(8)}", item_of(rows[item]), order, purpose, rows[item]["answered"])
    if purpose == "main":
        work.add("UPDATE items SET held = held + 1 WHERE id = :item", [{"item": item} for item in chosen.values()])
    lease, at = seconds() + LEASE, now()
    work.add(
        "INSERT INTO assignments VALUES (:id, :item, :rater, :purpose, :shown, 'open', :lease, :at)",
        [
            {
                "id": task.id,
                "item": chosen[number],
                "rater": rater.id,
                "purpose": purpose,
                "shown": as_text(task.shown),
                "lease": lease,
                "at": f"{at}/{number:08d}",  # in the order of giving, also within a millisecond
            }
            for number, task in tasks.items()
        ],
    )
    return tasks


def _order(work: Work, rater: Rater, row: Mapping[str, Any], purpose: str) -> tuple[int, ...]:
    """The order in which the rater sees the responses; of a repetition, the other way round than before."""
    if purpose == "repeat":
        first = work.value(
            "SELECT shown FROM answers WHERE item = :item AND rater = :rater AND purpose = 'main' AND live = 1",
            item=row["id"],
            rater=rater.id,
        )
        return tuple(json.loads(first)[::-1])
    order = list(range(len(json.loads(row["responses"]))))
    python_random(0, "order", row["id"], rater.id).shuffle(order)
    return tuple(order)


def expire(work: Work) -> int:
    """Give back what raters did not answer in time. Returns how many."""
    late = work.rows("SELECT id, item, purpose FROM assignments WHERE state = 'open' AND lease < :now", now=seconds())
    work.add("UPDATE assignments SET state = 'expired' WHERE id = :id", [{"id": row["id"]} for row in late])
    mains = [{"item": row["item"]} for row in late if row["purpose"] == "main"]
    work.add("UPDATE items SET held = held - 1 WHERE id = :item", mains)
    return len(late)


def read_task(work: Work, name: str) -> Task:
    """The task of that id."""
    row = work.row(
        "SELECT items.*, shown, purpose FROM assignments JOIN items ON items.id = item WHERE assignments.id = :name",
        name=name,
    )
    assert row is not None
    return Task(name, item_of(row), tuple(json.loads(row["shown"])), row["purpose"], row["answered"])
