"""The whole application: every endpoint, behind a door that asks for the token and keeps bodies small."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of endpoints that are made inside functions.
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trivium import __version__
from trivium.apps.web.api.faults import ApiError, add_faults, refused, shown
from trivium.apps.web.api.site import Site
from trivium.apps.web.safety import Guard, Receive, Scope, Send
from trivium.base.errors import MissingExtra

if TYPE_CHECKING:
    from fastapi import FastAPI

ABOUT = "The models of a Trivium run: OpenAI's API for text and vectors, and the heads of the run's own tasks."


def build(site: Site) -> Callable[..., Any]:
    """The application. Raises MissingExtra where FastAPI is not installed."""
    try:
        from fastapi import FastAPI
    except ImportError:
        raise MissingExtra("fastapi", "web", "the server") from None
    from trivium.apps.web.api.generation import add_generation
    from trivium.apps.web.api.page import add_page
    from trivium.apps.web.api.reading import add_reading

    app = FastAPI(title="Trivium", version=__version__, description=ABOUT, docs_url=None, redoc_url=None)
    add_faults(app)
    _add_models(app, site)
    add_generation(app, site)
    add_reading(app, site)
    add_page(app, site)
    _add_watching(app, site)
    return Guard(_Counted(app, site), site.hosts, most=lambda path: site.bounds.body, admit=site.admitted, form=refused)


def _add_models(app: "FastAPI", site: Site) -> None:
    def described(name: str) -> dict[str, Any]:
        offer = site.stages.offers[name]
        owner = site.stages.folder.resolve().name
        own = {"can": list(offer.can), "answers": offer.answers, "single": offer.single}
        return {"id": name, "object": "model", "created": offer.created, "owned_by": owner, **own}

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        """The stages that can be asked, in the order of training."""
        return {"object": "list", "data": [described(name) for name in site.stages.offers]}

    @app.get("/v1/models/{name:path}")  # a later round's model has a name with slashes
    def model(name: str) -> dict[str, Any]:
        """One of them."""
        if name not in site.stages.offers:
            there = ", ".join(site.stages.offers)
            sentence = f"there is no model {shown(name)}; there are: {there}"
            raise ApiError(404, sentence, param="model", code="model_not_found")
        return described(name)


def _add_watching(app: "FastAPI", site: Site) -> None:
    from fastapi import Response

    @app.get("/healthz")
    def healthy() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok"}

    @app.get("/metrics")
    def metrics() -> Response:
        """What was counted, for Prometheus."""
        return Response(site.counts.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Counted:
    """Counts answers by path and status; a path that is none of ours counts as one."""

    def __init__(self, app: "FastAPI", site: Site) -> None:
        self._app, self._counts = app, site.counts
        self._paths = {str(getattr(route, "path", "")) for route in app.routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and look at the status."""

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if scope["path"] in self._paths else "other"
                self._counts.answered(path, message["status"])
            await send(message)

        await self._app(scope, receive, watched)
