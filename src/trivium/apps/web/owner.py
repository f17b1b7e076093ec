"""The owner's part of the rating page: how the round goes, who rates how, files in and out, and who may come in.

Owners change things; reviewers see the same and change nothing. Every change goes to the audit log with who made it.
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of endpoints that are made inside functions.
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.errors import UserError
from trivium.evaluate.intervals import proportion
from trivium.feedback import answers, exchange, intake, items, plan, quality, raters
from trivium.feedback.agreement import Alpha
from trivium.feedback.database import Database
from trivium.feedback.raters import AccessError, Rater

if TYPE_CHECKING:
    from fastapi import FastAPI

    from trivium.apps.web.rating import Site

HOUR = 3600.0
AUDIT_LINES = 40


def summary(database: Database) -> dict[str, Any]:
    """Everything that the page shows, as JSON can hold it: numbers that are not known are null."""
    with database.reading() as work:
        number = items.current_round(work)
        status = items.status(work, number)
        settings = plan.read_plan(work)
        told = plan.guidelines(work)
        pace = _pace(work.rows("SELECT at FROM answers WHERE live = 1 ORDER BY number DESC LIMIT 200"))
        known = work.value("SELECT count(*) FROM items WHERE gold IS NOT NULL AND active = 1")
    found = quality.measure(database, number)
    left = max(0, status.wanted - status.answers)
    return {
        "round": number,
        "status": {**asdict(status), "done": status.done},
        "plan": settings.model_dump(mode="json"),
        "guidelines": told,
        "known_items": known,
        "per_hour": pace,
        "hours_left": 0.0 if left == 0 and status.items else left / pace if pace else None,
        "raters": [_rater_row(row) for row in found.raters],
        "first_chosen": share(found.first_chosen),
        "longer_chosen": share(found.longer_chosen),
        "repeats": share(found.repeats),
        "verdicts": _alpha(found.verdicts),
        "preferences": _alpha(found.preferences),
        "ceiling": found.ceiling,
        "counts": found.counts,
        "win_rates": [asdict(one) for one in quality.strengths_over_all(database).comparisons],
        "audit": plan.read_audit(database, AUDIT_LINES),
        "forms": exchange.FORMS,
    }


def _pace(rows: list[dict[str, Any]]) -> float | None:
    """Answers an hour, from the newest of them: of the last hour in which anyone rated, pauses left out."""
    from datetime import datetime

    times = sorted(datetime.fromisoformat(row["at"]).timestamp() for row in rows)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    worked = sum(gap for gap in gaps if gap < 300)  # seconds; a longer gap is a pause
    count = sum(gap < 300 for gap in gaps)
    return round(count / worked * HOUR, 1) if count >= 3 and worked > 0 else None


def _rater_row(row: quality.RaterQuality) -> dict[str, Any]:
    return {
        **asdict(row.rater),
        "answers": row.answers,
        "skips": row.skips,
        "median_seconds": row.median_seconds,
        "reliability": row.reliability,
        "gold": share(row.gold),
        "repeats": share(row.repeats),
        "first_chosen": share(row.first_chosen),
        "longer_chosen": share(row.longer_chosen),
    }


def share(counted: quality.Share) -> dict[str, Any] | None:
    """A share with Wilson's interval, None of nothing."""
    return asdict(proportion(*counted)) if counted[1] else None


def _alpha(found: Alpha) -> dict[str, Any] | None:
    return None if math.isnan(found.value) else asdict(found)


def add_owner(app: "FastAPI", site: "Site") -> None:
    """Add the owner's endpoints."""
    _add_views(app, site)
    _add_people(app, site)
    _add_round(app, site)


def allowed(site: "Site", request: Any, *roles: raters.Role) -> Rater:
    """Who asks, where their role is one of these. Raises AccessError."""
    from trivium.apps.web.rating import session_in

    rater = session_in(site, request).rater
    if rater.role not in roles:
        raise AccessError(f"this is for the {' or '.join(roles)} of the round; you are signed in as {rater.role}")
    return rater


def _add_views(app: "FastAPI", site: "Site") -> None:
    from fastapi import Request, Response
    from fastapi.responses import JSONResponse, StreamingResponse

    @app.get("/api/owner")
    def owner(request: Request) -> Response:
        allowed(site, request, "owner", "reviewer")
        training = site.training and site.training.state()
        return JSONResponse({**summary(site.database), "training": training})

    @app.get("/api/owner/export/{form}")
    def export(form: str, request: Request) -> Response:
        rater = allowed(site, request, "owner", "reviewer")
        rows = exchange.export(site.database, form)
        first = next(rows, None)  # a form that is none is refused before the answer starts
        with site.database.writing() as work:
            plan.note(work, rater.id, "exported", form=form)

        def lines() -> Iterator[str]:
            if first is not None:
                yield json.dumps(first, ensure_ascii=False) + "\n"
            for row in rows:
                yield json.dumps(row, ensure_ascii=False) + "\n"

        headers = {"Content-Disposition": f'attachment; filename="{form}.jsonl"'}
        return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


def _add_people(app: "FastAPI", site: "Site") -> None:
    from fastapi import Request

    from trivium.apps.web.rating import Body

    class InviteBody(Body):
        name: str = Field(max_length=200)
        role: raters.Role = "rater"

    class RaterBody(Body):
        rater: str
        reason: str = Field("", max_length=500)

    @app.post("/api/owner/invite")
    def invite(body: InviteBody, request: Request) -> dict[str, str]:
        owner = allowed(site, request, "owner")
        with site.database.writing() as work:
            rater = raters.ensure_rater(work, body.name, body.role)
            token = raters.invite(work, rater, owner.id)
        return {"link": link(site.address, token), "name": rater.name}

    @app.post("/api/owner/people/{action}")
    def people(
        action: Literal["pause", "resume", "sign-out", "withdraw"], body: RaterBody, request: Request
    ) -> dict[str, Any]:
        owner = allowed(site, request, "owner")
        with site.database.writing() as work:
            rater = raters.find_rater(work, body.rater)
            if action in ("pause", "resume"):
                raters.pause(work, rater, (body.reason or "by the owner") if action == "pause" else None, owner.id)
            elif action == "sign-out":
                if rater.id == owner.id:
                    raise UserError("you would lock yourself out; use Sign out on the rating page instead")
                raters.sign_out(work, rater, owner.id)
        if action == "withdraw":
            gone = answers.withdraw(site.database, rater, owner.id, body.reason or "by the owner")
            return {"withdrawn": len(gone), "learned": learned(site, rater)}
        return {}


def learned(site: "Site", rater: Rater) -> list[str]:
    """The folders, inside the run, of the models that learned from a rater."""
    from trivium.journey.learned import learned_from

    if site.training is None:
        return []
    run = site.training.run
    return [str(path.relative_to(run)) for path in learned_from(run, exchange.label(rater.id, rater.name))]


def link(address: str, token: str) -> str:
    """An invitation's address. The token stands behind the #, so that no server and no proxy writes it down."""
    return f"{address}/join#{token}"


def _add_round(app: "FastAPI", site: "Site") -> None:
    from fastapi import Query, Request

    from trivium.apps.web.rating import Body

    class RoundBody(Body):
        closed: bool

    class NextBody(Body):
        rounds: int = Field(ge=1, le=1000)

    class GuidelinesBody(Body):
        text: str = Field(max_length=20_000)

    @app.post("/api/owner/round")
    def close(body: RoundBody, request: Request) -> dict[str, Any]:
        owner = allowed(site, request, "owner")
        with site.database.writing() as work:
            items.close_round(work, items.current_round(work), owner.id, closed=body.closed)
        return {}

    @app.post("/api/owner/next")
    def start_next(body: NextBody, request: Request) -> dict[str, Any]:
        owner = allowed(site, request, "owner")
        if site.training is None:
            raise UserError("this page has ratings but no run to go on with; use `trivium run`")
        with site.database.writing() as work:
            status = items.status(work)
            if not status.done:
                raise UserError("there are not enough ratings yet; close the round to go on with those that are there")
            plan.note(work, owner.id, "went on with the run", rounds=body.rounds)
        site.training.start(body.rounds)
        return {}

    @app.post("/api/owner/guidelines")
    def guidelines(body: GuidelinesBody, request: Request) -> dict[str, Any]:
        owner = allowed(site, request, "owner")
        with site.database.writing() as work:
            plan.write_guidelines(work, body.text)
            plan.note(work, owner.id, "changed the guidelines")
        return {}

    @app.post("/api/owner/import")
    async def take_in(
        request: Request, taken_as: intake.What = "items", name: str = Query("import.jsonl", max_length=60)
    ) -> dict[str, int]:
        from starlette.concurrency import run_in_threadpool

        owner = await run_in_threadpool(allowed, site, request, "owner")
        content = await request.body()
        known = raters.clean_name(name)
        return {"new": await run_in_threadpool(intake.take_in, site.database, content, taken_as, known, owner.id)}
