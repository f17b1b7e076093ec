"""The chat page's files, and what it sends besides questions: thumbs and corrections, into the run's ratings."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of endpoints that are made inside functions.
import functools
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from trivium.apps.web.api.bodies import Body, Name, Turn
from trivium.apps.web.api.faults import ApiError
from trivium.apps.web.api.site import Site
from trivium.base.words import Message

if TYPE_CHECKING:
    from fastapi import FastAPI

FILES = {"/": ("chat.html", "text/html"), "/static/page.css": ("page.css", "text/css")}
FILES |= {f"/static/{name}": (name, "text/css") for name in ("chat.css",)}
FILES |= {f"/static/{name}": (name, "text/javascript") for name in ("texts.js", "chat.js", "stream.js")}
MOST_TEXT = 100_000  # characters


class FeedbackBody(Body):
    """POST /feedback: what someone thinks of an answer that a model of this server gave."""

    model: Name
    messages: Annotated[list[Turn], Field(min_length=1, max_length=2000)]
    answer: Annotated[str, Field(max_length=MOST_TEXT)]
    ended: bool = Field(True, description="Whether the model stopped by itself.")
    thumb: Literal["up", "down", "none"]
    correction: Annotated[str, Field(max_length=MOST_TEXT)] | None = None


def add_page(app: "FastAPI", site: Site) -> None:
    """Add the page and its endpoints."""
    from fastapi import Response

    folder = resources.files("trivium.apps.web") / "static"

    def add(path: str, name: str, kind: str) -> None:
        content = (folder / name).read_bytes()

        @app.get(path, include_in_schema=False)
        def page() -> Response:
            return Response(content, media_type=kind)

    for path, (name, kind) in FILES.items():
        add(path, name, kind)

    @app.get("/about")
    def about() -> dict[str, Any]:
        """What the page must know: the run's name, the model that it begins with, whether thumbs are kept."""
        name = site.stages.folder.resolve().name
        return {"run": name, "newest": site.stages.newest.name, "keeps_feedback": site.database is not None}

    @app.post("/feedback")
    def feedback(body: FeedbackBody) -> dict[str, bool]:
        """Keep a thumb, a correction, or both; `none` without a correction takes them back."""
        if site.database is None:
            raise ApiError(400, "this server keeps no ratings: it serves a model folder, not a run", code="no_ratings")
        from trivium.feedback import raters, thumbs
        from trivium.feedback.words import Response as Said

        offer = site.stages.find(body.model, "chat")
        turns = body.messages if offer.answers else body.messages[-1:]
        prompt = [Message(turn.role, turn.text) for turn in turns]
        said = Said(body.answer, body.ended, policy_of(offer.name, offer.folder))
        with site.database.writing() as work:
            rater = raters.ensure_rater(work, site.person)
        thumbs.give(site.database, rater, prompt, said, body.thumb, body.correction)
        return {"kept": True}


@functools.lru_cache(maxsize=32)
def policy_of(name: str, folder: Path) -> str:
    """The name that ratings have for a model: its stage, and what its weights hash to."""
    from trivium.base.files import hash_file

    return f"{name}:{hash_file(folder / 'model.safetensors')[:16]}"
