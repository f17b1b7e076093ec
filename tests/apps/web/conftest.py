"""A store and its page, a run of models and its server, a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the web extra is not installed: pip install 'trivium-lm[web]'")

from tests.apps.web import models
from tests.apps.web.site import Served, serving
from tests.apps.web.windows import CHROMIUM, FLAGS
from trivium.feedback.database import Database


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr("trivium.feedback.database.SYNCHRONOUS", "OFF")
    opened = Database(tmp_path / "r.db")
    yield opened
    opened.close()


@pytest.fixture
def served(database: Database) -> Iterator[Served]:
    """The rating page."""
    with serving(database) as page:
        yield page


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of models, which no test writes into."""
    return models.make_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def api(run: Path) -> Iterator[models.Served]:
    """The server of that run."""
    with models.serving(run) as server:
        yield server


@pytest.fixture
def client(api: models.Served) -> Any:
    """The official client of that server."""
    return api.client()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield opened
        opened.close()


@pytest.fixture
def heard() -> list[str]:
    """What the browser complains of, and every address that is not ours."""
    return []
