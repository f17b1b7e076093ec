"""How a round of ratings goes: how many answers each item needs, how raters are checked, when it is enough."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.feedback.database import Database, Work
from trivium.feedback.words import as_text

LEASE = 15 * 60  # seconds that an item is kept for the rater who has it on the screen
GUIDELINES = """Read the request, then all of the answers to it, and say which one you would rather have got.

Better is: does what was asked, true as far as you can tell, clear, no longer than it needs to be.
A longer answer is not better for being longer.
Tie: you could not say which is better. Both bad: neither is of use. Skip: you cannot judge it, and say why.
You may rewrite an answer (E); what you write is learned from."""


class Plan(Settings):
    """What the people who own a round decide about it."""

    show: Literal["pairs", "rankings"] = Field(
        default="pairs",
        description="two answers at a time, or all answers to a request, up to five, to be put in order",
    )
    answers_each: int = Field(default=1, ge=1, le=20, description="raters who see each pair")
    more_on_split: int = Field(default=1, ge=0, le=10, description="further raters where those disagree")
    enough: float = Field(default=1.0, gt=0, le=1, description="share of the pairs to rate before the run goes on")
    gold_share: float = Field(default=0.08, ge=0, lt=1, description="share of items whose answer is known, where given")
    repeat_share: float = Field(default=0.05, ge=0, lt=1, description="share of pairs shown again, swapped")
    gold_least: int = Field(default=20, ge=1, description="known items before a rater may be paused")
    gold_pass: float = Field(default=0.7, ge=0, le=1, description="share right below which a rater is paused")


def read_plan(work: Work) -> Plan:
    """The plan that is in force; the defaults where none was set."""
    return plan_of(get(work, "plan"))


def plan_of(kept: str | None) -> Plan:
    """A plan as it is kept under the name `plan`."""
    return Plan(**json.loads(kept or "{}"))


def write_plan(work: Work, plan: Plan) -> None:
    """Put a plan in force."""
    put(work, "plan", as_text(plan.model_dump(mode="json")))


def get(work: Work, name: str) -> str | None:
    """A value kept under a name, None where there is none."""
    found: str | None = work.value("SELECT value FROM meta WHERE name = :name", name=name)
    return found


def put(work: Work, name: str, value: str) -> None:
    """Keep a value under a name."""
    work.change(
        "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value",
        name=name,
        value=value,
    )


def guidelines(work: Work) -> str:
    """What raters are told."""
    kept = get(work, "guidelines")
    return GUIDELINES if kept is None else str(json.loads(kept))


def write_guidelines(work: Work, text: str) -> None:
    """Tell raters something else from now on."""
    put(work, "guidelines", as_text(text))


def now() -> str:
    """The time in ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def seconds() -> float:
    """Seconds since 1970, for leases and expiry."""
    return time.time()


def note(work: Work, who: str, action: str, **details: Any) -> None:
    """Add a line to the audit log. `who` is a rater's id, or what acted where no rater did."""
    work.change(
        "INSERT INTO audit (at, who, action, details) VALUES (:at, :who, :action, :details)",
        at=now(),
        who=who,
        action=action,
        details=as_text(details),
    )


def read_audit(database: Database, most: int = 100) -> list[dict[str, Any]]:
    """The newest lines of the audit log, newest first."""
    with database.reading() as work:
        rows = work.rows("SELECT * FROM audit ORDER BY number DESC LIMIT :most", most=most)
    return [{**row, "details": json.loads(row["details"])} for row in rows]
