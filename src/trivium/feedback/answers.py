"""What raters said: recording it once, whatever happens on the way, taking it back, and reading it.

An answer carries an id that its sender chose: sent twice, it is one answer. It is taken where its item still needs one,
also after its lease; where others were faster ('late'), or its rater is paused by now ('paused'), it is kept, but does not
count. Undo and withdrawal add a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trivium.base.errors import UserError
from trivium.feedback.assignments import Task, read_task
from trivium.feedback.database import Database, Work
from trivium.feedback.items import PLAN, item_of
from trivium.feedback.plan import LEASE, Plan, note, now, plan_of, read_plan, seconds
from trivium.feedback.raters import Rater, pause
from trivium.feedback.words import (
    Judgement,
    JudgementError,
    category,
    check_judgement,
    read_judgement,
    reordered,
)

Kept = Literal["counted", "known", "late", "paused"]
ID = re.compile(r"[A-Za-z0-9-]{8,64}")
MOST_MILLISECONDS = 86_400_000  # that an answer is said to have taken: a day
ROW = (
    "INSERT INTO answers (id, assignment, item, rater, purpose, verdict, category, value, shown, correct, milliseconds, at, "
    "live, supersedes) VALUES (:id, :assignment, :item, :rater, :purpose, :verdict, :category, :value, :shown, :correct, "
    ":milliseconds, :at, :live, :supersedes)"
)
# All that an answer is judged by, in one query: a database across a network answers each after a while, and nobody else
# writes meanwhile.
ASKED = (
    "SELECT items.*, state, assignments.shown, assignments.purpose, paused, sent.rater AS sent_by, "
    f"sent.assignment AS sent_to, {PLAN} AS plan FROM assignments "
    "JOIN items ON items.id = assignments.item JOIN raters ON raters.id = assignments.rater "
    "LEFT JOIN answers AS sent ON sent.id = :answer WHERE assignments.id = :task AND assignments.rater = :rater"
)
SAID = (  # different things that raters said of an item
    "(SELECT count(DISTINCT category) FROM answers WHERE item = :item AND live = 1 AND purpose = 'main' AND verdict <> 'skip')"
)


class UnknownTaskError(UserError):
    """An answer to something that this rater was not asked."""


class AnsweredError(UserError):
    """A second answer to a task: from another tab, or after the first was sent."""


@dataclass(frozen=True)
class Answer:
    """A recorded answer. Places in `judgement` are the item's; `shown` is the order on the screen."""

    id: str
    item: str
    rater: str
    purpose: str
    judgement: Judgement
    shown: tuple[int, ...]
    correct: bool | None
    milliseconds: int | None
    at: str


def record(
    database: Database, rater: Rater, answer_id: str, task_id: str, content: Any, milliseconds: int | None = None
) -> Kept:
    """Record what a rater said of a task, `content` in the places of the screen. On return it is on the disk.

    Raises UnknownTaskError, AnsweredError, or JudgementError where it does not fit the item.
    """
    if not ID.fullmatch(answer_id):
        raise JudgementError(f"the answer's id {answer_id!r:.80} does not do; 8 to 64 letters, digits and dashes")
    taken = None if milliseconds is None else max(0, min(int(milliseconds), MOST_MILLISECONDS))
    sent = _Sent(answer_id, task_id, read_judgement(content), taken)
    return database.together(lambda work: _recorded(work, rater, sent))


@dataclass(frozen=True)
class _Sent:
    """What came from a rater, before it is looked at beside the item."""

    id: str
    task: str
    judgement: Judgement
    milliseconds: int | None


def _recorded(work: Work, rater: Rater, sent: _Sent) -> Kept:
    row = work.row(ASKED, answer=sent.id, task=sent.task, rater=rater.id)
    if row and (row["sent_by"], row["sent_to"]) == (rater.id, sent.task):
        return "known"
    if row is None or row["sent_by"] is not None:
        raise UnknownTaskError("this item was not given to you, or is not known here; load the next one")
    if row["state"] not in ("open", "expired"):
        raise AnsweredError("you answered this item already, perhaps in another tab; the first answer is kept")
    task = Task(sent.task, item_of(row), tuple(json.loads(row["shown"])), row["purpose"], row["answered"])
    _check_places(sent.judgement, len(task.shown))
    own = reordered(sent.judgement, task.shown)
    check_judgement(own, task.item.kind, task.item.responses, task.item.axes)
    kept = _kept(row)
    work.change(
        ROW,
        id=sent.id,
        assignment=sent.task,
        item=row["id"],
        rater=rater.id,
        purpose=task.purpose,
        verdict=own.verdict,
        category=category(own),
        value=own.model_dump_json(exclude_none=True, ensure_ascii=True),
        shown=row["shown"],
        correct=_is_correct(own, task),
        milliseconds=sent.milliseconds,
        at=now(),
        live=int(kept == "counted"),
        supersedes=None,
    )
    skipped, plan = own.verdict == "skip", plan_of(row["plan"])
    state = "late" if kept != "counted" else "skipped" if skipped else "done"
    work.change("UPDATE assignments SET state = :state WHERE id = :task", state=state, task=sent.task)
    if task.purpose == "main" and (kept == "counted" or row["state"] == "open"):
        counted = int(kept == "counted")
        held = -int(row["state"] == "open")
        _book(work, row["id"], plan, answered=counted * (not skipped), skipped=counted * skipped, held=held)
    if task.purpose == "gold" and rater.role == "rater":
        _watch(work, rater, plan)
    return kept


def record_unasked(work: Work, item: str, rater: str, judgement: Judgement, name: str, at: str) -> None:
    """Record what someone said of an item that was not given to them: from a file, or while they talked to a model."""
    work.change(
        ROW,
        id=name,
        assignment=None,
        item=item,
        rater=rater,
        purpose="main",
        verdict=judgement.verdict,
        category=category(judgement),
        value=judgement.model_dump_json(exclude_none=True, ensure_ascii=True),
        shown="[]",
        correct=None,
        milliseconds=None,
        at=at,
        live=1,
        supersedes=None,
    )
    work.change(
        "UPDATE items SET answered = answered + 1, wanted = CASE WHEN wanted < answered + held + 1 THEN answered + held + 1 "
        "ELSE wanted END WHERE id = :item",
        item=item,
    )


def _check_places(judgement: Judgement, count: int) -> None:
    places = [judgement.preferred, judgement.corrects, *(p for together in judgement.ranking or () for p in together)]
    if any(place is not None and not 0 <= place < count for place in places):
        raise JudgementError(f"a place is outside 0 to {count - 1}: there are {count} responses")


def _kept(row: Mapping[str, Any]) -> Kept:
    """What becomes of an answer to an item in that state: others may have been faster where its lease was over."""
    if row["paused"] is not None:
        return "paused"
    free = row["purpose"] != "main" or row["state"] == "open" or row["answered"] + row["held"] < row["wanted"]
    return "counted" if free else "late"


def _is_correct(judgement: Judgement, task: Task) -> int | None:
    if task.purpose != "gold" or judgement.verdict == "skip" or task.item.gold is None:
        return None
    return int(category(judgement) == category(read_judgement(task.item.gold)))


def _book(work: Work, item: str, plan: Plan, *, answered: int = 0, skipped: int = 0, held: int = 0) -> None:
    """Change the counters of an item by these, mark it where its raters disagree, and ask more of them then."""
    work.change(
        f"UPDATE items SET answered = answered + :answered, skipped = skipped + :skipped, held = held + :held, "
        f"contested = CASE WHEN {SAID} > 1 THEN 1 ELSE 0 END, wanted = CASE WHEN {SAID} > 1 THEN base + :more "
        "WHEN answered + :answered > base THEN answered + :answered ELSE base END WHERE id = :item",
        item=item,
        answered=answered,
        skipped=skipped,
        held=held,
        more=plan.more_on_split,
    )


def _watch(work: Work, rater: Rater, plan: Plan) -> None:
    """Pause a rater who is wrong too often where the answer is known."""
    row = work.row(
        "SELECT count(*) AS asked, coalesce(sum(correct), 0) AS right_ones FROM answers WHERE rater = :rater AND live = 1 "
        "AND correct IS NOT NULL",
        rater=rater.id,
    )
    assert row is not None
    asked, right = int(row["asked"]), int(row["right_ones"])
    if asked >= plan.gold_least and right / asked < plan.gold_pass:
        pause(work, rater, f"{right} of {asked} items whose answer is known were right", "trivium")


def undo(database: Database, rater: Rater, undo_id: str) -> Task | None:
    """Take back the rater's newest answer and give its item again; None where there is none to take back."""
    if not ID.fullmatch(undo_id):
        raise JudgementError(f"the id {undo_id!r:.80} does not do; 8 to 64 letters, digits and dashes")
    with database.writing() as work:
        done = work.row("SELECT assignment, rater FROM answers WHERE id = :id", id=undo_id)
        if done is not None:
            return read_task(work, done["assignment"]) if done["rater"] == rater.id else None
        row = work.row(
            "SELECT * FROM answers WHERE rater = :rater AND live = 1 AND assignment IS NOT NULL ORDER BY number DESC LIMIT 1",
            rater=rater.id,
        )
        if row is None:
            return None
        take_back(work, row, "undone", undo_id)
        work.change(
            "UPDATE assignments SET state = 'open', lease = :lease, at = '' WHERE id = :id",  # '': before all others
            lease=seconds() + LEASE,
            id=row["assignment"],
        )
        if row["purpose"] == "main":
            work.change("UPDATE items SET held = held + 1 WHERE id = :item", item=row["item"])
        return read_task(work, row["assignment"])


def take_back(work: Work, row: Mapping[str, Any], verdict: str, name: str) -> None:
    """Make an answer count no longer, and add the row that says so."""
    work.change("UPDATE answers SET live = 0 WHERE id = :id", id=row["id"])
    own = {column: row[column] for column in ("assignment", "item", "rater", "purpose", "shown")}
    work.change(
        ROW,
        **own,
        id=name,
        verdict=verdict,
        category="",
        value="{}",
        correct=None,
        milliseconds=None,
        at=now(),
        live=0,
        supersedes=row["id"],
    )
    if row["purpose"] == "main":
        skipped = row["verdict"] == "skip"
        _book(work, row["item"], read_plan(work), answered=-int(not skipped), skipped=-int(skipped))


def withdraw(database: Database, rater: Rater, who: str, reason: str) -> list[str]:
    """Take back everything that a rater said. Returns the ids of those answers; their items are rated by others."""
    with database.writing() as work:
        rows = work.rows("SELECT * FROM answers WHERE rater = :rater AND live = 1", rater=rater.id)
        for row in rows:
            take_back(work, row, "withdrawn", f"w-{row['id']}"[:64])
            if row["assignment"]:
                work.change("UPDATE assignments SET state = 'withdrawn' WHERE id = :id", id=row["assignment"])
        note(work, who, "withdrew answers", rater=rater.id, answers=len(rows), reason=reason)
    return [row["id"] for row in rows]


def read_answers(
    database: Database, round_number: int | None = None, purposes: Sequence[str] = ("main",)
) -> list[Answer]:
    """The answers that count, oldest first; imported ones among the main ones."""
    chosen = "" if round_number is None else "AND round = :round"
    given = {} if round_number is None else {"round": round_number}
    with database.reading() as work:
        rows = work.rows(
            f"SELECT answers.* FROM answers JOIN items ON items.id = item WHERE live = 1 AND active = 1 {chosen} "
            "ORDER BY answers.number",
            **given,
        )
    return [_answer(row) for row in rows if row["purpose"] in purposes]


def _answer(row: Mapping[str, Any]) -> Answer:
    return Answer(
        id=row["id"],
        item=row["item"],
        rater=row["rater"],
        purpose=row["purpose"],
        judgement=Judgement.model_validate_json(row["value"]),
        shown=tuple(json.loads(row["shown"])),
        correct=None if row["correct"] is None else bool(row["correct"]),
        milliseconds=row["milliseconds"],
        at=row["at"],
    )
