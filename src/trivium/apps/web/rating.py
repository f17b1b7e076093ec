"""The rating page's server: signing in by link, taking items, answering, undoing; the owner's part is in owner.py.

Every endpoint but the pages and the sign-in needs a session; what changes something needs the session's own token in a
header as well. An answer is acknowledged once it is on the disk. Raters are sent texts, never who wrote them.
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of endpoints that are made inside functions.
import functools
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from trivium.apps.web.safety import LOOPBACK, Guard, Limits, Scope
from trivium.apps.web.training import Training
from trivium.base.errors import MissingExtra, RunError, UserError
from trivium.feedback import answers, assignments, items, plan, raters
from trivium.feedback.answers import AnsweredError, UnknownTaskError
from trivium.feedback.database import Database
from trivium.feedback.raters import AccessError, Session

if TYPE_CHECKING:
    from fastapi import FastAPI

COOKIE = "trivium_rating"
MOST_AT_ONCE = 16
PAGES = {"/": "rate.html", "/join": "join.html", "/owner": "owner.html"}
FILES = {"page.css": "text/css", "rate.js": "text/javascript", "join.js": "text/javascript"}
FILES |= {"owner.js": "text/javascript", "texts.js": "text/javascript"}


@dataclass(frozen=True)
class Site:
    """Where the page is reached, and how hard it may be asked."""

    database: Database
    address: str = "http://127.0.0.1"
    hosts: frozenset[str] = LOOPBACK
    training: Training | None = None  # the run behind the page, where it can be gone on with from here
    requests: Limits = field(default_factory=lambda: Limits(per_second=20, burst=100))  # of one who is signed in
    sign_ins: Limits = field(default_factory=lambda: Limits(per_second=1, burst=30))  # from one address


class StatusError(UserError):
    """A refusal with the status that says so to a browser."""

    def __init__(self, status: int, sentence: str, wait: float = 0.0) -> None:
        super().__init__(sentence)
        self.status, self.wait = status, wait


class Body(BaseModel):
    """What a browser sends; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class JoinBody(Body):
    """The token of a link."""

    token: str = Field(min_length=1, max_length=200)


class TakeBody(Body):
    """How many tasks."""

    count: int = Field(1, ge=1, le=MOST_AT_ONCE)


class AnswerBody(Body):
    """An answer, in the places of the screen; `id` is the sender's own, so that it can be sent again."""

    id: str
    task: str
    judgement: dict[str, Any]
    milliseconds: int | None = Field(None, ge=0)


class UndoBody(Body):
    """The undoing's own id."""

    id: str


def session_in(site: Site, request: Any) -> Session:
    """Who asks. Raises StatusError where nobody is signed in, where they ask too often, or without the session's token."""
    token = request.cookies.get(COOKIE, "")
    session = raters.session_of(site.database, token) if token else None
    if session is None:
        raise StatusError(401, "you are not signed in here; open the link that you were sent, or ask for a new one")
    wait = site.requests.wait(session.rater.id)
    if wait:
        raise StatusError(429, f"too many requests; wait {wait:.1f} seconds", wait)
    if request.method != "GET" and not hmac.compare_digest(request.headers.get("x-csrf-token", ""), session.csrf):
        raise StatusError(403, "this page is from an earlier visit; load it again, nothing is lost")
    return session


def status_of(error: UserError) -> int:
    """The status that fits an error."""
    kinds: tuple[tuple[type[UserError], int], ...] = (
        (AccessError, 403),
        (UnknownTaskError, 404),
        (AnsweredError, 409),
        (RunError, 503),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), 400)


def build(site: Site) -> Callable[..., Any]:
    """The whole application. Raises MissingExtra where FastAPI is not installed."""
    try:
        from fastapi import FastAPI
    except ImportError:
        raise MissingExtra("fastapi", "web", "the rating page") from None
    from trivium.apps.web.owner import add_owner

    app = FastAPI(title="Trivium rating", openapi_url=None, docs_url=None, redoc_url=None)
    _add_errors(app)
    _add_pages(app)
    _add_sessions(app, site)
    _add_rating(app, site)
    add_owner(app, site)
    return Guard(app, site.hosts, admit=functools.partial(may_import, site))


def may_import(site: Site, scope: Scope) -> tuple[int, str] | None:
    """Why not, for who sends a file without being an owner: so that large bodies are read from nobody else."""
    from starlette.requests import Request

    if scope["path"] != "/api/owner/import":
        return None
    token = Request(scope).cookies.get(COOKIE, "")
    session = raters.session_of(site.database, token) if token else None
    if session is None:
        return 401, "you are not signed in here; open the link that you were sent, or ask for a new one"
    return None if session.rater.role == "owner" else (403, "this is for the owner of the round")


def _add_errors(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    @app.exception_handler(UserError)
    def user_error(request: Request, error: UserError) -> JSONResponse:
        status = error.status if isinstance(error, StatusError) else status_of(error)
        headers = (
            {"Retry-After": str(max(1, round(error.wait)))} if isinstance(error, StatusError) and error.wait else {}
        )
        return JSONResponse({"error": str(error)}, status, headers)

    @app.exception_handler(RequestValidationError)
    def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        fault = error.errors()[0]
        at = ".".join(str(part) for part in fault["loc"][1:]) or "body"
        return JSONResponse({"error": f"'{at}': {fault['msg']}"}, 400)

    @app.exception_handler(HTTPException)
    def not_there(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": "there is nothing at this address"}, error.status_code)


def _add_pages(app: "FastAPI") -> None:
    from fastapi import Response

    folder = resources.files("trivium.apps.web") / "static"

    def add(path: str, name: str, kind: str) -> None:
        content = (folder / name).read_bytes()

        @app.get(path)
        def page() -> Response:
            return Response(content, media_type=kind)

    for path, name in PAGES.items():
        add(path, name, "text/html")
    for name, kind in FILES.items():
        add(f"/static/{name}", name, kind)

    @app.get("/healthz")
    def healthy() -> dict[str, str]:
        return {"status": "ok"}


def _add_sessions(app: "FastAPI", site: Site) -> None:
    from fastapi import Request, Response

    @app.post("/api/join")
    def join(body: JoinBody, request: Request, response: Response) -> dict[str, Any]:
        wait = site.sign_ins.wait(request.client.host if request.client else "unknown")
        if wait:
            raise StatusError(429, f"too many attempts to sign in; wait {wait:.0f} seconds", wait)
        token, rater = raters.sign_in(site.database, body.token)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(raters.SESSION_DAYS * raters.DAY),
            httponly=True,
            samesite="strict",
            secure=site.address.startswith("https:"),
        )
        return {"name": rater.name, "role": rater.role}

    @app.get("/api/me")
    def me(request: Request) -> dict[str, Any]:
        session = session_in(site, request)
        with site.database.reading() as work:
            told = plan.guidelines(work)
        rater = session.rater
        return {"id": rater.id, "name": rater.name, "role": rater.role, "csrf": session.csrf, "guidelines": told}

    @app.post("/api/leave")
    def leave(request: Request, response: Response) -> dict[str, Any]:
        session = session_in(site, request)
        with site.database.writing() as work:
            raters.sign_out(work, session.rater, session.rater.id)
        response.delete_cookie(COOKIE)
        return {}


def _add_rating(app: "FastAPI", site: Site) -> None:
    from fastapi import Request, Response
    from fastapi.responses import JSONResponse

    @app.post("/api/take")
    def take(body: TakeBody, request: Request) -> Response:
        rater = session_in(site, request).rater
        tasks = assignments.take(site.database, rater, body.count)
        with site.database.looking() as work:
            status = items.status(work)
            mine = work.value(
                "SELECT count(*) FROM answers WHERE rater = :id AND live = 1 AND purpose <> 'import'", id=rater.id
            )
        progress = {"mine": mine, "answers": status.answers, "wanted": status.wanted, "items": status.items}
        progress |= {"closed": status.closed, "done": status.done}
        return JSONResponse({"tasks": [shown(task) for task in tasks], "progress": progress})

    @app.post("/api/answer")
    def answer(body: AnswerBody, request: Request) -> dict[str, Any]:
        rater = session_in(site, request).rater
        kept = answers.record(site.database, rater, body.id, body.task, body.judgement, body.milliseconds)
        return {"kept": kept}

    @app.post("/api/undo")
    def undo(body: UndoBody, request: Request) -> Response:
        task = answers.undo(site.database, session_in(site, request).rater, body.id)
        return JSONResponse({"task": None if task is None else shown(task)})


def shown(task: assignments.Task) -> dict[str, Any]:
    """A task as a rater sees it: nothing in it says who wrote an answer, or that its right one is known."""
    prompt = [{"role": message.role, "text": message.content} for message in task.item.prompt]
    content = {"id": task.id, "kind": task.item.kind, "prompt": prompt, "responses": task.texts}
    return {**content, "axes": list(task.item.axes)}
