"""Who rates: people with a name and a role, the links that let them in, and the sessions those become.

A link and a session are random tokens of which only the SHA-256 is kept: who reads the database can use neither. A link
works once, and a new one for the same person ends the older ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trivium.base.errors import UserError
from trivium.base.files import hash_bytes
from trivium.feedback.database import Database, Work
from trivium.feedback.plan import note, now, seconds

Role = Literal["owner", "reviewer", "rater"]
ROLES: tuple[Role, ...] = ("owner", "reviewer", "rater")
DAY = 86_400.0
LINK_DAYS = 7.0
SESSION_DAYS = 30.0
LONGEST_NAME = 80


class AccessError(UserError):
    """Not let in; the message says why and what to do."""


@dataclass(frozen=True)
class Rater:
    """A person. `paused` says why they may not rate just now, None where they may."""

    id: str
    name: str
    role: Role
    paused: str | None = None


@dataclass(frozen=True)
class Session:
    """Someone who is signed in; `csrf` must come with every request that changes something."""

    rater: Rater
    csrf: str


def clean_name(name: str) -> str:
    """The name without surrounding spaces. Raises UserError for an empty, long or unprintable one."""
    kept = " ".join(name.split(" ")).strip()
    if not kept or len(kept) > LONGEST_NAME or not kept.isprintable():
        raise UserError(f"the name {name!r:.100} does not do; give 1 to {LONGEST_NAME} printable characters")
    return kept


def ensure_rater(work: Work, name: str, role: Role | None = None) -> Rater:
    """The rater of that name, made where there is none (as a rater). Raises UserError where they have another role."""
    kept = clean_name(name)
    row = work.row("SELECT * FROM raters WHERE name = :name", name=kept)
    if row is None:
        row = {"id": f"r-{secrets.token_hex(6)}", "name": kept, "role": role or "rater", "paused": None}
        work.change("INSERT INTO raters VALUES (:id, :name, :role, :paused, :at)", **row, at=now())
        note(work, row["id"], "joined the list", role=row["role"])
    elif role is not None and row["role"] != role:
        raise UserError(f"'{kept}' is there as {row['role']}; leave the role away or choose another name")
    return rater_of(row)


def find_rater(work: Work, given: str) -> Rater:
    """The rater with this id or name. Raises UserError, naming those there are."""
    row = work.row("SELECT * FROM raters WHERE id = :given OR name = :given", given=given)
    if row is None:
        names = [line["name"] for line in work.rows("SELECT name FROM raters ORDER BY name LIMIT 20")]
        raise UserError(f"there is no rater {given!r:.100}; there are: {', '.join(names) or 'none yet'}")
    return rater_of(row)


def list_raters(work: Work) -> list[Rater]:
    """Everyone, by name."""
    return [rater_of(row) for row in work.rows("SELECT * FROM raters ORDER BY name")]


def pause(work: Work, rater: Rater, reason: str | None, who: str) -> None:
    """Keep someone from rating for a reason, or let them rate again (None)."""
    work.change("UPDATE raters SET paused = :reason WHERE id = :id", reason=reason, id=rater.id)
    note(work, who, "paused" if reason else "let rate again", rater=rater.id, **({"reason": reason} if reason else {}))


def invite(work: Work, rater: Rater, who: str, days: float = LINK_DAYS) -> str:
    """The token of a link that lets this person in once. Older links of theirs no longer work."""
    token = secrets.token_urlsafe(24)
    work.change("DELETE FROM invites WHERE rater = :rater AND used IS NULL", rater=rater.id)
    work.change(
        "INSERT INTO invites VALUES (:hash, :rater, :expires, NULL)",
        hash=_hash(token),
        rater=rater.id,
        expires=seconds() + days * DAY,
    )
    note(work, who, "made a link", rater=rater.id, days=days)
    return token


def sign_in(database: Database, token: str) -> tuple[str, Rater]:
    """A session's token for a link's. Raises AccessError for one that is unknown, used or too old; all are noted."""
    with database.writing() as work:
        row = work.row("SELECT * FROM invites WHERE hash = :hash", hash=_hash(token))
        problem = (
            "is not known here, or a newer one took its place"
            if row is None
            else "has been used already; if that was not you, tell the person who sent it"
            if row["used"]
            else "is too old"
            if row["expires"] < seconds()
            else None
        )
        if row is None or problem:
            note(work, row["rater"] if row else "unknown", "was not let in", reason=problem)
        else:
            work.change("UPDATE invites SET used = :at WHERE hash = :hash", at=now(), hash=row["hash"])
            rater = find_rater(work, row["rater"])
            session = secrets.token_urlsafe(32)
            work.change("DELETE FROM sessions WHERE expires < :now", now=seconds())
            work.change(
                "INSERT INTO sessions VALUES (:hash, :rater, :csrf, :expires)",
                hash=_hash(session),
                rater=rater.id,
                csrf=secrets.token_urlsafe(24),
                expires=seconds() + SESSION_DAYS * DAY,
            )
            note(work, rater.id, "signed in")
            return session, rater
    raise AccessError(f"this link {problem}; ask for a new one")


def session_of(database: Database, token: str) -> Session | None:
    """Who is signed in with this token, None where nobody is."""
    with database.looking() as work:
        row = work.row(
            "SELECT raters.*, csrf FROM sessions JOIN raters ON raters.id = rater WHERE hash = :hash AND expires > :now",
            hash=_hash(token),
            now=seconds(),
        )
    return None if row is None else Session(rater_of(row), row["csrf"])


def sign_out(work: Work, rater: Rater, who: str) -> None:
    """End all sessions and links of someone: for a link or a computer that was stolen."""
    work.change("DELETE FROM sessions WHERE rater = :id", id=rater.id)
    work.change("DELETE FROM invites WHERE rater = :id AND used IS NULL", id=rater.id)
    note(work, who, "signed out everywhere", rater=rater.id)


def rater_of(row: Mapping[str, object]) -> Rater:
    """A row of the table as a rater."""
    role = next(role for role in ROLES if role == row["role"])
    return Rater(str(row["id"]), str(row["name"]), role, None if row["paused"] is None else str(row["paused"]))


def _hash(token: str) -> str:
    return hash_bytes(token.encode("utf-8", "replace"))
