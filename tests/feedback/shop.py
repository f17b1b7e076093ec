"""Items, raters and answers for tests: short ways to say what a test is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from trivium.base.words import Message
from trivium.feedback import answers, assignments, items
from trivium.feedback.database import Database
from trivium.feedback.plan import Plan, write_plan
from trivium.feedback.raters import Rater, ensure_rater
from trivium.feedback.words import Item, Response

NUMBERS = itertools.count()
LEFT = {"verdict": "prefer", "preferred": 0, "strength": 2}
RIGHT = {"verdict": "prefer", "preferred": 1, "strength": 2}
TIE = {"verdict": "tie"}


def pair(number: int, **more: Any) -> Item:
    responses = (Response(f"first {number}", policy="new"), Response(f"second {number}", policy="old"))
    return Item("pair", (Message("user", f"request {number}"),), responses, **more)


def stock(database: Database, count: int, **plan: Any) -> list[Item]:
    """A round of `count` pairs; no known items and no repetitions unless the plan says so."""
    found = [pair(number) for number in range(count)]
    with database.writing() as work:
        write_plan(work, Plan(**{"gold_share": 0, "repeat_share": 0, **plan}))
        items.offer(work, found)
    return found


def person(database: Database, name: str) -> Rater:
    with database.writing() as work:
        return ensure_rater(work, name)


def say(database: Database, rater: Rater, task: assignments.Task, content: Mapping[str, Any] = LEFT) -> str:
    return answers.record(database, rater, new_id(), task.id, dict(content), 1000)


def new_id() -> str:
    return f"answer-{next(NUMBERS):06d}"


def own(task: assignments.Task, place: int) -> dict[str, Any]:
    """The judgement that prefers the item's response `place`, in the places of the screen."""
    return {"verdict": "prefer", "preferred": task.shown.index(place), "strength": 2}


def state(database: Database) -> items.Status:
    with database.reading() as work:
        return items.status(work)


def rate_all(database: Database, raters: Iterable[Rater], judge: Any) -> int:
    """Everyone rates until there is nothing left; `judge(rater, task)` gives the judgement. Returns the answers."""
    count = 0
    while True:
        before = count
        for rater in raters:
            for task in assignments.take(database, rater, 4):
                say(database, rater, task, judge(rater, task))
                count += 1
        if count == before:
            return count
